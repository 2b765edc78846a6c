//! Retention: what is old goes, what is named stays.

use bytes::Bytes;
use evenkeel::store::{Begin, DeleteDataset, IdempotentAnswer, Retention, StagedBlob, StoreError, Swept};
use futures::stream;

use crate::support::{Engine, LEASE, TestStore, dataset_record, new_job, on_both_engines};

on_both_engines!(
    jobs_and_their_events_go_when_they_are_old,
    unnamed_blobs_go_and_named_ones_stay,
    a_blob_stored_again_is_young,
    unfinished_uploads_go,
    idempotency_keys_go,
);

const DAY: f64 = 86_400.0;

async fn sweep(test: &TestStore) -> Swept {
    test.store.sweep(&Retention::STANDARD).await.unwrap()
}

async fn jobs_and_their_events_go_when_they_are_old(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let waiting = test.enqueue_with(dataset.id, -10).await;
    let cancelled = test.enqueue(dataset.id).await;
    test.store.request_cancel(cancelled.id).await.unwrap();
    let succeeded = test.enqueue(dataset.id).await;
    let (_, lease) = test.store.claim(LEASE).await.unwrap().unwrap();
    let finish = test.store.finish(&lease, test.new_model("m").await.into(), &[]).await.unwrap();
    let model = test.model_of(finish).await;
    test.clock.advance(6.0 * DAY);
    let swept = sweep(&test).await;
    assert_eq!((swept.jobs, swept.events), (0, 0));
    test.clock.advance(2.0 * DAY);
    let swept = sweep(&test).await;
    // Two of the cancelled job; queued, running, progress and succeeded of the other.
    assert_eq!((swept.jobs, swept.events), (0, 6));
    assert_eq!(test.store.events(waiting.id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(test.store.events(succeeded.id, 0, 10).await.unwrap(), []);
    assert_eq!(test.job(succeeded.id).await.transitions.len(), 3);
    test.clock.advance(83.0 * DAY);
    assert_eq!(sweep(&test).await.jobs, 1);
    assert_eq!(test.store.job(cancelled.id).await.unwrap(), None);
    // The job of a model stays as long as the model.
    test.job(succeeded.id).await;
    test.store.delete_model(model.id).await.unwrap();
    assert_eq!(sweep(&test).await.jobs, 1);
    test.job(waiting.id).await;
}

async fn unnamed_blobs_go_and_named_ones_stay(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let orphan = test.store.blobs().put(Bytes::from_static(b"orphan")).await.unwrap();
    assert_eq!(sweep(&test).await.blobs.blobs, 0);
    test.clock.advance(3_700.0);
    assert_eq!(sweep(&test).await.blobs.blobs, 1);
    assert!(!test.store.blobs().exists(&orphan).await.unwrap());
    assert!(test.store.blobs().exists(&dataset.sha256).await.unwrap());
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), DeleteDataset::Deleted);
    assert_eq!(sweep(&test).await.blobs.blobs, 1);
    let late = test.store.insert_dataset(&dataset, None).await;
    assert!(matches!(late, Err(StoreError::BlobMissing { .. })), "{late:?}");
}

async fn a_blob_stored_again_is_young(engine: Engine) {
    let test = TestStore::new(engine).await;
    let sha256 = test.store.blobs().put(Bytes::from_static(b"twice")).await.unwrap();
    age(&test, &sha256);
    test.store.blobs().put(Bytes::from_static(b"twice")).await.unwrap();
    assert_eq!(sweep(&test).await.blobs.blobs, 0);
    let dataset = dataset_record(&sha256, test.store.clock().now());
    test.store.insert_dataset(&dataset, None).await.unwrap();
    age(&test, &sha256);
    assert_eq!(sweep(&test).await.blobs.blobs, 0);
}

/// Makes a blob's file two hours old.
fn age(test: &TestStore, sha256: &str) {
    let path = test.directory.path().join("blobs/blobs").join(&sha256[..2]).join(sha256);
    let file = std::fs::File::options().append(true).open(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - std::time::Duration::from_secs(7_200)).unwrap();
}

async fn unfinished_uploads_go(engine: Engine) {
    let test = TestStore::new(engine).await;
    let bytes = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"half"))]);
    let staged: StagedBlob = test.store.blobs().stage(bytes, 100).await.unwrap();
    // What a killed process leaves of an upload under way.
    let torn = test.directory.path().join("blobs/staging/0190-torn#1");
    std::fs::write(&torn, b"torn").unwrap();
    test.clock.advance(0.9 * DAY);
    assert_eq!(sweep(&test).await.blobs.staged, 0);
    test.clock.advance(0.2 * DAY);
    assert_eq!(sweep(&test).await.blobs.staged, 2);
    assert!(!torn.exists());
    assert!(test.store.blobs().keep(staged).await.is_err());
}

async fn idempotency_keys_go(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let answer = IdempotentAnswer {
        principal: "p".into(),
        key: "k".into(),
        request_sha256: "ab".repeat(32),
        status: 202,
        location: None,
        body: "{}".into(),
    };
    test.store.enqueue(&new_job(dataset.id, 0), Some(&answer)).await.unwrap();
    test.clock.advance(0.9 * DAY);
    assert_eq!(sweep(&test).await.idempotency_keys, 0);
    test.clock.advance(0.2 * DAY);
    assert_eq!(sweep(&test).await.idempotency_keys, 1);
    assert_eq!(test.store.begin_idempotent("p", "k", 60.0).await.unwrap(), Begin::Started);
}
