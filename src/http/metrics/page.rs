//! The metrics as text. `docs/metrics.md` lists the same.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::Metrics;
use super::requests::Series;
use super::snapshot::Snapshot;

/// One answer to a scrape.
pub(super) struct Page {
    metrics: Metrics,
    snapshot: Snapshot,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Page").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

impl Page {
    pub(super) fn new(metrics: Metrics, snapshot: Snapshot) -> Self {
        Self { metrics, snapshot }
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut pen = Pen(encoder);
        self.requests(&mut pen)?;
        self.predictions(&mut pen)?;
        self.models(&mut pen)?;
        self.shadows(&mut pen)?;
        self.jobs(&mut pen)?;
        self.database(&mut pen)?;
        self.process(&mut pen)
    }
}

impl Page {
    fn requests(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let requests = self.metrics.requests();
        let series = requests.series();
        let name = "evenkeel_http_requests";
        let mut counter = pen.begin(name, "Requests answered, by operation, format and status", MetricType::Counter)?;
        for one in &series {
            write_counter(&mut counter, &labels(one), one.counted.count)?;
        }
        let name = "evenkeel_http_request_seconds";
        let help = "Seconds from the header of a request to the end of its answer";
        let mut histogram = pen.begin(name, help, MetricType::Histogram)?;
        for one in &series {
            let (labels, counted) = (labels(one), &one.counted);
            histogram.encode_family(&labels)?.encode_histogram::<Labels<'_>>(
                counted.seconds,
                counted.count,
                &counted.buckets,
                None,
            )?;
        }
        pen.gauge("evenkeel_http_requests_in_progress", "Requests at work", requests.in_progress())
    }

    fn predictions(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let queue = self.snapshot.queue;
        pen.counter("evenkeel_rows_predicted", "Rows scored for answers", self.snapshot.cache.rows)?;
        pen.gauge(
            "evenkeel_predictions_running",
            "Predictions that compute, small ones left out",
            whole(queue.running),
        )?;
        pen.gauge(
            "evenkeel_predictions_waiting",
            "Predictions that wait for a place to compute",
            whole(queue.waiting),
        )?;
        let help = "Predictions refused because too many were waiting";
        pen.counter("evenkeel_predictions_refused", help, queue.refused)
    }

    fn models(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let cache = self.snapshot.cache;
        let limit = whole(self.snapshot.cache_limit_bytes);
        pen.gauge("evenkeel_model_cache_models", "Models held in memory", whole(cache.models))?;
        pen.gauge("evenkeel_model_cache_bytes", "Bytes of models held in memory", whole(cache.bytes))?;
        pen.gauge("evenkeel_model_cache_limit_bytes", "Bytes that models may take", limit)?;
        pen.counter("evenkeel_model_cache_hits", "Requests that found their model in memory", cache.hits)?;
        pen.counter("evenkeel_model_cache_misses", "Models loaded because they were not in memory", cache.loads)?;
        pen.counter("evenkeel_model_cache_evictions", "Models dropped to make room", cache.evictions)
    }

    fn shadows(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let shadows = self.snapshot.shadows;
        pen.gauge("evenkeel_shadow_waiting", "Requests that wait for a shadow", whole(shadows.waiting))?;
        let help = "Requests to aliases with a shadow, by what became of the comparison";
        let mut counter = pen.begin("evenkeel_shadow_requests", help, MetricType::Counter)?;
        let outcomes = [("compared", shadows.compared), ("dropped", shadows.dropped), ("failed", shadows.failed)];
        for (outcome, count) in outcomes {
            write_counter(&mut counter, &[("outcome", outcome)], count)?;
        }
        Ok(())
    }

    fn jobs(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let workers = &self.metrics.0.workers;
        pen.gauge("evenkeel_workers", "Jobs that this process works on at once", whole(workers.places()))?;
        pen.gauge("evenkeel_workers_busy", "Jobs that this process works on now", whole(workers.busy()))?;
        let help = "Workers of this process that assist with jobs of others";
        pen.gauge("evenkeel_workers_assisting", help, whole(workers.assisting()))?;
        let Some(jobs) = &self.snapshot.jobs else { return Ok(()) };
        let mut gauge = pen.begin("evenkeel_jobs", "Jobs in the database by status", MetricType::Gauge)?;
        for (status, count) in &jobs.by_status {
            write_gauge(&mut gauge, &[("status", status)], &whole(*count))?;
        }
        let mut gauge =
            pen.begin("evenkeel_jobs_running", "Running jobs by phase, of all workers", MetricType::Gauge)?;
        for (phase, count) in &jobs.running_by_phase {
            write_gauge(&mut gauge, &[("phase", phase)], &whole(*count))?;
        }
        let help = "Parts of unfinished comparisons by state, of all workers";
        let mut gauge = pen.begin("evenkeel_job_parts", help, MetricType::Gauge)?;
        for (state, count) in &jobs.parts {
            write_gauge(&mut gauge, &[("state", state)], &whole(*count))?;
        }
        let help = "Seconds that the oldest queued job has waited; 0 if none waits";
        pen.gauge("evenkeel_queue_oldest_seconds", help, jobs.oldest_queued_seconds.unwrap_or(0.0))
    }

    fn database(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let connections = self.snapshot.connections;
        let help = "Whether the database has answered this scrape";
        pen.gauge("evenkeel_database_up", help, i64::from(self.snapshot.jobs.is_some()))?;
        let help = "Open connections to the database";
        let mut gauge = pen.begin("evenkeel_database_connections", help, MetricType::Gauge)?;
        let used = connections.open.saturating_sub(connections.idle);
        for (state, count) in [("idle", connections.idle), ("used", used)] {
            write_gauge(&mut gauge, &[("state", state)], &whole(count))?;
        }
        let help = "Connections to the database that may be open at once";
        pen.gauge("evenkeel_database_connections_limit", help, i64::from(connections.most))
    }

    fn process(&self, pen: &mut Pen<'_>) -> Result<(), Error> {
        let mut info = pen.begin("evenkeel_build", "What runs", MetricType::Info)?;
        info.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let started = self.metrics.0.started.as_micros() as f64 / 1e6;
        pen.gauge("process_start_time_seconds", "When serving began, in seconds since 1970", started)?;
        if let Some(bytes) = self.snapshot.process.resident_bytes {
            pen.gauge("process_resident_memory_bytes", "Memory in use", whole(bytes))?;
        }
        if let Some(files) = self.snapshot.process.open_files {
            pen.gauge("process_open_fds", "Open files and connections", whole(files))?;
        }
        Ok(())
    }
}

/// Writes one metric after another.
struct Pen<'a>(DescriptorEncoder<'a>);

impl Pen<'_> {
    /// Its name and what it is; the series follow. Names of counters get their `_total` by themselves.
    fn begin<'s>(&'s mut self, name: &'s str, help: &'s str, kind: MetricType) -> Result<MetricEncoder<'s>, Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> Result<(), Error> {
        self.begin(name, help, MetricType::Counter)?.encode_counter::<Labels<'_>, _, u64>(&count, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result<(), Error> {
        self.begin(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }
}

type Labels<'a> = [(&'static str, &'a str); 3];

fn labels(series: &Series) -> Labels<'_> {
    [("endpoint", &series.endpoint), ("format", series.format), ("status", series.status)]
}

fn write_counter<const N: usize>(
    counter: &mut MetricEncoder<'_>,
    labels: &[(&'static str, &str); N],
    count: u64,
) -> Result<(), Error> {
    counter.encode_family(labels)?.encode_counter::<Labels<'_>, _, u64>(&count, None)
}

fn write_gauge<const N: usize>(
    gauge: &mut MetricEncoder<'_>,
    labels: &[(&'static str, &str); N],
    value: &i64,
) -> Result<(), Error> {
    gauge.encode_family(labels)?.encode_gauge(value)
}

/// Gauges are signed.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
