//! Jobs and the storage: what may pass is tried again, what will not is a failure at once.

use std::fs;
use std::path::PathBuf;

use evenkeel::records::{DatasetRecord, JobRecord, JobStatus};

use crate::bench::{Worker, config, course, ended, models, produced, scripted, wait_for};
use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(
    storage_that_comes_back_costs_an_attempt_and_no_more,
    storage_that_stays_away_ends_the_job_after_its_attempts,
    a_dataset_whose_bytes_are_gone_is_not_tried_again,
    a_dataset_whose_bytes_are_damaged_is_not_tried_again,
);

/// A place in the blob store that can be made unreadable, also for root: a file stands where a directory was.
struct Outage {
    place: PathBuf,
    aside: PathBuf,
}

impl Outage {
    fn begin(place: PathBuf) -> Self {
        let aside = place.with_extension("aside");
        fs::rename(&place, &aside).unwrap();
        fs::write(&place, b"in the way").unwrap();
        Self { place, aside }
    }

    fn end(self) {
        fs::remove_file(&self.place).unwrap();
        fs::rename(&self.aside, &self.place).unwrap();
    }
}

fn directory_of(test: &TestStore, dataset: &DatasetRecord) -> PathBuf {
    test.directory.path().join("blobs/blobs").join(&dataset.sha256[..2])
}

fn waits_for_another_attempt(job: &JobRecord, attempt: u32) -> bool {
    job.status == JobStatus::Queued && job.attempt == attempt
}

fn assert_failed(job: &JobRecord, code: &str, retryable: bool, attempts: u32) {
    let failure = job.failure.as_ref().expect("the job failed");
    assert_eq!((failure.code.as_str(), failure.retryable, job.attempt), (code, retryable, attempts), "{job:#?}");
}

async fn storage_that_comes_back_costs_an_attempt_and_no_more(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let outage = Outage::begin(directory_of(&test, &dataset));
    let worker = Worker::start(&test, scripted(|_, _| Ok(produced("a model"))), config());
    let job = test.enqueue(dataset.id).await;
    let waiting = wait_for(&test, job.id, |job| waits_for_another_attempt(job, 1)).await;
    assert_eq!(waiting.failure, None, "a job that will be tried again has not failed");
    outage.end();
    test.clock.advance(5.0);
    let job = ended(&test, job.id).await;
    worker.stop().await;
    assert_eq!((job.status, job.attempt), (JobStatus::Succeeded, 2), "{job:#?}");
    assert_eq!(models(&test).await.len(), 1);
}

async fn storage_that_stays_away_ends_the_job_after_its_attempts(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let _outage = Outage::begin(directory_of(&test, &dataset));
    let worker = Worker::start(&test, scripted(|_, _| panic!("there is nothing to train on")), config());
    let job = test.enqueue(dataset.id).await;
    for (attempt, pause) in [(1, 5.0), (2, 20.0)] {
        wait_for(&test, job.id, |job| waits_for_another_attempt(job, attempt)).await;
        test.clock.advance(pause);
    }
    let job = ended(&test, job.id).await;
    worker.stop().await;
    assert_failed(&job, "storage-failed", true, 3);
    use JobStatus::{Failed, Queued, Running};
    assert_eq!(course(&job), [Queued, Running, Queued, Running, Queued, Running, Failed]);
}

async fn a_dataset_whose_bytes_are_gone_is_not_tried_again(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    fs::remove_file(directory_of(&test, &dataset).join(&dataset.sha256)).unwrap();
    let worker = Worker::start(&test, scripted(|_, _| panic!("there is nothing to train on")), config());
    let job = test.enqueue(dataset.id).await;
    assert_failed(&ended(&test, job.id).await, "dataset-missing", false, 1);
    worker.stop().await;
}

async fn a_dataset_whose_bytes_are_damaged_is_not_tried_again(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    fs::write(directory_of(&test, &dataset).join(&dataset.sha256), b"x,y\n1,a\n3,b\n").unwrap();
    let worker = Worker::start(&test, scripted(|_, _| panic!("there is nothing to train on")), config());
    let job = test.enqueue(dataset.id).await;
    assert_failed(&ended(&test, job.id).await, "storage-failed", false, 1);
    worker.stop().await;
}

/// About six seconds: so long a worker tries to write before it gives the attempt up. The database has no part in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_cannot_be_stored_is_made_again() {
    let test = TestStore::new(Engine::Sqlite).await;
    let dataset = test.dataset().await;
    let outage = Outage::begin(test.directory.path().join("blobs/staging"));
    let worker = Worker::start(&test, scripted(|_, _| Ok(produced("a model"))), config());
    let job = test.enqueue(dataset.id).await;
    wait_for(&test, job.id, |job| waits_for_another_attempt(job, 1)).await;
    assert_eq!(models(&test).await, []);
    outage.end();
    test.clock.advance(5.0);
    let job = ended(&test, job.id).await;
    worker.stop().await;
    assert_eq!((job.status, job.attempt), (JobStatus::Succeeded, 2), "{job:#?}");
    assert_eq!(models(&test).await.len(), 1);
}
