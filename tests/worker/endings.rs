//! How jobs end by themselves: with a model, with a failure, with a crash.

use evenkeel::jobs::{Ended, WorkerConfig};
use evenkeel::records::{Failure, JobStatus};
use tokio::sync::mpsc::unbounded_channel;

use crate::bench::{Gate, Worker, config, course, ended, hear, models, produced, scripted};
use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(
    a_finished_job_leaves_one_model,
    a_panic_fails_its_job_alone_and_the_worker_goes_on,
    a_failure_of_training_is_not_tried_again,
);

async fn a_finished_job_leaves_one_model(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let job = test.enqueue(dataset.id).await;
    let worker = Worker::start(&test, scripted(|_, _| Ok(produced("the model"))), config());
    let job = ended(&test, job.id).await;
    worker.stop().await;
    let models = models(&test).await;
    assert_eq!((job.status, job.attempt, job.model_id), (JobStatus::Succeeded, 1, Some(models[0].id)));
    assert_eq!((models.len(), models[0].job_id, models[0].version), (1, Some(job.id), 1));
    let artifact = test.store.blobs().get(&models[0].sha256, 1_000).await.unwrap();
    assert_eq!(artifact, "the model");
}

async fn a_panic_fails_its_job_alone_and_the_worker_goes_on(engine: Engine) {
    const DOOMED: i32 = 7;
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let gate = Gate::default();
    let (tell, mut told) = unbounded_channel();
    let script = {
        let gate = gate.clone();
        move |work: evenkeel::jobs::Work, _: &mut dyn evenkeel::ml::observe::TrainObserver| {
            tell.send(work.job.id).unwrap();
            if work.job.config.priority == DOOMED {
                panic!("this engine has a defect");
            }
            gate.pass();
            Ok(produced("a model"))
        }
    };
    let worker = Worker::start(&test, scripted(script), WorkerConfig { workers: 2, ..config() });
    let beside = test.enqueue(dataset.id).await;
    assert_eq!(hear(&mut told).await, beside.id);
    let doomed = test.enqueue_with(dataset.id, DOOMED).await;
    let failed = ended(&test, doomed.id).await;
    assert_eq!((failed.status, failed.attempt), (JobStatus::Failed, 1));
    let failure = failed.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable), ("panicked", false));
    assert!(!failure.detail.contains("defect"), "the cause is for the log: {}", failure.detail);
    assert_eq!(test.job(beside.id).await.status, JobStatus::Running);
    let after = test.enqueue(dataset.id).await;
    gate.open();
    for job in [beside.id, after.id] {
        assert_eq!(ended(&test, job).await.status, JobStatus::Succeeded);
    }
    worker.stop().await;
    assert_eq!(models(&test).await.len(), 2);
}

async fn a_failure_of_training_is_not_tried_again(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let job = test.enqueue(dataset.id).await;
    let diverged = Failure {
        code: "diverged".into(),
        title: "Diverged".into(),
        detail: "The loss is NaN.".into(),
        retryable: false,
    };
    let given = diverged.clone();
    let worker = Worker::start(&test, scripted(move |_, _| Err(Ended::Failed(given.clone()))), config());
    let failed = ended(&test, job.id).await;
    worker.stop().await;
    assert_eq!((failed.failure.as_ref(), failed.attempt), (Some(&diverged), 1));
    assert_eq!(course(&failed), [JobStatus::Queued, JobStatus::Running, JobStatus::Failed]);
    assert_eq!(models(&test).await, []);
}
