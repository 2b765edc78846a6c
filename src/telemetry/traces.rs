//! Traces: what a request or a job spent its time on, sent to a collector over OTLP where one is configured. Where none
//! is, nothing here costs more than looking at a flag.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// How long the end of the process waits for the last spans to be sent.
const LAST_FLUSH: Duration = Duration::from_secs(5);
/// Methods that a span is named by; any other is `_OTHER`, as the semantic conventions have it.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

static ARE_ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are sent anywhere.
pub fn are_on() -> bool {
    ARE_ON.load(Ordering::Relaxed)
}

/// Spans on their way to a collector.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends spans to `endpoint`, such as `http://127.0.0.1:4317`, by gRPC, in batches. Sampling, batches, headers and further
    /// attributes go by the standard `OTEL_*` variables. To be called within the runtime, which has to outlive this.
    ///
    /// # Errors
    /// If the endpoint is no URL. One that does not answer is no error: its spans are lost.
    pub fn start(endpoint: &str, service: &str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// What turns spans of this program into spans of a trace.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let own = Targets::new().with_target("evenkeel", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("evenkeel"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(own)
    }

    /// Spans are recorded from now on.
    pub(super) fn begin(&self) {
        ARE_ON.store(true, Ordering::Relaxed);
    }

    /// Sends what is left.
    pub fn stop(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_FLUSH) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// What a caller says of the trace that its request belongs to (W3C Trace Context).
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    pub traceparent: Option<&'a str>,
    pub tracestate: Option<&'a str>,
}

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// The span of a request, within the caller's trace if it names one. Named by the method and the path as the document has it, never
/// by what a client sent.
pub fn request_span(id: &str, method: &str, route: Option<&str>, caller: &Caller<'_>) -> Span {
    let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER");
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = tracing::info_span!(
        "request",
        request_id = id,
        otel.name = name,
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
    );
    // A context that names no trace leaves the span the first of one.
    let _ = span.set_parent(TraceContextPropagator::new().extract(caller));
    span
}

/// Notes the status that a request is answered with.
pub fn answered(span: &Span, status: u16) {
    if are_on() {
        span.set_attribute("http.response.status_code", i64::from(status));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
    }
}

/// The span of an attempt at a job.
pub fn job_span(id: impl Display, kind: &'static str, attempt: u32) -> Span {
    if !are_on() {
        return Span::none();
    }
    tracing::info_span!("job", job = %id, otel.name = format!("job {kind}"), job.kind = kind, attempt)
}

/// The span of a phase of a job; it ends when it is dropped.
pub fn phase_span(job: &Span, phase: &'static str) -> Span {
    if job.is_none() {
        return Span::none();
    }
    tracing::info_span!(parent: job, "phase", otel.name = phase, phase)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    fn trace_id(traceparent: &str) -> Option<String> {
        let caller = Caller { traceparent: Some(traceparent), tracestate: None };
        let context = TraceContextPropagator::new().extract(&caller);
        let span = context.span().span_context().clone();
        span.is_valid().then(|| span.trace_id().to_string())
    }

    #[test]
    fn a_caller_names_its_trace() {
        let named = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{named}-00f067aa0ba902b7-01")).as_deref(), Some(named));
        for wrong in ["", "00", &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), "00-zz-00f067aa0ba902b7-01"] {
            assert_eq!(trace_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_traced_unless_it_is_configured() {
        assert!(!are_on());
        assert!(job_span("1", "train", 1).is_none() && phase_span(&Span::none(), "training").is_none());
    }
}
