//! The queue: in, out in order, to one worker only, and back when a worker is lost.

use std::collections::HashSet;
use std::sync::Arc;

use evenkeel::records::{JobId, JobStatus};
use evenkeel::store::{Enqueue, EventKind, JobFilter, Page, Store, Written};
use futures::future::join_all;

use crate::support::{Engine, LEASE, TestStore, enqueued, new_job, on_both_engines};

on_both_engines!(
    a_job_comes_back_as_it_was_put_in,
    no_job_is_claimed_twice,
    higher_priority_first_then_oldest,
    a_lapsed_lease_puts_the_job_back_until_attempts_are_used_up,
    a_lapsed_lease_of_a_job_to_be_cancelled_cancels_it,
    a_queued_job_is_cancelled_at_once,
    a_running_job_is_asked_to_stop_and_ended_ones_stay,
    the_queue_has_a_limit,
    many_at_once_do_not_overfill_the_queue,
    lists_filter,
    stats_count_and_tell_the_oldest,
    waiting_workers_are_rung,
);

async fn a_job_comes_back_as_it_was_put_in(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let new = new_job(dataset.id, 5);
    let job = enqueued(test.store.enqueue(&new, None).await.unwrap());
    assert_eq!((job.id, job.status, job.attempt, job.progress), (new.id, JobStatus::Queued, 0, 0.0));
    assert_eq!(job.config, new.config);
    assert_eq!(test.job(job.id).await, job);
}

async fn no_job_is_claimed_twice(engine: Engine) {
    const JOBS: usize = 40;
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    for _ in 0..JOBS {
        test.enqueue(dataset.id).await;
    }
    // Two processes with four workers each.
    let stores = [Arc::new(test.store.clone()), Arc::new(test.again().await)];
    let workers = (0..8).map(|worker| tokio::spawn(claim_all(stores[worker % 2].clone())));
    let claimed: Vec<JobId> = join_all(workers).await.into_iter().flat_map(|claimed| claimed.unwrap()).collect();
    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), JOBS);
}

async fn claim_all(store: Arc<Store>) -> Vec<JobId> {
    let mut claimed = Vec::new();
    // A claim that finds nothing while others hold the last rows is as good as an empty queue.
    while let Some((job, lease)) = store.claim(LEASE).await.unwrap() {
        assert_eq!((job.status, job.attempt, lease.job_id), (JobStatus::Running, 1, job.id));
        claimed.push(job.id);
    }
    claimed
}

async fn higher_priority_first_then_oldest(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let mut jobs = Vec::new();
    for priority in [0, 10, -5, 10, 0] {
        jobs.push(test.enqueue_with(dataset.id, priority).await.id);
        test.clock.advance(1.0);
    }
    let mut claimed = Vec::new();
    while let Some((job, _)) = test.store.claim(LEASE).await.unwrap() {
        claimed.push(job.id);
    }
    assert_eq!(claimed, [1, 3, 0, 4, 2].map(|index: usize| jobs[index]));
}

async fn a_lapsed_lease_puts_the_job_back_until_attempts_are_used_up(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _) = test.running().await;
    test.clock.advance(LEASE - 1.0);
    assert_eq!(test.store.expire_leases().await.unwrap(), 0);
    for attempt in 2..=3 {
        test.clock.advance(LEASE);
        assert_eq!(test.store.expire_leases().await.unwrap(), 1);
        assert_eq!(test.job(job.id).await.status, JobStatus::Queued);
        let (again, _) = test.store.claim(LEASE).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempt), (job.id, attempt));
    }
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    let ended = test.job(job.id).await;
    assert_eq!(ended.status, JobStatus::Failed);
    let failure = ended.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable), ("worker-lost", true));
    assert_eq!(ended.finished_at, Some(test.store.clock().now()));
    assert_eq!(test.store.expire_leases().await.unwrap(), 0);
    use JobStatus::{Failed, Queued, Running};
    let statuses: Vec<JobStatus> = ended.transitions.iter().map(|transition| transition.status).collect();
    assert_eq!(statuses, [Queued, Running, Queued, Running, Queued, Running, Failed]);
}

async fn a_lapsed_lease_of_a_job_to_be_cancelled_cancels_it(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _) = test.running().await;
    test.store.request_cancel(job.id).await.unwrap();
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    assert_eq!(test.job(job.id).await.status, JobStatus::Cancelled);
}

async fn a_queued_job_is_cancelled_at_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let job = test.enqueue(dataset.id).await;
    let cancelled = test.store.request_cancel(job.id).await.unwrap().unwrap();
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert_eq!(cancelled.finished_at, Some(test.store.clock().now()));
    assert_eq!(test.store.claim(LEASE).await.unwrap(), None);
    assert_eq!(test.store.request_cancel(JobId::new()).await.unwrap(), None);
}

async fn a_running_job_is_asked_to_stop_and_ended_ones_stay(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    assert_eq!(test.store.request_cancel(job.id).await.unwrap().unwrap().status, JobStatus::Cancelling);
    let again = test.store.request_cancel(job.id).await.unwrap().unwrap();
    assert_eq!(again.status, JobStatus::Cancelling);
    assert_eq!(test.store.cancelled(&lease, &[]).await.unwrap(), Written::Done);
    let ended = test.job(job.id).await;
    assert_eq!(test.store.request_cancel(job.id).await.unwrap().unwrap(), ended);
}

async fn the_queue_has_a_limit(engine: Engine) {
    let mut test = TestStore::new(engine).await;
    test.config.max_pending = 2;
    let small = test.again().await;
    let dataset = test.dataset().await;
    for _ in 0..2 {
        enqueued(small.enqueue(&new_job(dataset.id, 0), None).await.unwrap());
    }
    let refused = new_job(dataset.id, 0);
    assert_eq!(small.enqueue(&refused, None).await.unwrap(), Enqueue::QueueFull { limit: 2 });
    assert_eq!(small.job(refused.id).await.unwrap(), None);
    small.claim(LEASE).await.unwrap().unwrap();
    enqueued(small.enqueue(&refused, None).await.unwrap());
}

async fn many_at_once_do_not_overfill_the_queue(engine: Engine) {
    const LIMIT: usize = 5;
    let mut test = TestStore::new(engine).await;
    test.config.max_pending = LIMIT as u64;
    // Two processes, and a dataset for each request, so that no row of a dataset makes one wait for another.
    let stores = [test.again().await, test.again().await];
    let mut requests = Vec::new();
    for index in 0..24 {
        let (store, job) = (stores[index % 2].clone(), new_job(test.dataset().await.id, 0));
        requests.push(async move { store.enqueue(&job, None).await.unwrap() });
    }
    let answers = join_all(requests.into_iter().map(tokio::spawn)).await;
    let taken = answers.iter().filter(|answer| matches!(answer, Ok(Enqueue::Enqueued(_)))).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Ok(Enqueue::QueueFull { limit: 5 }))).count();
    assert_eq!((taken, refused), (LIMIT, 24 - LIMIT));
    assert_eq!(test.store.queue_stats().await.unwrap().by_status["queued"], LIMIT as u64);
}

async fn lists_filter(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two) = (test.dataset().await, test.dataset().await);
    let first = test.enqueue(one.id).await.id;
    let second = test.enqueue(two.id).await.id;
    test.store.request_cancel(first).await.unwrap();
    let ids = async |filter: JobFilter| -> Vec<JobId> {
        let jobs = test.store.jobs(&filter, &Page::first(10)).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    };
    assert_eq!(ids(JobFilter::default()).await, [second, first]);
    assert_eq!(ids(JobFilter { status: Some(JobStatus::Cancelled), ..JobFilter::default() }).await, [first]);
    assert_eq!(ids(JobFilter { dataset_id: Some(two.id), ..JobFilter::default() }).await, [second]);
    let before = Page { size: 10, before: Some(second.to_string().parse().unwrap()) };
    let older = test.store.jobs(&JobFilter::default(), &before).await.unwrap();
    assert_eq!(older.iter().map(|job| job.id).collect::<Vec<_>>(), [first]);
}

async fn stats_count_and_tell_the_oldest(engine: Engine) {
    let test = TestStore::new(engine).await;
    assert_eq!(test.store.queue_stats().await.unwrap().oldest_queued_seconds, None);
    let (_, _) = test.running().await;
    let dataset = test.dataset().await;
    test.enqueue(dataset.id).await;
    test.clock.advance(12.0);
    test.enqueue(dataset.id).await;
    let stats = test.store.queue_stats().await.unwrap();
    assert_eq!(stats.oldest_queued_seconds, Some(12.0));
    assert_eq!(stats.running_by_phase.values().sum::<u64>(), stats.running_by_phase["loading"]);
    let counts: Vec<(&str, u64)> = stats.by_status.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("queued", 2), ("running", 1)]);
}

/// In the same process on both engines; on PostgreSQL in another one too.
async fn waiting_workers_are_rung(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let listener = match engine {
        Engine::Sqlite => test.store.clone(),
        Engine::Postgres => test.again().await,
    };
    let mut bell = listener.queue_changes();
    let wait = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        // The listener of another process rings once when it is connected, so one ring may come early.
        loop {
            bell.changed().await.unwrap();
            if let Some((job, _)) = listener.claim(LEASE).await.unwrap() {
                return job.id;
            }
        }
    });
    let (claimed, job) = tokio::join!(wait, test.enqueue(dataset.id));
    assert_eq!(claimed.expect("the bell rings"), job.id);
    let events = test.store.events(job.id, 0, 10).await.unwrap();
    assert!(events.iter().all(|event| event.kind == EventKind::Status));
}
