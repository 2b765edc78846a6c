//! Leases: what a worker writes, and what one that has lost its job does not.

use evenkeel::ml::observe::{EpochLog, Phase};
use evenkeel::records::{Failure, JobStatus, Lease, PhaseSeconds};
use evenkeel::store::{Beat, EventKind, Finish, Heartbeat, JobEvent, ModelFilter, News, Page, StoreError, Written};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

use crate::support::{Engine, LEASE, TestStore, new_model, on_both_engines};

on_both_engines!(
    a_heartbeat_prolongs_and_publishes,
    progress_never_falls_over_attempts,
    an_old_token_writes_nothing,
    a_finished_job_has_its_model_and_a_cancelled_one_has_none,
    a_model_needs_its_artifact,
    a_failure_is_final,
    giving_back_does_not_count_the_attempt,
    trouble_waits_and_ends_when_attempts_are_used_up,
    events_have_no_gaps_under_concurrency,
    any_course_of_events_keeps_the_invariants,
);

fn epoch(epoch: usize) -> EpochLog {
    EpochLog {
        epoch,
        train_loss: Some(0.1 + 0.2),
        penalty: None,
        validation_loss: Some(1.0 / 3.0),
        learning_rate: 0.001,
        ..EpochLog::default()
    }
}

fn failure() -> Failure {
    Failure { code: "diverged".into(), title: "Diverged".into(), detail: "The loss is NaN.".into(), retryable: false }
}

fn progress(progress: f64) -> Beat {
    Beat { progress, ..Beat::default() }
}

async fn all_events(test: &TestStore, lease: &Lease) -> Vec<JobEvent> {
    test.store.events(lease.job_id, 0, 10_000).await.unwrap()
}

async fn a_heartbeat_prolongs_and_publishes(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    test.clock.advance(LEASE / 2.0);
    let timings = vec![PhaseSeconds { phase: Phase::Loading, seconds: 0.1 }];
    let news = vec![News::Phase(Phase::Training), News::Epoch(Box::new(epoch(1))), News::Epoch(Box::new(epoch(2)))];
    let beat = Beat { progress: 0.305, news, timings: timings.clone() };
    let held = test.store.heartbeat(&lease, LEASE, &beat).await.unwrap();
    let renewed = Lease { expires_at: test.store.clock().now().plus_seconds(LEASE), ..lease };
    assert_eq!(held, Heartbeat::Held { lease: renewed, cancel_requested: false });
    let shown = test.job(job.id).await;
    assert_eq!((shown.phase, shown.progress, shown.timings), (Some(Phase::Training), 0.305, timings));
    assert_eq!(test.store.epochs(job.id).await.unwrap(), [epoch(1), epoch(2)]);
    let told: Vec<(u64, EventKind, serde_json::Value)> =
        all_events(&test, &lease).await.into_iter().map(|event| (event.sequence, event.kind, event.data)).collect();
    assert_eq!(
        told,
        [
            (1, EventKind::Status, json!({ "status": "queued", "attempt": 0 })),
            (2, EventKind::Status, json!({ "status": "running", "attempt": 1 })),
            (3, EventKind::Phase, json!({ "phase": "training", "attempt": 1 })),
            (4, EventKind::Epoch, json!(epoch(1))),
            (5, EventKind::Epoch, json!(epoch(2))),
            (6, EventKind::Progress, json!({ "progress": 0.305 })),
        ]
    );
    assert_eq!(test.store.events(job.id, 4, 1).await.unwrap().len(), 1);
    // Told again because the answer was lost, and within the same hundredth: nothing new.
    let again = Beat { progress: 0.309, news: vec![News::Epoch(Box::new(epoch(2)))], timings: vec![] };
    test.store.heartbeat(&lease, LEASE, &again).await.unwrap();
    assert_eq!(all_events(&test, &lease).await.len(), 6);
}

async fn progress_never_falls_over_attempts(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    test.store.heartbeat(&lease, LEASE, &progress(0.6)).await.unwrap();
    let epochs = Beat { news: vec![News::Epoch(Box::new(epoch(1)))], ..progress(f64::NAN) };
    test.store.heartbeat(&lease, LEASE, &epochs).await.unwrap();
    test.clock.advance(LEASE);
    test.store.expire_leases().await.unwrap();
    let (again, lease) = test.store.claim(LEASE).await.unwrap().unwrap();
    assert_eq!(again.progress, 0.6);
    assert_eq!(test.store.epochs(job.id).await.unwrap(), []);
    test.store.heartbeat(&lease, LEASE, &progress(0.2)).await.unwrap();
    assert_eq!(test.job(job.id).await.progress, 0.6);
    test.store.heartbeat(&lease, LEASE, &progress(7.0)).await.unwrap();
    assert_eq!(test.job(job.id).await.progress, 1.0);
}

async fn an_old_token_writes_nothing(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, old) = test.running().await;
    test.clock.advance(LEASE);
    test.store.expire_leases().await.unwrap();
    let (before, _) = test.store.claim(LEASE).await.unwrap().unwrap();
    let events = all_events(&test, &old).await;
    let beat = Beat { progress: 0.9, news: vec![News::Epoch(Box::new(epoch(1)))], timings: vec![] };
    assert_eq!(test.store.heartbeat(&old, LEASE, &beat).await.unwrap(), Heartbeat::Lost);
    let model = test.new_model("late").await;
    assert_eq!(test.store.finish(&old, model.into(), &[]).await.unwrap(), Finish::LostLease);
    assert_eq!(test.store.fail(&old, &failure(), &[]).await.unwrap(), Written::LostLease);
    assert_eq!(test.store.cancelled(&old, &[]).await.unwrap(), Written::LostLease);
    assert_eq!(test.store.give_back(&old).await.unwrap(), Written::LostLease);
    assert_eq!(test.store.retry_later(&old, &failure()).await.unwrap(), Written::LostLease);
    assert_eq!(test.job(job.id).await, before);
    assert_eq!(all_events(&test, &old).await, events);
    assert_eq!(test.store.epochs(job.id).await.unwrap(), []);
    assert_eq!(test.store.models(&ModelFilter::default(), &Page::first(10)).await.unwrap(), []);
}

async fn a_finished_job_has_its_model_and_a_cancelled_one_has_none(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    let timings = [PhaseSeconds { phase: Phase::Storing, seconds: 0.5 }];
    let model = test.new_model("fraud").await;
    let finish = test.store.finish(&lease, model.into(), &timings).await.unwrap();
    let record = test.model_of(finish).await;
    let ended = test.job(job.id).await;
    assert_eq!((ended.status, ended.model_id, ended.progress), (JobStatus::Succeeded, Some(record.id), 1.0));
    assert_eq!(ended.timings, timings);
    assert_eq!((record.name.as_str(), record.job_id), ("fraud", Some(job.id)));
    let (other, lease) = test.running().await;
    test.store.request_cancel(other.id).await.unwrap();
    let beat = test.store.heartbeat(&lease, LEASE, &Beat::default()).await.unwrap();
    assert!(matches!(beat, Heartbeat::Held { cancel_requested: true, .. }));
    let model = test.new_model("fraud").await;
    assert_eq!(test.store.finish(&lease, model.into(), &[]).await.unwrap(), Finish::Cancelled);
    assert_eq!(test.job(other.id).await.status, JobStatus::Cancelled);
    assert_eq!(test.store.models(&ModelFilter::default(), &Page::first(10)).await.unwrap().len(), 1);
}

async fn a_model_needs_its_artifact(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    let refused = test.store.finish(&lease, new_model("ghost", &"0".repeat(64)).into(), &[]).await;
    assert!(matches!(refused, Err(StoreError::BlobMissing { .. })), "{refused:?}");
    assert_eq!(test.job(job.id).await.status, JobStatus::Running);
}

async fn a_failure_is_final(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    assert_eq!(test.store.fail(&lease, &failure(), &[]).await.unwrap(), Written::Done);
    let ended = test.job(job.id).await;
    assert_eq!((ended.status, ended.failure), (JobStatus::Failed, Some(failure())));
    assert_eq!(test.store.fail(&lease, &failure(), &[]).await.unwrap(), Written::LostLease);
    assert_eq!(test.store.claim(LEASE).await.unwrap(), None);
}

async fn giving_back_does_not_count_the_attempt(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, mut lease) = test.running().await;
    for _ in 0..5 {
        assert_eq!(test.store.give_back(&lease).await.unwrap(), Written::Done);
        let (again, next) = test.store.claim(LEASE).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempt), (job.id, 1));
        lease = next;
    }
    test.store.request_cancel(job.id).await.unwrap();
    test.store.give_back(&lease).await.unwrap();
    assert_eq!(test.job(job.id).await.status, JobStatus::Cancelled);
}

async fn trouble_waits_and_ends_when_attempts_are_used_up(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, mut lease) = test.running().await;
    for wait in [5.0, 20.0] {
        test.store.retry_later(&lease, &failure()).await.unwrap();
        assert_eq!(test.job(job.id).await.status, JobStatus::Queued);
        test.clock.advance(wait - 0.001);
        assert_eq!(test.store.claim(LEASE).await.unwrap(), None);
        test.clock.advance(0.001);
        lease = test.store.claim(LEASE).await.unwrap().unwrap().1;
    }
    test.store.retry_later(&lease, &failure()).await.unwrap();
    let ended = test.job(job.id).await;
    assert_eq!((ended.status, ended.attempt, ended.failure), (JobStatus::Failed, 3, Some(failure())));
}

async fn events_have_no_gaps_under_concurrency(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    let beats = (1..=20).map(|number| {
        let store = test.store.clone();
        tokio::spawn(async move {
            let beat = Beat {
                progress: number as f64 / 25.0,
                news: vec![News::Epoch(Box::new(epoch(number)))],
                timings: vec![],
            };
            store.heartbeat(&lease, LEASE, &beat).await.unwrap()
        })
    });
    let (_, cancelled) = tokio::join!(join_all(beats), test.store.request_cancel(job.id));
    cancelled.unwrap();
    let sequences: Vec<u64> = all_events(&test, &lease).await.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    // Queued, running, cancelling and twenty epochs at least.
    assert!(sequences.len() >= 23, "{}", sequences.len());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Claim,
    Beat(f64),
    Finish,
    Fail,
    Cancelled,
    GiveBack,
    Retry,
    RequestCancel,
    Expire,
    Wait(f64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Claim),
        4 => (0.0..1.0).prop_map(Step::Beat),
        1 => Just(Step::Finish),
        1 => Just(Step::Fail),
        1 => Just(Step::Cancelled),
        2 => Just(Step::GiveBack),
        2 => Just(Step::Retry),
        1 => Just(Step::RequestCancel),
        2 => Just(Step::Expire),
        3 => (0.0..60.0).prop_map(Step::Wait),
    ]
}

/// Whatever happens in whatever order, also under leases long gone: progress does not fall, only allowed
/// transitions happen, an ended job stays ended, and the events are without gaps and agree with the transitions.
async fn any_course_of_events_keeps_the_invariants(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..12 {
        let steps = proptest::collection::vec(step(), 1..25).new_tree(&mut runner).unwrap().current();
        let job = test.enqueue(dataset.id).await;
        let mut leases: Vec<Lease> = Vec::new();
        let mut before = job.clone();
        for (index, &step) in steps.iter().enumerate() {
            // Mostly the newest lease, sometimes an old one.
            let lease = leases.get(if index % 4 == 3 { 0 } else { leases.len().saturating_sub(1) }).copied();
            if let Some(lease) = take(&test, job.id, lease, step).await {
                leases.push(lease);
            }
            let after = test.job(job.id).await;
            assert!(after.progress >= before.progress, "{steps:?}");
            assert!(!before.status.is_terminal() || after == before, "{steps:?}");
            before = after;
        }
        let pairs = before.transitions.windows(2);
        assert!(pairs.into_iter().all(|pair| pair[0].status.may_become(pair[1].status)), "{steps:?}");
        let events = test.store.events(job.id, 0, 1_000).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence), "{steps:?}");
        let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Status).collect();
        let told: Vec<_> = told.iter().map(|event| event.data["status"].clone()).collect();
        let made: Vec<_> = before.transitions.iter().map(|transition| json!(transition.status)).collect();
        assert_eq!(told, made, "{steps:?}");
        end(&test, job.id).await;
    }
}

async fn take(test: &TestStore, id: evenkeel::records::JobId, lease: Option<Lease>, step: Step) -> Option<Lease> {
    match (step, lease) {
        (Step::Claim, _) => return test.store.claim(LEASE).await.unwrap().map(|(_, lease)| lease),
        (Step::RequestCancel, _) => {
            test.store.request_cancel(id).await.unwrap();
        }
        (Step::Expire, _) => {
            test.store.expire_leases().await.unwrap();
        }
        (Step::Wait(seconds), _) => test.clock.advance(seconds),
        (_, None) => {}
        (Step::Beat(share), Some(lease)) => {
            test.store.heartbeat(&lease, LEASE, &progress(share)).await.unwrap();
        }
        (Step::Finish, Some(lease)) => {
            let model = test.new_model("any").await;
            test.store.finish(&lease, model.into(), &[]).await.unwrap();
        }
        (Step::Fail, Some(lease)) => {
            test.store.fail(&lease, &failure(), &[]).await.unwrap();
        }
        (Step::Cancelled, Some(lease)) => {
            test.store.cancelled(&lease, &[]).await.unwrap();
        }
        (Step::GiveBack, Some(lease)) => {
            test.store.give_back(&lease).await.unwrap();
        }
        (Step::Retry, Some(lease)) => {
            test.store.retry_later(&lease, &failure()).await.unwrap();
        }
    }
    None
}

/// Brings the job to an end, so that the next course has the queue for itself.
async fn end(test: &TestStore, id: evenkeel::records::JobId) {
    test.store.request_cancel(id).await.unwrap();
    test.clock.advance(LEASE);
    test.store.expire_leases().await.unwrap();
    assert!(test.job(id).await.status.is_terminal());
}
