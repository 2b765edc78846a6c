//! The parts of a job: in order, each to one worker, and there again when that one is lost.

use std::collections::BTreeSet;

use evenkeel::records::{Failure, JobId, JobRecord, JobStatus, Lease};
use evenkeel::store::{Beat, PartHand, Standing, TakePart, Written};
use futures::future::join_all;

use crate::support::{Engine, LEASE, TestStore, comparison, enqueued, on_both_engines};

on_both_engines!(
    parts_are_taken_in_their_order_each_by_one,
    a_result_is_kept_by_the_holder_alone,
    a_lapsed_part_is_taken_again,
    signs_of_life_keep_parts,
    a_part_that_takes_workers_down_is_left_to_the_owner,
    what_is_let_go_is_free_at_once,
    the_next_attempt_finds_what_is_finished_and_nothing_held,
    results_of_another_program_are_not_mixed_in,
    parts_end_with_their_job,
    only_running_jobs_are_assisted,
    whoever_waits_is_rung,
);

const PROGRAM: &str = "1.0 wide";

async fn begun(test: &TestStore, parts: u64) -> (JobRecord, Lease, PartHand) {
    let dataset = test.dataset().await;
    enqueued(test.store.enqueue(&comparison(dataset.id, 0), None).await.unwrap());
    let (job, lease) = test.store.claim(LEASE).await.unwrap().expect("a job waits");
    let owner = PartHand::owner(&lease);
    assert_eq!(test.store.open_parts(&owner, parts, PROGRAM).await.unwrap(), Written::Done);
    (job, lease, owner)
}

async fn take(test: &TestStore, hand: &PartHand) -> TakePart {
    test.store.take_part(hand, LEASE).await.unwrap()
}

async fn taken(test: &TestStore, hand: &PartHand) -> u64 {
    match take(test, hand).await {
        TakePart::Taken { part, .. } => part,
        other => panic!("no part: {other:?}"),
    }
}

async fn finish(test: &TestStore, hand: &PartHand, part: u64) -> Written {
    test.store.finish_part(hand, part, &format!("\"result of {part}\"")).await.unwrap()
}

async fn result(test: &TestStore, job: JobId, part: u64) -> Option<String> {
    test.store.part_result(job, part).await.unwrap()
}

/// The job is in the queue again, and claimed.
async fn claimed_again(test: &TestStore) -> (Lease, PartHand) {
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    let (_, lease) = test.store.claim(LEASE).await.unwrap().expect("the job is in the queue again");
    (lease, PartHand::owner(&lease))
}

async fn parts_are_taken_in_their_order_each_by_one(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _, owner) = begun(&test, 30).await;
    let (one, other) = (PartHand::assistant(job.id), PartHand::assistant(job.id));
    for (part, hand) in [owner, one, other, owner].iter().enumerate() {
        assert_eq!(taken(&test, hand).await, part as u64);
    }
    let second = test.again().await;
    let all = (4..30).map(|turn| {
        let (store, hand) = if turn % 2 == 0 { (&test.store, owner) } else { (&second, one) };
        async move { store.take_part(&hand, LEASE).await.unwrap() }
    });
    // On PostgreSQL one that finds the next part in somebody's hand goes on to another; none of them gets the same.
    let found = join_all(all).await;
    let parts: BTreeSet<u64> = found
        .iter()
        .filter_map(|found| if let TakePart::Taken { part, .. } = found { Some(*part) } else { None })
        .collect();
    assert_eq!(parts, (4..30).collect());
    assert_eq!(take(&test, &owner).await, TakePart::NoneFree(Standing { parts: 30, finished: 0 }));
    finish(&test, &other, 2).await;
    assert_eq!(take(&test, &owner).await, TakePart::NoneFree(Standing { parts: 30, finished: 1 }));
}

async fn a_result_is_kept_by_the_holder_alone(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _, owner) = begun(&test, 2).await;
    let assistant = PartHand::assistant(job.id);
    let part = taken(&test, &assistant).await;
    assert_eq!(result(&test, job.id, part).await, None);
    assert_eq!(finish(&test, &owner, part).await, Written::LostLease);
    assert_eq!(finish(&test, &assistant, part + 1).await, Written::LostLease, "nobody has it");
    assert_eq!(finish(&test, &assistant, part).await, Written::Done);
    assert_eq!(result(&test, job.id, part).await.as_deref(), Some("\"result of 0\""));
    assert_eq!(finish(&test, &assistant, part).await, Written::LostLease, "once is enough");
    assert_eq!(result(&test, job.id, 7).await, None);
    // An assistant begins nothing.
    assert_eq!(test.store.open_parts(&assistant, 9, PROGRAM).await.unwrap(), Written::LostLease);
    assert_eq!(taken(&test, &owner).await, 1);
}

async fn a_lapsed_part_is_taken_again(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease, owner) = begun(&test, 3).await;
    let lost = PartHand::assistant(job.id);
    assert_eq!((taken(&test, &lost).await, taken(&test, &owner).await), (0, 1));
    test.clock.advance(LEASE - 1.0);
    test.store.heartbeat(&lease, LEASE, &Beat::default()).await.unwrap();
    assert_eq!(taken(&test, &owner).await, 2);
    assert!(matches!(take(&test, &owner).await, TakePart::NoneFree(_)), "the lease holds to its last second");
    test.clock.advance(1.0);
    assert_eq!(taken(&test, &owner).await, 0);
    assert_eq!(finish(&test, &lost, 0).await, Written::LostLease);
    assert_eq!(finish(&test, &owner, 0).await, Written::Done);
}

async fn signs_of_life_keep_parts(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, mut lease, owner) = begun(&test, 2).await;
    let assistant = PartHand::assistant(job.id);
    assert_eq!((taken(&test, &owner).await, taken(&test, &assistant).await), (0, 1));
    for _ in 0..3 {
        test.clock.advance(LEASE - 1.0);
        let beat = test.store.heartbeat(&lease, LEASE, &Beat::default()).await.unwrap();
        let evenkeel::store::Heartbeat::Held { lease: prolonged, .. } = beat else { panic!("{beat:?}") };
        lease = prolonged;
        assert!(test.store.hold_parts(&assistant, LEASE).await.unwrap());
    }
    let third = PartHand::assistant(job.id);
    assert!(matches!(take(&test, &third).await, TakePart::NoneFree(_)));
    assert_eq!((finish(&test, &owner, 0).await, finish(&test, &assistant, 1).await), (Written::Done, Written::Done));
}

async fn a_part_that_takes_workers_down_is_left_to_the_owner(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, mut lease, owner) = begun(&test, 1).await;
    for lost in 0..3 {
        let assistant = PartHand::assistant(job.id);
        if lost < 2 {
            assert_eq!(taken(&test, &assistant).await, 0);
        } else {
            assert!(matches!(take(&test, &assistant).await, TakePart::NoneFree(_)), "two were lost with it");
            assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), []);
        }
        test.clock.advance(LEASE - 1.0);
        let beat = test.store.heartbeat(&lease, LEASE, &Beat::default()).await.unwrap();
        let evenkeel::store::Heartbeat::Held { lease: prolonged, .. } = beat else { panic!("{beat:?}") };
        lease = prolonged;
        test.clock.advance(1.0);
    }
    assert_eq!(taken(&test, &owner).await, 0);
}

async fn what_is_let_go_is_free_at_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _, owner) = begun(&test, 3).await;
    let assistant = PartHand::assistant(job.id);
    for part in 0..3 {
        assert_eq!(taken(&test, &assistant).await, part);
    }
    finish(&test, &assistant, 1).await;
    test.store.release_parts(&assistant).await.unwrap();
    assert_eq!((taken(&test, &owner).await, taken(&test, &owner).await), (0, 2));
    assert_eq!(finish(&test, &assistant, 0).await, Written::LostLease);
    // However often it is let go: nobody was lost with it.
    for _ in 0..5 {
        test.store.release_parts(&owner).await.unwrap();
        let another = PartHand::assistant(job.id);
        assert_eq!(taken(&test, &another).await, 0);
        test.store.release_parts(&another).await.unwrap();
    }
}

async fn the_next_attempt_finds_what_is_finished_and_nothing_held(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _, owner) = begun(&test, 4).await;
    let assistant = PartHand::assistant(job.id);
    assert_eq!((taken(&test, &owner).await, taken(&test, &assistant).await), (0, 1));
    finish(&test, &owner, 0).await;
    assert_eq!(taken(&test, &owner).await, 2);
    let (lease, next) = claimed_again(&test).await;
    assert_eq!(take(&test, &owner).await, TakePart::Gone, "another has the job");
    assert_eq!(finish(&test, &owner, 2).await, Written::LostLease);
    assert_eq!(test.store.open_parts(&owner, 4, PROGRAM).await.unwrap(), Written::LostLease);
    assert_eq!(test.store.open_parts(&next, 4, PROGRAM).await.unwrap(), Written::Done);
    assert_eq!(result(&test, job.id, 0).await.as_deref(), Some("\"result of 0\""));
    assert_eq!((taken(&test, &next).await, taken(&test, &next).await), (1, 2));
    // The same where the job is given back.
    test.store.give_back(&lease).await.unwrap();
    assert_eq!(take(&test, &assistant).await, TakePart::Gone, "nobody runs it");
    assert!(!test.store.hold_parts(&assistant, LEASE).await.unwrap());
    let (_, lease) = test.store.claim(LEASE).await.unwrap().unwrap();
    assert_eq!(taken(&test, &PartHand::owner(&lease)).await, 1);
}

async fn results_of_another_program_are_not_mixed_in(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, _, owner) = begun(&test, 2).await;
    assert_eq!(taken(&test, &owner).await, 0);
    finish(&test, &owner, 0).await;
    assert_eq!(test.store.jobs_to_assist("2.0 wide").await.unwrap(), []);
    assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), [job.id]);
    let (_, next) = claimed_again(&test).await;
    test.store.open_parts(&next, 2, "2.0 wide").await.unwrap();
    assert_eq!(result(&test, job.id, 0).await, None);
    assert_eq!(taken(&test, &next).await, 0);
    assert_eq!(test.store.jobs_to_assist("2.0 wide").await.unwrap(), [job.id]);
}

async fn parts_end_with_their_job(engine: Engine) {
    let test = TestStore::new(engine).await;
    let failure = Failure { code: "diverged".into(), title: "D".into(), detail: "d".into(), retryable: false };
    for end in [JobStatus::Failed, JobStatus::Cancelled] {
        let (job, lease, owner) = begun(&test, 2).await;
        let assistant = PartHand::assistant(job.id);
        assert_eq!((taken(&test, &owner).await, taken(&test, &assistant).await), (0, 1));
        finish(&test, &owner, 0).await;
        let parts = test.store.queue_stats().await.unwrap().parts;
        assert_eq!((parts["waiting"], parts["running"], parts["finished"]), (0, 1, 1));
        let written = match end {
            JobStatus::Failed => test.store.fail(&lease, &failure, &[]).await.unwrap(),
            _ => test.store.cancelled(&lease, &[]).await.unwrap(),
        };
        assert_eq!((written, test.job(job.id).await.status), (Written::Done, end));
        assert!(test.store.queue_stats().await.unwrap().parts.values().all(|&count| count == 0));
        assert_eq!(finish(&test, &assistant, 1).await, Written::LostLease);
        assert_eq!(take(&test, &assistant).await, TakePart::Gone);
    }
    let (job, lease, owner) = begun(&test, 1).await;
    taken(&test, &owner).await;
    finish(&test, &owner, 0).await;
    let mut results = evenkeel::store::NewResults::from(test.new_model("m").await);
    let sha256 = test.store.blobs().put(bytes::Bytes::from_static(b"{}")).await.unwrap();
    let media_type = "application/json".to_owned();
    results.result = Some(evenkeel::records::JobResult { sha256, size_bytes: 2, media_type, rows: None });
    test.store.finish(&lease, results, &[]).await.unwrap();
    assert_eq!(test.job(job.id).await.status, JobStatus::Succeeded);
    assert_eq!(result(&test, job.id, 0).await, None);
}

async fn only_running_jobs_are_assisted(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (first, lease, owner) = begun(&test, 1).await;
    test.clock.advance(1.0);
    let (second, _, _) = begun(&test, 2).await;
    test.clock.advance(1.0);
    let urgent = enqueued(test.store.enqueue(&comparison(first.dataset_id, 5), None).await.unwrap());
    assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), [first.id, second.id]);
    let (_, urgent_lease) = test.store.claim(LEASE).await.unwrap().unwrap();
    test.store.open_parts(&PartHand::owner(&urgent_lease), 1, PROGRAM).await.unwrap();
    assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), [urgent.id, first.id, second.id]);
    taken(&test, &owner).await;
    assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), [urgent.id, second.id], "each part is somebody's");
    let assistant = PartHand::assistant(second.id);
    assert!(test.store.hold_parts(&assistant, LEASE).await.unwrap());
    test.store.request_cancel(second.id).await.unwrap();
    assert!(!test.store.hold_parts(&assistant, LEASE).await.unwrap());
    assert_eq!(take(&test, &assistant).await, TakePart::Gone);
    test.store.give_back(&lease).await.unwrap();
    assert_eq!(test.store.jobs_to_assist(PROGRAM).await.unwrap(), [urgent.id]);
}

/// On PostgreSQL also in another process.
async fn whoever_waits_is_rung(engine: Engine) {
    let test = TestStore::new(engine).await;
    let second = test.again().await;
    let listening = if matches!(engine, Engine::Sqlite) { &test.store } else { &second };
    let (mut queue, mut jobs) = (listening.queue_changes(), listening.job_events());
    let (job, _, owner) = begun(&test, 1).await;
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, queue.changed()).await.expect("idle workers are told").unwrap();
    taken(&test, &owner).await;
    jobs.mark_unchanged();
    finish(&test, &owner, 0).await;
    tokio::time::timeout(patience, jobs.changed()).await.expect("the owner is told").unwrap();
    assert!(result(&test, job.id, 0).await.is_some());
}
