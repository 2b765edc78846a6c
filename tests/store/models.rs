//! Models: versions within a name, lists, deletion.

use std::collections::BTreeSet;

use evenkeel::ml::config::ThresholdRule;
use evenkeel::records::{ModelId, ModelOrigin, ModelRecord};
use evenkeel::store::{
    Begin, DeleteModel, IdempotentAnswer, ModelFilter, NewModel, NewThreshold, Page, SetThreshold, StoreError,
};
use futures::future::join_all;

use crate::support::{Engine, LEASE, TestStore, on_both_engines};

on_both_engines!(
    versions_are_never_given_twice,
    lists_filter,
    versions_are_distinct_under_concurrency,
    an_imported_model_is_one_without_a_job,
    an_import_is_answered_in_its_transaction,
    models_are_found_by_name_and_version,
);

async fn trained(test: &TestStore, name: &str) -> ModelRecord {
    let (_, lease) = test.running().await;
    let finish = test.store.finish(&lease, test.new_model(name).await.into(), &[]).await.unwrap();
    test.model_of(finish).await
}

async fn versions_are_never_given_twice(engine: Engine) {
    let test = TestStore::new(engine).await;
    let first = trained(&test, "fraud").await;
    let second = trained(&test, "fraud").await;
    assert_eq!((first.version, second.version, trained(&test, "churn").await.version), (1, 2, 1));
    assert_eq!(test.store.delete_model(second.id).await.unwrap(), DeleteModel::Deleted);
    assert_eq!(test.store.delete_model(second.id).await.unwrap(), DeleteModel::NotFound);
    assert_eq!(test.store.model(second.id).await.unwrap(), None);
    assert_eq!(test.store.model(first.id).await.unwrap(), Some(first));
    assert_eq!(trained(&test, "fraud").await.version, 3);
}

/// An imported model has neither job nor dataset, and is like any other in all else.
async fn an_imported_model_is_one_without_a_job(engine: Engine) {
    let test = TestStore::new(engine).await;
    let trained = trained(&test, "fraud").await;
    let model = test.new_model("fraud").await;
    let imported = test.store.import_model(model.clone(), |_| None).await.unwrap();
    assert_eq!((imported.version, imported.job_id, imported.dataset_id), (2, None, None));
    assert_eq!((trained.origin(), imported.origin()), (ModelOrigin::Training, ModelOrigin::Import));
    assert_eq!(test.store.model(imported.id).await.unwrap(), Some(imported.clone()));
    // There may be many without a job.
    let another = test.store.import_model(NewModel { id: ModelId::new(), ..model }, |_| None).await.unwrap();
    let listed = test.store.models(&ModelFilter::default(), &Page::first(10)).await.unwrap();
    assert_eq!(listed, [another, imported.clone(), trained.clone()]);
    let of_dataset = ModelFilter { dataset_id: trained.dataset_id, ..ModelFilter::default() };
    assert_eq!(test.store.models(&of_dataset, &Page::first(10)).await.unwrap(), [trained]);
    let change = NewThreshold {
        rule: ThresholdRule::Fixed { value: 0.75 },
        threshold: 0.75,
        basis: serde_json::from_value(serde_json::json!({
            "computed_on": "validation", "rows": 1, "positives": 1, "met": true, "note": null, "ci": null
        }))
        .unwrap(),
        sha256: imported.sha256.clone(),
        size_bytes: imported.size_bytes,
        report: imported.report.clone(),
        verdict: imported.verdict,
        set_by: "anyone".to_owned(),
    };
    let SetThreshold::Set(changed) = test.store.set_threshold(&imported, change).await.unwrap() else {
        panic!("it is as it was")
    };
    assert_eq!((changed.threshold, changed.job_id), (0.75, None));
    assert_eq!(test.store.delete_model(imported.id).await.unwrap(), DeleteModel::Deleted);
}

/// The model, its version and the answer to its request are there together or not at all.
async fn an_import_is_answered_in_its_transaction(engine: Engine) {
    let test = TestStore::new(engine).await;
    let answer = |model: &ModelRecord| {
        Some(IdempotentAnswer {
            principal: "me".to_owned(),
            key: "k".to_owned(),
            request_sha256: "ab".repeat(32),
            status: 201,
            location: Some(format!("/v1/models/{}", model.id)),
            body: format!("version {}", model.version),
        })
    };
    assert_eq!(test.store.begin_idempotent("me", "k", 60.0).await.unwrap(), Begin::Started);
    let model = test.new_model("fraud").await;
    let imported = test.store.import_model(model.clone(), answer).await.unwrap();
    let Begin::Done(stored) = test.store.begin_idempotent("me", "k", 60.0).await.unwrap() else { panic!("answered") };
    assert_eq!((stored.body.as_str(), imported.version), ("version 1", 1));
    let again = test.store.import_model(NewModel { id: ModelId::new(), ..model.clone() }, answer).await;
    assert!(matches!(again, Err(StoreError::AlreadyAnswered)), "{again:?}");
    let lost = NewModel { id: ModelId::new(), sha256: "cd".repeat(32), ..model };
    let lost = test.store.import_model(lost, |_| None).await;
    assert!(matches!(lost, Err(StoreError::BlobMissing { .. })), "{lost:?}");
    assert_eq!(test.store.models(&ModelFilter::default(), &Page::first(10)).await.unwrap(), [imported]);
    assert_eq!(test.store.import_model(test.new_model("fraud").await, |_| None).await.unwrap().version, 2);
}

async fn models_are_found_by_name_and_version(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut models = Vec::new();
    for name in ["b", "a", "b", "b"] {
        models.push(trained(&test, name).await);
    }
    let found = async |name: &str, version| test.store.model_named(name, version).await.unwrap();
    assert_eq!((found("b", None).await, found("b", Some(1)).await), (Some(models[3].id), Some(models[0].id)));
    assert_eq!((found("b", Some(4)).await, found("c", None).await, found("B", None).await), (None, None, None));
    assert_eq!(test.store.model_versions("b", 10).await.unwrap(), [1, 2, 3]);
    assert_eq!(test.store.model_versions("b", 2).await.unwrap(), [2, 3]);
    let index =
        |entries: &[(&str, u32)]| entries.iter().map(|&(name, version)| (name.to_owned(), version)).collect::<Vec<_>>();
    assert_eq!(test.store.model_index(10).await.unwrap(), index(&[("a", 1), ("b", 1), ("b", 2), ("b", 3)]));
    assert_eq!(test.store.model_index(3).await.unwrap(), index(&[("a", 1), ("b", 2), ("b", 3)]));
    assert_eq!(test.store.delete_model(models[3].id).await.unwrap(), DeleteModel::Deleted);
    assert_eq!(found("b", None).await, Some(models[2].id), "the newest that is left");
}

async fn lists_filter(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two) = (trained(&test, "a").await, trained(&test, "b").await);
    let ids = async |filter: ModelFilter| -> Vec<ModelId> {
        let models = test.store.models(&filter, &Page::first(10)).await.unwrap();
        models.iter().map(|model| model.id).collect()
    };
    assert_eq!(ids(ModelFilter::default()).await, [two.id, one.id]);
    assert_eq!(ids(ModelFilter { name: Some("a".into()), ..ModelFilter::default() }).await, [one.id]);
    assert_eq!(ids(ModelFilter { job_id: two.job_id, ..ModelFilter::default() }).await, [two.id]);
    assert_eq!(ids(ModelFilter { dataset_id: one.dataset_id, ..ModelFilter::default() }).await, [one.id]);
    let second_page = Page { size: 1, before: Some(two.id.to_string().parse().unwrap()) };
    assert_eq!(test.store.models(&ModelFilter::default(), &second_page).await.unwrap(), [one]);
}

async fn versions_are_distinct_under_concurrency(engine: Engine) {
    const JOBS: u32 = 10;
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let mut leases = Vec::new();
    for _ in 0..JOBS {
        test.enqueue(dataset.id).await;
        leases.push(test.store.claim(LEASE).await.unwrap().unwrap().1);
    }
    let model = test.new_model("fraud").await;
    let finishes = leases.into_iter().map(|lease| {
        let (store, mut model) = (test.store.clone(), model.clone());
        model.id = ModelId::new();
        tokio::spawn(async move { store.finish(&lease, model.into(), &[]).await.unwrap() })
    });
    let mut versions = BTreeSet::new();
    for finish in join_all(finishes).await {
        versions.insert(test.model_of(finish.unwrap()).await.version);
    }
    assert_eq!(versions, (1..=JOBS).collect());
}
