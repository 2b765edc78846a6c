//! Datasets: what goes in comes out, lists page, and a dataset in use stays.

use evenkeel::records::{DatasetId, DatasetRecord};
use evenkeel::store::{DatasetFilter, DeleteDataset, Enqueue, Page, StoreError};
use uuid::Uuid;

use crate::support::{Engine, LEASE, TestStore, dataset_record, new_job, on_both_engines};

on_both_engines!(
    comes_back_as_it_was,
    lists_page_by_page_newest_first,
    is_kept_while_a_job_needs_it,
    needs_its_blob,
    a_job_needs_a_dataset,
);

async fn comes_back_as_it_was(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    assert_eq!(test.store.dataset(dataset.id).await.unwrap(), Some(dataset));
    assert_eq!(test.store.dataset(DatasetId::new()).await.unwrap(), None);
}

async fn lists_page_by_page_newest_first(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut made = Vec::new();
    for name in ["a", "b", "a", "a", "b"] {
        made.push(DatasetRecord {
            name: name.to_owned(),
            ..dataset_record(&blob(&test).await, test.store.clock().now())
        });
        test.store.insert_dataset(made.last().unwrap(), None).await.unwrap();
    }
    let newest: Vec<DatasetId> = made.iter().rev().map(|dataset| dataset.id).collect();
    assert_eq!(pages(&test, None, 2).await, newest);
    let called_a: Vec<DatasetId> = made.iter().rev().filter(|made| made.name == "a").map(|made| made.id).collect();
    assert_eq!(pages(&test, Some("a"), 2).await, called_a);
    assert_eq!(pages(&test, Some("c"), 2).await, []);
}

/// All ids, read in pages of `size`.
async fn pages(test: &TestStore, name: Option<&str>, size: u32) -> Vec<DatasetId> {
    let filter = DatasetFilter { name: name.map(str::to_owned) };
    let mut page = Page::first(size);
    let mut ids = Vec::new();
    loop {
        let found = test.store.datasets(&filter, &page).await.unwrap();
        assert!(found.len() <= size as usize);
        let Some(last) = found.last() else { return ids };
        page.before = Some(last.id.to_string().parse::<Uuid>().unwrap());
        ids.extend(found.iter().map(|dataset| dataset.id));
    }
}

async fn blob(test: &TestStore) -> String {
    test.store.blobs().put("x".into()).await.unwrap()
}

async fn is_kept_while_a_job_needs_it(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = test.dataset().await;
    let job = test.enqueue(dataset.id).await;
    let in_use = DeleteDataset::InUse { job_id: job.id };
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), in_use);
    let (_, lease) = test.store.claim(LEASE).await.unwrap().unwrap();
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), in_use);
    test.store.request_cancel(job.id).await.unwrap();
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), in_use);
    test.store.cancelled(&lease, &[]).await.unwrap();
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), DeleteDataset::Deleted);
    assert_eq!(test.store.delete_dataset(dataset.id).await.unwrap(), DeleteDataset::NotFound);
    assert_eq!(test.store.dataset(dataset.id).await.unwrap(), None);
    assert_eq!(test.job(job.id).await.dataset_id, dataset.id);
}

async fn needs_its_blob(engine: Engine) {
    let test = TestStore::new(engine).await;
    let dataset = dataset_record(&"0".repeat(64), test.store.clock().now());
    let refused = test.store.insert_dataset(&dataset, None).await;
    assert!(matches!(refused, Err(StoreError::BlobMissing { .. })), "{refused:?}");
    assert_eq!(test.store.dataset(dataset.id).await.unwrap(), None);
}

async fn a_job_needs_a_dataset(engine: Engine) {
    let test = TestStore::new(engine).await;
    let job = new_job(DatasetId::new(), 0);
    assert_eq!(test.store.enqueue(&job, None).await.unwrap(), Enqueue::DatasetGone);
    assert_eq!(test.store.job(job.id).await.unwrap(), None);
}
