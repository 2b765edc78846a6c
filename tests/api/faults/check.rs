//! What must hold after every kill, and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::clients::{note_post, note_upload, predict, send_post, send_upload};
use super::disk::hex;
use super::ledger::{Ledger, Post, Upload, text};
use crate::support::client::Client;
use crate::support::data;
use crate::support::events;

/// How long a server may take to be ready, and the rest of the work to be done.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);
/// Datasets and models whose bytes are looked at after a kill.
const SAMPLE: usize = 6;

/// How much is read in full.
pub(super) enum Depth<'a> {
    Sample(&'a mut ChaCha8Rng),
    All,
}

impl Depth<'_> {
    fn choose<'b, T>(&mut self, all: &'b [T]) -> Vec<&'b T> {
        match self {
            Depth::Sample(rng) => all.choose_multiple(rng, SAMPLE).collect(),
            Depth::All => all.iter().collect(),
        }
    }
}

/// Looks at a server that has just started: it is ready, what it answered is there, and what is there is whole.
pub(super) async fn look(client: &Client, ledger: &Mutex<Ledger>, mut depth: Depth<'_>) {
    let deadline = Instant::now() + PATIENCE;
    while client.get("/readyz").send().await.status != 200 {
        assert!(Instant::now() < deadline, "the server does not become ready");
        tokio::time::sleep(PAUSE).await;
    }
    let datasets = client.list("/v1/datasets", "").await;
    let uploads = ledger.lock().unwrap().uploads.clone();
    let found = match_datasets(&datasets, &uploads);
    for (dataset, upload) in depth.choose(&found) {
        read_dataset(client, dataset, upload.rows).await;
    }
    // Jobs go on ending meanwhile: who had succeeded before has a model, and who has one has succeeded after.
    let before = look_at_jobs(client, ledger).await;
    let models = client.list("/v1/models", "").await;
    let after = look_at_jobs(client, ledger).await;
    let made: BTreeMap<String, String> =
        models.iter().map(|model| (text(&model["job_id"]), text(&model["id"]))).collect();
    assert_eq!(made.len(), models.len(), "a job has two models: {models:#?}");
    assert!(before.iter().all(|(job, model)| after.get(job) == Some(model)), "a model was taken away");
    assert!(before.iter().all(|(job, model)| made.get(job) == Some(model)), "{before:#?} without {made:#?}");
    assert!(made.iter().all(|(job, model)| after.get(job) == Some(model)), "{made:#?} not in {after:#?}");
    for model in depth.choose(&models) {
        load_model(client, ledger, model).await;
    }
}

/// Pairs every dataset with the one upload that it is of. Every upload that was answered has its dataset.
fn match_datasets(datasets: &[Value], uploads: &[Upload]) -> Vec<(Value, Upload)> {
    let by_name: BTreeMap<&str, &Upload> = uploads.iter().map(|upload| (upload.name.as_str(), upload)).collect();
    let mut found: BTreeMap<&str, &Value> = BTreeMap::new();
    for dataset in datasets {
        let name = dataset["name"].as_str().unwrap();
        assert!(by_name.contains_key(name), "nobody uploaded {name}");
        assert_eq!(found.insert(name, dataset), None, "{name} is there twice");
    }
    for upload in uploads {
        if let Some(answer) = &upload.answer {
            assert_eq!(found.get(upload.name.as_str()), Some(&answer), "an answered dataset is there as answered");
        }
    }
    found.into_iter().map(|(name, dataset)| (dataset.clone(), by_name[name].clone())).collect()
}

/// The facts and the bytes of a dataset are those of the file of so many rows.
async fn read_dataset(client: &Client, dataset: &Value, rows: usize) {
    let csv = data::csv(rows);
    let positives = (0..rows).filter(|row| row % 8 == 3).count();
    assert_eq!(dataset["rows"], rows);
    assert_eq!(dataset["class_counts"], json!({"no": rows - positives, "yes": positives}));
    assert_eq!((&dataset["target"], &dataset["positive_label"]), (&json!("outcome"), &json!("yes")));
    assert_eq!(dataset["size_bytes"], csv.len());
    assert_eq!(dataset["sha256"], hex(&Sha256::digest(&csv)));
    assert_eq!(dataset["columns"].as_array().map(Vec::len), Some(5));
    let path = format!("/v1/datasets/{}", text(&dataset["id"]));
    assert_eq!(client.get(&path).send().await.expect_status(200), *dataset);
    let content = client.get(&format!("{path}/content")).send().await;
    assert!(content.status == 200 && content.bytes == csv.as_bytes(), "the content of {path} is another one");
}

/// Holds all jobs against what was known of them; answers those that have succeeded, with their models.
async fn look_at_jobs(client: &Client, ledger: &Mutex<Ledger>) -> BTreeMap<String, String> {
    let jobs = client.list("/v1/jobs", "").await;
    let mut ledger = ledger.lock().unwrap();
    let mut seen = BTreeSet::new();
    let mut succeeded = BTreeMap::new();
    for job in &jobs {
        let seed = job["config"]["seed"].as_u64().unwrap();
        assert!(seen.insert(seed), "a job is there twice: {job:#}");
        let post = ledger.post(seed);
        assert!(post.last.is_some() || post.answer.as_ref().is_none_or(|answer| answer["id"] == job["id"]));
        if let Some(before) = &post.last {
            assert_later(before, job);
        }
        assert_consistent(job);
        post.last = Some(job.clone());
        if job["status"] == "succeeded" {
            succeeded.insert(text(&job["id"]), text(&job["model_id"]));
        }
    }
    let lost: Vec<&Post> = ledger.posts.iter().filter(|post| is_lost(post, &seen)).collect();
    assert!(lost.is_empty(), "jobs that were answered or seen are gone: {:?}", lost[0].body);
    succeeded
}

fn is_lost(post: &Post, seen: &BTreeSet<u64>) -> bool {
    (post.answer.is_some() || post.last.is_some()) && !seen.contains(&post.seed)
}

/// A job only goes forward, and once it has ended it stays as it is.
fn assert_later(before: &Value, after: &Value) {
    if is_over(before) {
        assert_eq!(before, after, "a job changed after its end");
    }
    assert_eq!(before["id"], after["id"]);
    let (told, now) = (before["transitions"].as_array().unwrap(), after["transitions"].as_array().unwrap());
    assert!(now.starts_with(told), "transitions were taken back: {before:#} {after:#}");
    for member in ["attempt", "progress"] {
        assert!(before[member].as_f64() <= after[member].as_f64(), "{member} fell: {before:#} {after:#}");
    }
}

fn assert_consistent(job: &Value) {
    let transitions = job["transitions"].as_array().unwrap();
    assert_eq!(transitions.last().unwrap()["status"], job["status"], "{job:#}");
    let claims = transitions.iter().filter(|transition| transition["status"] == "running").count();
    assert_eq!(job["attempt"], claims, "every claim is an attempt where nothing is given back: {job:#}");
    let ends = transitions.iter().filter(|transition| is_over(transition)).count();
    assert_eq!(ends, usize::from(is_over(job)), "{job:#}");
}

fn is_over(job: &Value) -> bool {
    ["succeeded", "failed", "cancelled"].iter().any(|end| job["status"] == *end)
}

/// A model loads, its artifact is the one it says, and it predicts what it always has.
async fn load_model(client: &Client, ledger: &Mutex<Ledger>, model: &Value) {
    let id = text(&model["id"]);
    let artifact = client.get(&format!("/v1/models/{id}/artifact")).send().await;
    assert_eq!((artifact.status, &model["sha256"]), (200, &json!(hex(&Sha256::digest(&artifact.bytes)))));
    let bits = predict(client, &id).await.unwrap();
    ledger.lock().unwrap().predicted(&id, bits);
}

/// Repeats what has a key and no answer until it has one, and waits until all jobs have ended.
pub(super) async fn settle(client: &Client, ledger: &Mutex<Ledger>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let uploads = ledger.lock().unwrap().uploads.clone();
        let posts = ledger.lock().unwrap().posts.clone();
        let mut open = 0;
        for upload in uploads.iter().filter(|upload| upload.key.is_some() && upload.answer.is_none()) {
            let reply = send_upload(client, upload, 1, Duration::ZERO).await.unwrap();
            note_upload(&mut ledger.lock().unwrap(), upload, &reply);
            open += 1;
        }
        for post in posts.iter().filter(|post| post.key.is_some() && post.answer.is_none()) {
            let reply = send_post(client, post).await.unwrap();
            note_post(&mut ledger.lock().unwrap(), post, &reply);
            open += 1;
        }
        for status in ["queued", "running", "cancelling"] {
            open += client.list("/v1/jobs", &format!("&status={status}")).await.len();
        }
        if open == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{open} requests and jobs do not end");
        tokio::time::sleep(PAUSE).await;
    }
}

/// What must be true of all work when it has ended.
pub(super) async fn judge_the_end(client: &Client, ledger: &Mutex<Ledger>) {
    let posts = ledger.lock().unwrap().posts.clone();
    for post in &posts {
        let Some(job) = &post.last else {
            assert!(post.key.is_none(), "a job with a key was repeated until it was there: {}", post.body);
            continue;
        };
        match job["status"].as_str().unwrap() {
            "succeeded" => assert!(!post.cancel_heard, "a job that was to be cancelled went on: {job:#}"),
            "cancelled" => assert!(post.cancel_asked, "nobody asked to cancel {job:#}"),
            "failed" => {
                assert_eq!(job["failure"]["code"], "worker-lost", "nothing is wrong with {job:#}");
                assert_eq!(job["attempt"], job["max_attempts"], "attempts were left: {job:#}");
            }
            other => panic!("{other} is no end: {job:#}"),
        }
    }
    repeat_some(client, ledger, &posts).await;
    follow_to_the_end(client, ledger).await;
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for model in client.list("/v1/models", "").await {
        versions.entry(text(&model["name"])).or_default().push(model["version"].as_u64().unwrap());
    }
    for (name, mut versions) in versions {
        versions.sort_unstable();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "versions of {name}");
    }
}

/// Requests with a key still get their first answer.
async fn repeat_some(client: &Client, ledger: &Mutex<Ledger>, posts: &[Post]) {
    let uploads = ledger.lock().unwrap().uploads.clone();
    for upload in uploads.iter().filter(|upload| upload.key.is_some()).take(20) {
        let reply = send_upload(client, upload, 1, Duration::ZERO).await.unwrap();
        ledger.lock().unwrap().uploaded(&upload.name, reply.expect_status(201));
    }
    for post in posts.iter().filter(|post| post.key.is_some()) {
        let reply = send_post(client, post).await.unwrap();
        ledger.lock().unwrap().posted(post.seed, reply.expect_status(202));
    }
}

/// What followers were told while servers died is what the job's events are, from the first to the last.
async fn follow_to_the_end(client: &Client, ledger: &Mutex<Ledger>) {
    let followed = ledger.lock().unwrap().events.clone();
    for (job_id, heard) in followed {
        let reply = client.get(&format!("/v1/jobs/{job_id}/events")).send().await;
        let told = events::parse(&reply.bytes);
        assert!(told.starts_with(&heard), "job {job_id}: {heard:#?} is no beginning of {told:#?}");
        assert!(told.iter().zip(1..).all(|(event, id)| event.id == id), "{told:#?}");
        assert!(is_over(&told.last().unwrap().data), "{told:#?}");
    }
}

/// The blobs that a dataset or a model names.
pub(super) async fn blobs_named(client: &Client) -> BTreeSet<String> {
    let datasets = client.list("/v1/datasets", "").await;
    let models = client.list("/v1/models", "").await;
    datasets.iter().chain(&models).map(|named| text(&named["sha256"])).collect()
}
