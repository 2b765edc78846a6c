//! How jobs are ended from outside: cancelled, given back, out of time, lost to another worker.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use evenkeel::jobs::{Ended, WorkerConfig};
use evenkeel::ml::observe::Stop;
use evenkeel::records::JobStatus::{Cancelled, Cancelling, Failed, Queued, Running, Succeeded};
use evenkeel::records::{JobRecord, Lease};
use tokio::sync::mpsc::unbounded_channel;

use crate::bench::{
    Gate, NEVER, Worker, config, course, ended, hear, models, produced, scripted, step_until_told, wait_for,
};
use crate::support::{Engine, LEASE, TestStore, on_both_engines};

on_both_engines!(
    a_wish_to_cancel_ends_the_very_next_step,
    a_wish_to_cancel_from_another_process_is_found_at_a_heartbeat,
    an_engine_that_ends_before_it_hears_of_the_wish_leaves_no_model,
    a_shutdown_gives_the_job_back_and_claims_no_other,
    a_job_has_max_seconds,
    a_worker_that_lost_its_job_drops_the_result,
    a_worker_that_lost_its_job_stops_computing,
);

/// The worker has nothing to wake it but the wish itself.
async fn a_wish_to_cancel_ends_the_very_next_step(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (tell, mut told) = unbounded_channel();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let given = answers.clone();
    let engine = scripted(move |_, observer| {
        given.lock().unwrap().push(observer.step(0.1));
        tell.send(()).unwrap();
        let stop = step_until_told(observer);
        // Whoever asks again is told again.
        given.lock().unwrap().extend([observer.step(0.9), observer.phase(evenkeel::ml::observe::Phase::Training)]);
        Err(Ended::Stopped(stop))
    });
    let settings = WorkerConfig { heartbeat_seconds: NEVER, poll_seconds: NEVER, ..config() };
    let worker = Worker::start(&test, engine, settings);
    let job = test.enqueue(dataset.id).await;
    hear(&mut told).await;
    assert_eq!(test.store.request_cancel(job.id).await.unwrap().unwrap().status, Cancelling);
    let job = ended(&test, job.id).await;
    worker.stop().await;
    assert_eq!(course(&job), [Queued, Running, Cancelling, Cancelled]);
    let told_to_stop = ControlFlow::Break(Stop::Cancelled);
    assert_eq!(*answers.lock().unwrap(), [ControlFlow::Continue(()), told_to_stop, told_to_stop]);
    assert_eq!(models(&test).await, []);
}

async fn a_wish_to_cancel_from_another_process_is_found_at_a_heartbeat(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let engine = scripted(|_, observer| Err(Ended::Stopped(step_until_told(observer))));
    let worker = Worker::start(&test, engine, config());
    let job = test.enqueue(dataset.id).await;
    wait_for(&test, job.id, |job| job.status == Running).await;
    test.again().await.request_cancel(job.id).await.unwrap();
    assert_eq!(course(&ended(&test, job.id).await), [Queued, Running, Cancelling, Cancelled]);
    worker.stop().await;
}

async fn an_engine_that_ends_before_it_hears_of_the_wish_leaves_no_model(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (gate, (tell, mut told)) = (Gate::default(), unbounded_channel());
    let wait = gate.clone();
    let engine = scripted(move |_, _| {
        tell.send(()).unwrap();
        wait.pass();
        Ok(produced("too late"))
    });
    let worker = Worker::start(&test, engine, config());
    let job = test.enqueue(dataset.id).await;
    hear(&mut told).await;
    test.store.request_cancel(job.id).await.unwrap();
    gate.open();
    assert_eq!(ended(&test, job.id).await.status, Cancelled);
    worker.stop().await;
    assert_eq!(models(&test).await, []);
}

async fn a_shutdown_gives_the_job_back_and_claims_no_other(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (tell, mut told) = unbounded_channel();
    let engine = scripted(move |work, observer| {
        tell.send(work.job.id).unwrap();
        Err(Ended::Stopped(step_until_told(observer)))
    });
    // Whatever ends this job quickly is the shutdown.
    let worker = Worker::start(&test, engine, WorkerConfig { heartbeat_seconds: NEVER, ..config() });
    let running = test.enqueue(dataset.id).await;
    assert_eq!(hear(&mut told).await, running.id);
    let waiting = test.enqueue(dataset.id).await;
    worker.stop().await;
    let (given_back, untouched) = (test.job(running.id).await, test.job(waiting.id).await);
    assert_eq!((course(&given_back), given_back.attempt), (vec![Queued, Running, Queued], 0));
    assert_eq!((course(&untouched), untouched.attempt), (vec![Queued], 0));
    assert_eq!(told.recv().await, None, "nothing else was started, and the engine is gone with its worker");

    let worker = Worker::start(&test, scripted(|_, _| Ok(produced("a model"))), config());
    for id in [running.id, waiting.id] {
        let job = ended(&test, id).await;
        assert_eq!((job.status, job.attempt), (Succeeded, 1));
    }
    worker.stop().await;
}

async fn a_job_has_max_seconds(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (tell, mut told) = unbounded_channel();
    let engine = scripted(move |work, observer| {
        tell.send(work.job.config.max_seconds).unwrap();
        let stop = step_until_told(observer);
        assert_eq!(stop, Stop::OutOfTime);
        Err(Ended::Stopped(stop))
    });
    let worker = Worker::start(&test, engine, WorkerConfig { lease_seconds: NEVER, ..config() });
    let job = test.enqueue(dataset.id).await;
    let max_seconds = hear(&mut told).await;
    test.clock.advance(max_seconds + 0.001);
    let job = ended(&test, job.id).await;
    worker.stop().await;
    assert_eq!((course(&job), job.attempt), (vec![Queued, Running, Failed], 1));
    let failure = job.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable), ("out-of-time", false));
    assert!(failure.detail.contains("600"), "{}", failure.detail);
}

async fn a_worker_that_lost_its_job_drops_the_result(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (gate, (tell, mut told)) = (Gate::default(), unbounded_channel());
    let wait = gate.clone();
    let engine = scripted(move |_, _| {
        tell.send(()).unwrap();
        wait.pass();
        Ok(produced("of the slow worker"))
    });
    // So slow that it sends no heartbeat.
    let worker = Worker::start(&test, engine, WorkerConfig { heartbeat_seconds: NEVER, ..config() });
    let job = test.enqueue(dataset.id).await;
    hear(&mut told).await;
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    let (taken, lease) = claim_again(&test).await;
    assert_eq!((taken.id, taken.attempt), (job.id, 2));
    gate.open();
    worker.stop().await;
    assert_eq!(test.job(job.id).await, taken, "the slow worker changes nothing");
    assert_eq!(models(&test).await, []);
    let finish = test.store.finish(&lease, test.new_model("m").await.into(), &[]).await.unwrap();
    assert_eq!(models(&test).await, [test.model_of(finish).await], "the second worker has the job");
}

/// Claims the job that is in the queue again. A heartbeat that just then looks at it has its row, and who claims passes
/// over it.
async fn claim_again(test: &TestStore) -> (JobRecord, Lease) {
    loop {
        if let Some(claimed) = test.store.claim(LEASE).await.unwrap() {
            return claimed;
        }
    }
}

async fn a_worker_that_lost_its_job_stops_computing(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let (gate, (tell, mut told)) = (Gate::default(), unbounded_channel());
    let wait = gate.clone();
    let engine = scripted(move |_, observer| {
        tell.send(None).unwrap();
        let stop = step_until_told(observer);
        tell.send(Some(stop)).unwrap();
        // Keeps the worker's one place, so that it does not take the job again.
        wait.pass();
        Err(Ended::Stopped(stop))
    });
    let worker = Worker::start(&test, engine, config());
    let job = test.enqueue(dataset.id).await;
    assert_eq!(hear(&mut told).await, None);
    // A heartbeat may come between the two and prolong the lease.
    loop {
        test.clock.advance(LEASE);
        if test.store.expire_leases().await.unwrap() == 1 {
            break;
        }
    }
    let (taken, _) = claim_again(&test).await;
    assert_eq!(hear(&mut told).await, Some(Stop::LostLease));
    gate.open();
    worker.stop().await;
    assert_eq!(test.job(job.id).await, taken);
}
