//! Idempotency keys: begun once, answered once, free again when abandoned or left behind.

use evenkeel::store::{Begin, Enqueue, IdempotentAnswer, StoreError, StoredAnswer};
use futures::future::join_all;

use crate::support::{Engine, TestStore, dataset_record, enqueued, new_job, on_both_engines};

on_both_engines!(
    a_key_is_begun_once_and_answered_once,
    an_abandoned_key_is_free,
    a_renewed_hold_lasts_and_changes_nothing_else,
    a_key_left_behind_is_taken_over_and_answered_once,
    many_at_once_begin_one,
    a_refused_request_leaves_no_answer,
);

const HOLD: f64 = 60.0;

fn answer(key: &str, body: &str) -> IdempotentAnswer {
    IdempotentAnswer {
        principal: "key-1".into(),
        key: key.into(),
        request_sha256: "ab".repeat(32),
        status: 202,
        location: Some("/v1/jobs/1".into()),
        body: body.into(),
    }
}

async fn begin(test: &TestStore, key: &str) -> Begin {
    test.store.begin_idempotent("key-1", key, HOLD).await.unwrap()
}

async fn a_key_is_begun_once_and_answered_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    assert_eq!(begin(&test, "k").await, Begin::Started);
    assert_eq!(begin(&test, "k").await, Begin::InProgress);
    assert_eq!(test.store.begin_idempotent("key-2", "k", HOLD).await.unwrap(), Begin::Started);
    let given = answer("k", "{}");
    enqueued(test.store.enqueue(&new_job(dataset.id, 0), Some(&given)).await.unwrap());
    let IdempotentAnswer { request_sha256, status, location, body, .. } = given;
    let stored = Begin::Done(StoredAnswer { request_sha256, status, location, body });
    assert_eq!(begin(&test, "k").await, stored);
    test.clock.advance(HOLD * 2.0);
    assert_eq!(begin(&test, "k").await, stored);
    test.store.abandon_idempotent("key-1", "k").await.unwrap();
    assert_eq!(begin(&test, "k").await, stored);
}

async fn an_abandoned_key_is_free(engine: Engine) {
    let test = TestStore::new(engine).await;
    assert_eq!(begin(&test, "k").await, Begin::Started);
    test.store.abandon_idempotent("key-1", "k").await.unwrap();
    assert_eq!(begin(&test, "k").await, Begin::Started);
}

async fn a_key_left_behind_is_taken_over_and_answered_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    assert_eq!(begin(&test, "k").await, Begin::Started);
    test.clock.advance(HOLD - 0.001);
    assert_eq!(begin(&test, "k").await, Begin::InProgress);
    test.clock.advance(0.001);
    assert_eq!(begin(&test, "k").await, Begin::Started);
    assert_eq!(begin(&test, "k").await, Begin::InProgress);
    // The first holder was only slow and comes to its end before the second.
    let (slow, second) = (new_job(dataset.id, 0), new_job(dataset.id, 0));
    enqueued(test.store.enqueue(&slow, Some(&answer("k", "slow"))).await.unwrap());
    let refused = test.store.enqueue(&second, Some(&answer("k", "second"))).await;
    assert!(matches!(refused, Err(StoreError::AlreadyAnswered)), "{refused:?}");
    assert_eq!(test.store.job(second.id).await.unwrap(), None);
    assert!(matches!(begin(&test, "k").await, Begin::Done(stored) if stored.body == "slow"));
}

async fn a_renewed_hold_lasts_and_changes_nothing_else(engine: Engine) {
    let test = TestStore::new(engine).await;
    let renew = async |key: &str| test.store.renew_idempotent("key-1", key, HOLD).await.unwrap();
    assert_eq!(begin(&test, "k").await, Begin::Started);
    test.clock.advance(HOLD / 2.0);
    renew("k").await;
    test.clock.advance(HOLD - 0.001);
    assert_eq!(begin(&test, "k").await, Begin::InProgress);
    test.clock.advance(0.001);
    assert_eq!(begin(&test, "k").await, Begin::Started);
    // A key that nobody has begun is not begun by that, and an answered one stays answered.
    renew("other").await;
    assert_eq!(begin(&test, "other").await, Begin::Started);
    let dataset = test.dataset().await;
    enqueued(test.store.enqueue(&new_job(dataset.id, 0), Some(&answer("k", "done"))).await.unwrap());
    renew("k").await;
    assert!(matches!(begin(&test, "k").await, Begin::Done(stored) if stored.body == "done"));
}

async fn many_at_once_begin_one(engine: Engine) {
    let test = TestStore::new(engine).await;
    let begins = (0..12).map(|_| {
        let store = test.store.clone();
        tokio::spawn(async move { store.begin_idempotent("key-1", "k", HOLD).await.unwrap() })
    });
    let begun: Vec<Begin> = join_all(begins).await.into_iter().map(|begun| begun.unwrap()).collect();
    assert_eq!(begun.iter().filter(|begin| **begin == Begin::Started).count(), 1);
    assert_eq!(begun.iter().filter(|begin| **begin == Begin::InProgress).count(), 11);
}

async fn a_refused_request_leaves_no_answer(engine: Engine) {
    let test = TestStore::new(engine).await;
    assert_eq!(begin(&test, "k").await, Begin::Started);
    let dataset = dataset_record(&"0".repeat(64), test.store.clock().now());
    assert!(test.store.insert_dataset(&dataset, Some(&answer("k", "{}"))).await.is_err());
    let gone = test.store.enqueue(&new_job(dataset.id, 0), Some(&answer("k", "{}"))).await.unwrap();
    assert_eq!(gone, Enqueue::DatasetGone);
    assert_eq!(begin(&test, "k").await, Begin::InProgress);
}
