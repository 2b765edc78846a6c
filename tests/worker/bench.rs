//! Scripted engines, and a worker that runs them.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use evenkeel::jobs::{self, Ended, Engine, Produced, ProducedModel, Work, WorkerConfig};
use evenkeel::ml::observe::{Stop, TrainObserver};
use evenkeel::records::{JobId, JobRecord, JobStatus, ModelRecord};
use evenkeel::store::{ModelFilter, Page, Store};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{LEASE, TestStore, new_model};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Far longer than a test: what happens without waiting for it was caused by something else.
pub const NEVER: f64 = 100_000.0;

struct Scripted<F>(F);

impl<F> Engine for Scripted<F>
where
    F: Fn(Work, &mut dyn TrainObserver) -> Result<Produced, Ended> + Send + Sync + 'static,
{
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended> {
        (self.0)(work, observer)
    }
}

/// An engine that does this for every job.
pub fn scripted<F>(script: F) -> Arc<dyn Engine>
where
    F: Fn(Work, &mut dyn TrainObserver) -> Result<Produced, Ended> + Send + Sync + 'static,
{
    Arc::new(Scripted(script))
}

/// What an engine hands over at the end of a job.
pub fn produced(artifact: &str) -> Produced {
    let model = new_model("any", "");
    Produced::from(ProducedModel {
        artifact: artifact.as_bytes().to_vec(),
        dossier: None,
        threshold_basis: None,
        classes: model.classes,
        threshold_rule: model.threshold_rule,
        threshold: model.threshold,
        features: model.features,
        training: model.training,
        examples_seen: 100,
        verdict: model.verdict,
        report: model.report,
    })
}

/// Takes one small step after another until the observer ends it.
pub fn step_until_told(observer: &mut dyn TrainObserver) -> Stop {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let ControlFlow::Break(stop) = observer.step(0.5) {
            return stop;
        }
        assert!(Instant::now() < deadline, "nobody ends the job");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a job's thread waits at until the test lets it pass.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        let (open, _) = self.0.1.wait_timeout_while(closed, PATIENCE, |open| !*open).unwrap();
        assert!(*open, "the gate stays closed");
    }
}

/// A worker at work on the queue of a test.
pub struct Worker {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    pub fn start(test: &TestStore, engine: Arc<dyn Engine>, config: WorkerConfig) -> Self {
        Self::start_on(test.store.clone(), engine, config)
    }

    /// One of the process that this store is of.
    pub fn start_on(store: Store, engine: Arc<dyn Engine>, config: WorkerConfig) -> Self {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(jobs::run_with(store, engine, config, shutdown.clone()));
        Self { shutdown, task }
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the worker stops").unwrap();
    }
}

/// One job at a time, with short waits.
pub fn config() -> WorkerConfig {
    WorkerConfig {
        workers: 1,
        lease_seconds: LEASE,
        poll_seconds: 0.02,
        heartbeat_seconds: 0.02,
        ..WorkerConfig::standard()
    }
}

/// Waits until a job is as wanted.
pub async fn wait_for(test: &TestStore, id: JobId, wanted: impl Fn(&JobRecord) -> bool) -> JobRecord {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = test.job(id).await;
        if wanted(&job) {
            return job;
        }
        assert!(Instant::now() < deadline, "waited in vain: {job:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a job has ended.
pub async fn ended(test: &TestStore, id: JobId) -> JobRecord {
    wait_for(test, id, |job| job.status.is_terminal()).await
}

/// The next thing that an engine has to tell.
pub async fn hear<T>(told: &mut UnboundedReceiver<T>) -> T {
    tokio::time::timeout(PATIENCE, told.recv()).await.expect("the engine tells").expect("the engine is there")
}

/// Everything a job has been, in order.
pub fn course(job: &JobRecord) -> Vec<JobStatus> {
    job.transitions.iter().map(|transition| transition.status).collect()
}

pub async fn models(test: &TestStore) -> Vec<ModelRecord> {
    test.store.models(&ModelFilter::default(), &Page::first(100)).await.unwrap()
}
