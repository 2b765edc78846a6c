//! Checkpoints of unfinished jobs: kept under the lease, with the epochs that belong to them, until the job ends.

use bytes::Bytes;
use evenkeel::ml::observe::EpochLog;
use evenkeel::records::{Failure, JobStatus, Lease};
use evenkeel::store::{Beat, News, Retention, StoreError, Written};

use crate::support::{Engine, LEASE, TestStore, on_both_engines};

on_both_engines!(
    the_next_attempt_finds_the_checkpoint_and_the_epochs_that_belong_to_it,
    a_useless_checkpoint_goes_with_all_epochs,
    only_the_holder_keeps_a_checkpoint_that_is_there,
    an_ended_job_has_none,
    a_checkpoint_is_not_swept_as_long_as_it_is_named,
);

async fn stored(test: &TestStore, text: &'static str) -> String {
    test.store.blobs().put(Bytes::from_static(text.as_bytes())).await.unwrap()
}

async fn tell(test: &TestStore, lease: &Lease, news: Vec<News>) {
    test.store.heartbeat(lease, LEASE, &Beat { news, ..Beat::default() }).await.unwrap();
}

fn epochs(range: std::ops::RangeInclusive<usize>) -> Vec<News> {
    range.map(|epoch| News::Epoch(Box::new(EpochLog { epoch, ..EpochLog::default() }))).collect()
}

async fn told(test: &TestStore, lease: &Lease) -> Vec<usize> {
    test.store.epochs(lease.job_id).await.unwrap().into_iter().map(|log| log.epoch).collect()
}

async fn claim_again(test: &TestStore) -> Lease {
    test.clock.advance(LEASE);
    assert_eq!(test.store.expire_leases().await.unwrap(), 1);
    test.store.claim(LEASE).await.unwrap().expect("the job is in the queue again").1
}

async fn the_next_attempt_finds_the_checkpoint_and_the_epochs_that_belong_to_it(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    assert_eq!(job.checkpoint, None);
    tell(&test, &lease, epochs(1..=5)).await;
    let sha256 = stored(&test, "after three epochs").await;
    assert_eq!(test.store.keep_checkpoint(&lease, &sha256, 3).await.unwrap(), Written::Done);
    let at = test.store.clock().now();
    let lease = claim_again(&test).await;
    let checkpoint = test.job(job.id).await.checkpoint.unwrap();
    assert_eq!((checkpoint.sha256, checkpoint.epochs, checkpoint.at), (sha256, 3, at));
    assert_eq!(told(&test, &lease).await, [1, 2, 3]);
    tell(&test, &lease, epochs(4..=4)).await;
    assert_eq!(told(&test, &lease).await, [1, 2, 3, 4]);
    assert_eq!(test.store.give_back(&lease).await.unwrap(), Written::Done);
    assert_eq!(test.job(job.id).await.checkpoint.unwrap().epochs, 3);
}

async fn a_useless_checkpoint_goes_with_all_epochs(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, lease) = test.running().await;
    tell(&test, &lease, epochs(1..=5)).await;
    let sha256 = stored(&test, "of another program").await;
    test.store.keep_checkpoint(&lease, &sha256, 5).await.unwrap();
    let lease = claim_again(&test).await;
    tell(&test, &lease, [vec![News::Anew], epochs(1..=1)].concat()).await;
    assert_eq!((told(&test, &lease).await, test.job(job.id).await.checkpoint), (vec![1], None));
}

async fn only_the_holder_keeps_a_checkpoint_that_is_there(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (job, old) = test.running().await;
    let sha256 = stored(&test, "late").await;
    let lease = claim_again(&test).await;
    assert_eq!(test.store.keep_checkpoint(&old, &sha256, 1).await.unwrap(), Written::LostLease);
    let missing = test.store.keep_checkpoint(&lease, &"0".repeat(64), 1).await;
    assert!(matches!(missing, Err(StoreError::BlobMissing { .. })), "{missing:?}");
    assert_eq!(test.job(job.id).await.checkpoint, None);
}

async fn an_ended_job_has_none(engine: Engine) {
    let test = TestStore::new(engine).await;
    let failure = Failure { code: "diverged".into(), title: "D".into(), detail: "d".into(), retryable: false };
    for end in [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled] {
        let (job, lease) = test.running().await;
        let sha256 = stored(&test, "of a job that ends").await;
        test.store.keep_checkpoint(&lease, &sha256, 1).await.unwrap();
        match end {
            JobStatus::Succeeded => {
                drop(test.store.finish(&lease, test.new_model("m").await.into(), &[]).await.unwrap())
            }
            JobStatus::Failed => drop(test.store.fail(&lease, &failure, &[]).await.unwrap()),
            _ => drop(test.store.cancelled(&lease, &[]).await.unwrap()),
        }
        let ended = test.job(job.id).await;
        assert_eq!((ended.status, ended.checkpoint), (end, None));
    }
}

async fn a_checkpoint_is_not_swept_as_long_as_it_is_named(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (_, lease) = test.running().await;
    let (first, second) = (stored(&test, "first").await, stored(&test, "second").await);
    test.store.keep_checkpoint(&lease, &first, 1).await.unwrap();
    assert!(!test.store.drop_blob(&first).await.unwrap());
    test.clock.advance(3_700.0);
    // The second is not named yet.
    assert_eq!(test.store.sweep(&Retention::STANDARD).await.unwrap().blobs.blobs, 1);
    assert!(test.store.blobs().exists(&first).await.unwrap());
    assert_eq!(stored(&test, "second").await, second);
    test.store.keep_checkpoint(&lease, &second, 2).await.unwrap();
    assert!(test.store.drop_blob(&first).await.unwrap());
    assert!(!test.store.drop_blob(&first).await.unwrap());
    assert!(test.store.blobs().exists(&second).await.unwrap());
    test.store.cancelled(&lease, &[]).await.unwrap();
    assert_eq!(test.store.sweep(&Retention::STANDARD).await.unwrap().blobs.blobs, 1);
    assert!(!test.store.blobs().exists(&second).await.unwrap());
}
