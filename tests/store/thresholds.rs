//! Thresholds of models: changed by one at a time, remembered, gone with the model; and the blobs behind them.

use evenkeel::ml::config::ThresholdRule;
use evenkeel::ml::metrics::ThresholdBasis;
use evenkeel::records::ModelRecord;
use evenkeel::store::{DeleteModel, MAX_THRESHOLD_CHANGES, NewThreshold, Retention, SetThreshold};
use futures::future::join_all;

use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(
    a_change_is_remembered,
    only_one_of_many_changes_is_made,
    old_changes_are_forgotten,
    a_model_that_is_gone_cannot_be_changed,
    blobs_that_a_model_names_stay,
);

async fn trained(test: &TestStore) -> ModelRecord {
    let (_, lease) = test.running().await;
    let mut model = test.new_model("fraud").await;
    model.dossier_sha256 = Some(test.store.blobs().put("its scores".into()).await.unwrap());
    let finish = test.store.finish(&lease, model.into(), &[]).await.unwrap();
    test.model_of(finish).await
}

async fn threshold(test: &TestStore, model: &ModelRecord, value: f64) -> NewThreshold {
    let artifact = format!("artifact at {value}");
    let basis = ThresholdBasis {
        computed_on: "validation".to_owned(),
        rows: 9,
        positives: 2,
        met: true,
        note: None,
        ci: Some([0.1, 0.1 + 0.2]),
    };
    NewThreshold {
        rule: ThresholdRule::Fixed { value },
        threshold: value,
        basis,
        size_bytes: artifact.len() as u64,
        sha256: test.store.blobs().put(artifact.into()).await.unwrap(),
        report: model.report.clone(),
        verdict: model.verdict,
        set_by: "someone".to_owned(),
    }
}

async fn set(test: &TestStore, model: &ModelRecord, value: f64) -> ModelRecord {
    match test.store.set_threshold(model, threshold(test, model, value).await).await.unwrap() {
        SetThreshold::Set(model) => *model,
        other => panic!("{other:?}"),
    }
}

async fn a_change_is_remembered(engine: Engine) {
    let test = TestStore::new(engine).await;
    let first = trained(&test).await;
    let only = test.store.threshold_changes(&first).await.unwrap();
    assert_eq!(only.len(), 1);
    assert_eq!((only[0].sequence, only[0].set_at, &only[0].set_by), (1, first.created_at, &None));
    let second = set(&test, &first, 0.25).await;
    assert_eq!(test.store.model(first.id).await.unwrap().as_ref(), Some(&second), "what is answered is what is stored");
    assert_eq!((second.threshold, second.version), (0.25, first.version));
    let changes = test.store.threshold_changes(&second).await.unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!((changes[0].sequence, changes[0].threshold), (2, 0.25));
    assert_eq!(changes[0].set_by.as_deref(), Some("someone"));
    assert_eq!(changes[0].basis, second.threshold_basis);
    assert_eq!(changes[1], only[0]);
    let stale = test.store.set_threshold(&first, threshold(&test, &first, 0.5).await).await.unwrap();
    assert_eq!(stale, SetThreshold::Changed);
}

async fn only_one_of_many_changes_is_made(engine: Engine) {
    let test = TestStore::new(engine).await;
    let model = trained(&test).await;
    let mut changes = Vec::new();
    for value in 1..=8 {
        let (store, model) = (test.store.clone(), model.clone());
        let new = threshold(&test, &model, f64::from(value) / 16.0).await;
        changes.push(tokio::spawn(async move { store.set_threshold(&model, new).await.unwrap() }));
    }
    let made = join_all(changes).await.into_iter().map(|change| change.unwrap());
    assert_eq!(made.filter(|change| matches!(change, SetThreshold::Set(_))).count(), 1);
    let model = test.store.model(model.id).await.unwrap().unwrap();
    assert_eq!(test.store.threshold_changes(&model).await.unwrap().len(), 2);
}

async fn old_changes_are_forgotten(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut model = trained(&test).await;
    for change in 0..MAX_THRESHOLD_CHANGES + 2 {
        model = set(&test, &model, f64::from(change) / 1024.0).await;
    }
    let changes = test.store.threshold_changes(&model).await.unwrap();
    assert_eq!(changes.len() as u32, MAX_THRESHOLD_CHANGES);
    assert_eq!((changes[0].sequence, changes[0].threshold), (MAX_THRESHOLD_CHANGES + 3, model.threshold));
}

async fn a_model_that_is_gone_cannot_be_changed(engine: Engine) {
    let test = TestStore::new(engine).await;
    let first = trained(&test).await;
    let model = set(&test, &first, 0.25).await;
    assert_eq!(test.store.delete_model(model.id).await.unwrap(), DeleteModel::Deleted, "its changes go with it");
    let gone = test.store.set_threshold(&model, threshold(&test, &model, 0.5).await).await.unwrap();
    assert_eq!(gone, SetThreshold::Gone);
}

async fn blobs_that_a_model_names_stay(engine: Engine) {
    let test = TestStore::new(engine).await;
    let first = trained(&test).await;
    let model = set(&test, &first, 0.25).await;
    let dossier = model.dossier_sha256.clone().unwrap();
    let there = async |sha256: &str| test.store.blobs().exists(sha256).await.unwrap();
    let soon = Retention { blob_seconds: -1e6, ..Retention::STANDARD };
    test.store.sweep(&soon).await.unwrap();
    assert!(there(&model.sha256).await && there(&dossier).await);
    assert!(!there(&first.sha256).await, "the artifact with the old threshold goes");
    test.store.delete_model(model.id).await.unwrap();
    test.store.sweep(&soon).await.unwrap();
    assert!(!there(&model.sha256).await && !there(&dossier).await);
}
