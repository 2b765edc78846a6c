//! A resample job of any method on a million rows hears that it is cancelled within a second.
//!
//! What is counted is the processor time of this process between two times that the engine asks whether to go on, all
//! threads together, so that a busy machine changes nothing. Jobs are ended at random moments, at which they must end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write as _};
use std::ops::ControlFlow;

use bytes::Bytes;
use evenkeel::clock::Timestamp;
use evenkeel::jobs::{self, Ended, EngineLimits, Engines, Parts, Work, WorkerConfig};
use evenkeel::ml::config::{ResampleConfig, ResampleMethod, ResampleNumeric, ResamplePreprocess, Scale};
use evenkeel::ml::nn::CheckpointError;
use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::{
    Column, ReadOptions, Table, TableFormat, TableLimits, Values, WriteFormat, profile, target_classes, write,
};
use evenkeel::records::{DatasetId, DatasetRecord, JobConfig, JobRecord, ResampleJob, TypedConfig};
use evenkeel::store::{PartHand, Scratch};
use rand::Rng as _;
use rand_distr::{Distribution as _, StandardNormal};

use crate::support::{Engine, TestStore, enqueued, new_job};

#[path = "../ml/samplers/methods.rs"]
#[expect(dead_code, reason = "shared with the tests of the methods, which use all of it")]
mod methods;

const ROWS: usize = 1_000_000;
const COLUMNS: usize = 30;
/// Seconds of processor time within which a job has to ask. Code that is not optimised takes a few times as long.
const WITHIN: f64 = if cfg!(debug_assertions) { 4.0 } else { 1.0 };
/// The latest moment at which a job is ended, in seconds of processor time.
const LATEST: f64 = 40.0;
const RUNS: usize = 2;

/// Of this process and all of its threads.
fn processor_seconds() -> f64 {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

/// Ends a job at a moment.
struct Watch {
    begun: f64,
    last: f64,
    longest: f64,
    end_after: f64,
}

impl Watch {
    fn new(end_after: f64) -> Self {
        let now = processor_seconds();
        Self { begun: now, last: now, longest: 0.0, end_after }
    }

    fn look(&mut self) -> ControlFlow<Stop> {
        let now = processor_seconds();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
        if now - self.begun >= self.end_after { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
    }
}

impl TrainObserver for Watch {
    fn phase(&mut self, _: Phase) -> ControlFlow<Stop> {
        self.look()
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        self.look()
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        self.look()
    }

    fn checkpoint(&mut self, _: usize, _: &mut WriteCheckpoint<'_>) {}

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn resumed(&mut self, _: Result<(), CheckpointError>) {}
}

/// Two overlapping clouds, 1 % positive.
fn table() -> Table {
    let mut chance = Seed(5).stream("million");
    let labels: Vec<bool> = (0..ROWS).map(|_| chance.random_range(0..100) == 0).collect();
    let mut columns: Vec<Column> = (0..COLUMNS)
        .map(|column| {
            let shift = if column < 10 { 0.7 } else { 0.0 };
            let value = |&label: &bool| {
                let normal: f64 = StandardNormal.sample(&mut chance);
                normal + if label { shift } else { 0.0 }
            };
            Column { name: format!("x{column}"), values: Values::Numeric(labels.iter().map(value).collect()) }
        })
        .collect();
    let target = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
    columns.push(Column { name: "y".to_owned(), values: Values::Numeric(target) });
    Table::new(columns).unwrap()
}

/// The table as a stored dataset.
fn dataset(scratch: &Scratch, now: Timestamp) -> (DatasetRecord, File) {
    let mut file = scratch.file().unwrap();
    write(&table(), WriteFormat::Parquet, &mut file, &mut |_| ControlFlow::Continue(())).unwrap();
    file.flush().unwrap();
    let size_bytes = file.metadata().unwrap().len();
    let options = ReadOptions {
        format: &TableFormat::Parquet,
        missing_markers: &[],
        limits: &TableLimits::STANDARD,
        pictures: None,
    };
    let mut input = file.try_clone().unwrap();
    input.rewind().unwrap();
    let profile = profile(input, &options, &BTreeMap::new(), &mut |_| ControlFlow::Continue(())).unwrap();
    let dataset = DatasetRecord {
        id: DatasetId::new(),
        name: "a million rows".to_owned(),
        created_at: now,
        format: TableFormat::Parquet,
        size_bytes,
        sha256: String::new(),
        rows: profile.rows,
        positive_label: "1".to_owned(),
        target: "y".to_owned(),
        class_counts: target_classes(&profile, "y").unwrap(),
        columns: profile.columns,
        missing_markers: Vec::new(),
        origin_columns: Vec::new(),
    };
    (dataset, file)
}

fn job_of(method: ResampleMethod, job: &JobRecord) -> JobRecord {
    let resample = ResampleConfig {
        seed: 1,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        exclude: Vec::new(),
        resample: vec![methods::step(method)],
        preprocess: ResamplePreprocess { numeric: ResampleNumeric { impute: None, scale: Scale::Standard } },
        round_integers: false,
        keep_removed: true,
        origin_column: "origin".to_owned(),
        format: WriteFormat::Parquet,
    };
    let typed = TypedConfig::Resample(Box::new(ResampleJob { name: "balanced".to_owned(), resample }));
    JobRecord { config: JobConfig { priority: 0, max_seconds: 1e6, typed }, ..job.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes long; run by ./scripts/test --full"]
async fn every_method_on_a_million_rows_hears_of_a_cancel_within_a_second() {
    let test = TestStore::new(Engine::Sqlite).await;
    let scratch = Scratch::new(test.directory.path());
    let (mut dataset, file) = dataset(&scratch, test.store.clock().now());
    // The rows come from the file; that the record names a blob is all that the store asks for.
    dataset.sha256 = test.store.blobs().put(Bytes::from_static(b"a million rows")).await.unwrap();
    test.store.insert_dataset(&dataset, None).await.unwrap();
    let job = enqueued(test.store.enqueue(&new_job(dataset.id, 0), None).await.unwrap());
    let engine = Engines { limits: EngineLimits { tables: TableLimits::STANDARD, memory_bytes: 64 << 30 } };
    let mut chance = Seed(rand::random()).stream("moments");
    let mut late = Vec::new();
    for method in methods::all_methods() {
        for _ in 0..RUNS {
            let end_after = chance.random_range(0.0..LATEST);
            let mut input = file.try_clone().unwrap();
            input.rewind().unwrap();
            let (job, dataset) = (job_of(method.clone(), &job), dataset.clone());
            let hand = PartHand::assistant(job.id);
            let parts = Parts::new(test.store.clone(), hand, &WorkerConfig::standard());
            let work = Work { job, dataset, input, model: None, scratch: scratch.clone(), parts };
            let mut watch = Watch::new(end_after);
            let ended = jobs::Engine::run(&engine, work, &mut watch);
            if let Err(Ended::Stopped(stop)) = &ended {
                assert_eq!(*stop, Stop::Cancelled);
                let _ = watch.look();
            } else {
                assert!(watch.last - watch.begun < end_after, "{method:?} goes on though it was cancelled");
            }
            if watch.longest > WITHIN {
                late.push(format!("{method:?}, ended after {end_after:.1} s: {:.1} s", watch.longest));
            }
        }
    }
    assert!(late.is_empty(), "seconds of processor time without asking:\n{}", late.join("\n"));
}
