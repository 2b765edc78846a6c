//! Real training, interrupted: it goes on from its checkpoint and leaves the model and the learning curves of a job
//! never interrupted. Without a checkpoint of use it begins anew.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use evenkeel::jobs::{self, EngineLimits, Engines, WorkerConfig};
use evenkeel::ml::config::{ConfigLimits, ObjectReader, TrainConfig};
use evenkeel::ml::nn::CheckpointError;
use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use evenkeel::ml::table::{
    DEFAULT_MISSING, MemorySource, ReadOptions, TableFormat, TableLimits, profile, target_classes,
};
use evenkeel::records::JobStatus::{Queued, Running, Succeeded};
use evenkeel::records::{DatasetId, DatasetRecord, JobConfig, JobId, JobRecord, TrainJob, TypedConfig};
use evenkeel::store::NewJob;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bench::{Worker, config, course, ended, hear, models, scripted, step_until_told, wait_for};
use crate::support::{Engine, LEASE, TestStore, enqueued, new_job, on_both_engines};

on_both_engines!(
    a_shutdown_in_the_middle_costs_no_step_and_no_bit,
    a_lost_worker_costs_the_steps_since_the_checkpoint_and_no_bit,
    a_damaged_checkpoint_costs_the_steps_and_no_bit,
    checkpoints_can_be_turned_off,
    beside_other_jobs_a_job_leaves_the_same_bits,
);

const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");
const EPOCHS: usize = 120;
/// The epoch after which a job is interrupted.
const MIDDLE: usize = 10;

/// The survival data as it would have been uploaded.
async fn dataset(test: &TestStore) -> DatasetRecord {
    let format = TableFormat::Csv { delimiter: ',', header: true };
    let missing_markers: Vec<String> = DEFAULT_MISSING.iter().map(|&marker| marker.to_owned()).collect();
    let options = ReadOptions {
        format: &format,
        missing_markers: &missing_markers,
        limits: &TableLimits::STANDARD,
        pictures: None,
    };
    let on = &mut |_| ControlFlow::Continue(());
    let profile = profile(MemorySource::new(HABERMAN), &options, &BTreeMap::new(), on).unwrap();
    let target = profile.columns.last().unwrap().name.clone();
    let class_counts = target_classes(&profile, &target).unwrap();
    let dataset = DatasetRecord {
        id: DatasetId::new(),
        name: "survival".to_owned(),
        created_at: test.store.clock().now(),
        format: format.clone(),
        size_bytes: HABERMAN.len() as u64,
        sha256: test.store.blobs().put(Bytes::from_static(HABERMAN)).await.unwrap(),
        rows: profile.rows,
        positive_label: class_counts.iter().min_by_key(|(_, count)| **count).unwrap().0.clone(),
        target,
        class_counts,
        columns: profile.columns,
        missing_markers: missing_markers.clone(),
        origin_columns: vec![],
    };
    test.store.insert_dataset(&dataset, None).await.unwrap();
    dataset
}

async fn enqueue(test: &TestStore, dataset: &DatasetRecord) -> JobId {
    let request = json!({
        "resample": [{"method": "smote"}], "evaluation": {"bootstrap": 20},
        "model": {"hidden_layers": [8], "dropout": 0.2, "normalization": "batch", "members": 2},
        "training": {"epochs": EPOCHS, "batch_size": 64, "weight_averaging": {"type": "ema", "decay": 0.95},
            "early_stopping": {"patience": EPOCHS}},
    });
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(&request, "", &mut errors);
    let train = TrainConfig::check(&mut reader, &dataset.facts(), &ConfigLimits::STANDARD, &mut errors);
    reader.finish(&mut errors);
    assert_eq!(errors, []);
    let typed = TypedConfig::Train(Box::new(TrainJob { model_name: "survival".to_owned(), train }));
    let config = JobConfig { priority: 0, max_seconds: 1e6, typed };
    enqueued(test.store.enqueue(&NewJob { config, ..new_job(dataset.id, 0) }, None).await.unwrap()).id
}

/// What happens to the first attempt at a job after its middle.
#[derive(Clone, Copy, PartialEq)]
enum Middle {
    Nothing,
    /// It waits until it is told to stop.
    Waits,
    /// It takes its time.
    Slow,
}

/// Passes everything on, tells the test of every epoch, and delays.
struct Watched<'a> {
    inner: &'a mut dyn TrainObserver,
    tell: UnboundedSender<(u32, usize)>,
    attempt: u32,
    middle: Middle,
    is_past: bool,
}

impl TrainObserver for Watched<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.inner.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        match self.middle {
            Middle::Waits if self.is_past => return ControlFlow::Break(step_until_told(self.inner)),
            Middle::Slow if self.is_past => std::thread::sleep(Duration::from_millis(2)),
            _ => {}
        }
        self.inner.step(fraction)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.is_past = log.epoch >= MIDDLE;
        let flow = self.inner.epoch(log);
        self.tell.send((self.attempt, log.epoch)).unwrap();
        flow
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.inner.checkpoint(epochs, write);
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.inner.earlier_checkpoint()
    }

    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        self.inner.resumed(outcome);
    }
}

/// The real engine; what is to happen happens to the first run of it.
fn training(middle: Middle) -> (Arc<dyn jobs::Engine>, UnboundedReceiver<(u32, usize)>) {
    let (tell, told) = unbounded_channel();
    let runs = std::sync::atomic::AtomicU32::new(0);
    let limits = EngineLimits { tables: TableLimits::STANDARD, memory_bytes: 1 << 30 };
    let engine = Engines { limits };
    let engine = scripted(move |work, observer| {
        let attempt = 1 + runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let middle = if attempt == 1 { middle } else { Middle::Nothing };
        let mut watched = Watched { inner: observer, tell: tell.clone(), attempt, middle, is_past: false };
        jobs::Engine::run(&engine, work, &mut watched)
    });
    (engine, told)
}

/// The real engine, in which so many runs wait for each other at an epoch past the middle: they do run side by side.
fn meeting(runs: usize) -> Arc<dyn jobs::Engine> {
    let engine = Engines { limits: EngineLimits { tables: TableLimits::STANDARD, memory_bytes: 1 << 30 } };
    let arrived = AtomicUsize::new(0);
    scripted(move |work, observer| {
        jobs::Engine::run(&engine, work, &mut Meeting { inner: observer, arrived: &arrived, runs })
    })
}

struct Meeting<'a> {
    inner: &'a mut dyn TrainObserver,
    arrived: &'a AtomicUsize,
    runs: usize,
}

impl TrainObserver for Meeting<'_> {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.inner.phase(phase)
    }

    fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
        self.inner.step(fraction)
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        if log.epoch == MIDDLE + 5 {
            self.arrived.fetch_add(1, Ordering::SeqCst);
            let deadline = std::time::Instant::now() + crate::bench::PATIENCE;
            while self.arrived.load(Ordering::SeqCst) < self.runs {
                assert!(std::time::Instant::now() < deadline, "the other run does not come");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.inner.epoch(log)
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.inner.checkpoint(epochs, write);
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.inner.earlier_checkpoint()
    }

    fn resumed(&mut self, outcome: Result<(), CheckpointError>) {
        self.inner.resumed(outcome);
    }
}

/// Hears of epochs until this one of this run.
async fn hear_until(told: &mut UnboundedReceiver<(u32, usize)>, run: u32, epoch: usize) {
    while hear(told).await != (run, epoch) {}
}

/// The epochs that a run still has told of.
fn epochs_of(told: &mut UnboundedReceiver<(u32, usize)>, wanted: u32) -> Vec<usize> {
    std::iter::from_fn(|| told.try_recv().ok()).filter(|(run, _)| *run == wanted).map(|(_, epoch)| epoch).collect()
}

/// A job of the same configuration that nobody interrupts.
async fn undisturbed(test: &TestStore, dataset: &DatasetRecord) -> JobId {
    let (engine, mut told) = training(Middle::Nothing);
    let worker = Worker::start(test, engine, config());
    let id = enqueue(test, dataset).await;
    assert_eq!(ended(test, id).await.status, Succeeded);
    worker.stop().await;
    assert_eq!(epochs_of(&mut told, 1), (1..=EPOCHS).collect::<Vec<_>>());
    id
}

async fn curves(test: &TestStore, id: JobId) -> Vec<EpochLog> {
    let untimed = |log: EpochLog| EpochLog { seconds: None, examples_per_second: None, ..log };
    test.store.epochs(id).await.unwrap().into_iter().map(untimed).collect()
}

fn blobs(test: &TestStore) -> PathBuf {
    test.directory.path().join("blobs/blobs")
}

fn blob_count(test: &TestStore) -> usize {
    let folders = fs::read_dir(blobs(test)).unwrap().map(|folder| folder.unwrap().path());
    folders.map(|folder| fs::read_dir(folder).unwrap().count()).sum()
}

/// Both jobs left the same, and nothing else is left.
async fn assert_same(test: &TestStore, job: &JobRecord, other: JobId) {
    assert_eq!((job.status, job.progress), (Succeeded, 1.0));
    assert_eq!(curves(test, job.id).await, curves(test, other).await);
    assert_eq!(job.checkpoint, None);
    let models = models(test).await;
    let [a, b] = models.as_slice() else { panic!("{models:#?}") };
    assert_eq!((&a.sha256, &a.report, a.threshold), (&b.sha256, &b.report, b.threshold));
    let examples = |model: &evenkeel::records::ModelRecord| (model.training.epochs_run, model.training.best_epoch);
    assert_eq!(examples(a), examples(b));
    // The dataset, the one artifact that both models are and their one dossier; the last checkpoint goes right after the end.
    let deadline = std::time::Instant::now() + crate::bench::PATIENCE;
    while blob_count(test) != 3 {
        assert!(std::time::Instant::now() < deadline, "{} blobs", blob_count(test));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A job that was given back in the middle of its training.
async fn given_back(test: &TestStore, dataset: &DatasetRecord, settings: WorkerConfig) -> JobRecord {
    let (engine, mut told) = training(Middle::Waits);
    let worker = Worker::start(test, engine, settings);
    let id = enqueue(test, dataset).await;
    hear_until(&mut told, 1, MIDDLE).await;
    worker.stop().await;
    let job = test.job(id).await;
    assert_eq!((course(&job), job.attempt), (vec![Queued, Running, Queued], 0));
    job
}

/// The epochs that the second attempt runs, and how it ends.
async fn go_on(test: &TestStore, id: JobId) -> (Vec<usize>, JobRecord) {
    let (engine, mut told) = training(Middle::Nothing);
    let worker = Worker::start(test, engine, config());
    let job = ended(test, id).await;
    worker.stop().await;
    (epochs_of(&mut told, 1), job)
}

async fn a_shutdown_in_the_middle_costs_no_step_and_no_bit(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset(&test).await;
    let other = undisturbed(&test, &dataset).await;
    let job = given_back(&test, &dataset, config()).await;
    let checkpoint = job.checkpoint.expect("the shutdown writes one");
    assert_eq!(checkpoint.epochs, MIDDLE as u64);
    assert_eq!(curves(&test, job.id).await.len(), MIDDLE);
    let (epochs, job) = go_on(&test, job.id).await;
    assert_eq!(epochs, (MIDDLE + 1..=EPOCHS).collect::<Vec<_>>());
    assert_same(&test, &job, other).await;
}

async fn a_lost_worker_costs_the_steps_since_the_checkpoint_and_no_bit(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset(&test).await;
    let other = undisturbed(&test, &dataset).await;
    let (engine, mut told) = training(Middle::Slow);
    let worker = Worker::start(&test, engine, config());
    let id = enqueue(&test, &dataset).await;
    hear_until(&mut told, 1, MIDDLE).await;
    assert_eq!(test.job(id).await.checkpoint, None);
    test.clock.advance(config().checkpoint_seconds);
    let first = wait_for(&test, id, |job| job.checkpoint.is_some()).await.checkpoint.unwrap();
    assert!(first.epochs >= MIDDLE as u64, "{first:?}");
    test.clock.advance(config().checkpoint_seconds);
    let second = wait_for(&test, id, |job| job.checkpoint.as_ref() != Some(&first)).await.checkpoint.unwrap();
    // A heartbeat may come between the two and prolong the lease.
    loop {
        test.clock.advance(LEASE);
        if test.store.expire_leases().await.unwrap() == 1 {
            break;
        }
        assert_eq!(test.job(id).await.status, Running, "the job is slow enough");
    }
    let job = ended(&test, id).await;
    worker.stop().await;
    assert_eq!((course(&job), job.attempt), (vec![Queued, Running, Queued, Running, Succeeded], 2));
    let epochs = epochs_of(&mut told, 2);
    assert!(epochs[0] as u64 > second.epochs && epochs.last() == Some(&EPOCHS), "{epochs:?} after {second:?}");
    assert_same(&test, &job, other).await;
}

async fn beside_other_jobs_a_job_leaves_the_same_bits(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset(&test).await;
    let alone = undisturbed(&test, &dataset).await;
    // One was interrupted, two begin: all three train at the same time.
    let interrupted = given_back(&test, &dataset, config()).await.id;
    let jobs = [interrupted, enqueue(&test, &dataset).await, enqueue(&test, &dataset).await];
    let worker = Worker::start(&test, meeting(3), WorkerConfig { workers: 3, ..config() });
    for id in jobs {
        assert_eq!(ended(&test, id).await.status, Succeeded);
        assert_eq!(curves(&test, id).await, curves(&test, alone).await);
    }
    worker.stop().await;
    let models = models(&test).await;
    assert_eq!(models.len(), 4);
    assert!(models.iter().all(|model| model.sha256 == models[0].sha256), "{models:#?}");
    assert!(models.iter().all(|model| model.report == models[0].report));
}

async fn a_damaged_checkpoint_costs_the_steps_and_no_bit(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset(&test).await;
    let other = undisturbed(&test, &dataset).await;
    let job = given_back(&test, &dataset, config()).await;
    let checkpoint = job.checkpoint.unwrap();
    let file = blobs(&test).join(&checkpoint.sha256[..2]).join(&checkpoint.sha256);
    let mut bytes = fs::read(&file).unwrap();
    bytes[1_000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (epochs, job) = go_on(&test, job.id).await;
    assert_eq!(epochs, (1..=EPOCHS).collect::<Vec<_>>());
    assert_same(&test, &job, other).await;
}

async fn checkpoints_can_be_turned_off(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset(&test).await;
    let other = undisturbed(&test, &dataset).await;
    let job = given_back(&test, &dataset, WorkerConfig { checkpoint_seconds: 0.0, ..config() }).await;
    assert_eq!(job.checkpoint, None);
    let (epochs, job) = go_on(&test, job.id).await;
    assert_eq!(epochs, (1..=EPOCHS).collect::<Vec<_>>());
    assert_same(&test, &job, other).await;
}
