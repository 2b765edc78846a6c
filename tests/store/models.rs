//! Models: versions within a name, lists, deletion.

use std::collections::BTreeSet;

use evenkeel::records::{ModelId, ModelRecord};
use evenkeel::store::{DeleteModel, ModelFilter, Page};
use futures::future::join_all;

use crate::support::{Engine, LEASE, TestStore, on_both_engines};

on_both_engines!(versions_are_never_given_twice, lists_filter, versions_are_distinct_under_concurrency);

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

async fn lists_filter(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two) = (trained(&test, "a").await, trained(&test, "b").await);
    let ids = async |filter: ModelFilter| -> Vec<ModelId> {
        let models = test.store.models(&filter, &Page::first(10)).await.unwrap();
        models.iter().map(|model| model.id).collect()
    };
    assert_eq!(ids(ModelFilter::default()).await, [two.id, one.id]);
    assert_eq!(ids(ModelFilter { name: Some("a".into()), ..ModelFilter::default() }).await, [one.id]);
    assert_eq!(ids(ModelFilter { job_id: Some(two.job_id), ..ModelFilter::default() }).await, [two.id]);
    assert_eq!(ids(ModelFilter { dataset_id: Some(one.dataset_id), ..ModelFilter::default() }).await, [one.id]);
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
