//! Clients at work: uploading, posting and cancelling jobs, following them, predicting, until the server dies.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::ledger::{Ledger, Post, Upload, text};
use crate::support::client::{Client, Reply};
use crate::support::data;

/// Jobs posted between two kills, so that the workers keep up.
const POSTS_PER_KILL: usize = 4;
/// Rows of the datasets that jobs are posted on, at most.
const TRAINABLE_ROWS: usize = 2_000;
/// Of a job that takes about a second, so that kills find it at work.
const LONG_EPOCHS: usize = 500;
/// Between two looks for something to do.
const PAUSE: Duration = Duration::from_millis(10);

/// One server's life, as its clients see it.
pub(super) struct Site {
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    /// No further request is begun; those under way go on.
    pub(super) stop: AtomicBool,
    /// Uploads that the server had begun to take and never answered.
    pub(super) uploads_cut: AtomicUsize,
}

impl Site {
    pub(super) fn new(client: Client, ledger: Arc<Mutex<Ledger>>) -> Self {
        Self { client, ledger, stop: AtomicBool::new(false), uploads_cut: AtomicUsize::new(0) }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// Works on the ledger, which is never held while a request is under way.
    fn ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.ledger.lock().unwrap())
    }
}

/// Starts all clients of a server.
pub(super) fn start(site: &Arc<Site>, seed: u64) -> Vec<JoinHandle<()>> {
    let rng = |client: u64| ChaCha8Rng::seed_from_u64(seed.wrapping_add(client));
    vec![
        // Some send in one piece; some dawdle, so that the server is often found in the middle.
        tokio::spawn(upload_on(site.clone(), rng(0), 0.0)),
        tokio::spawn(upload_on(site.clone(), rng(1), 0.1)),
        tokio::spawn(upload_on(site.clone(), rng(2), 0.9)),
        tokio::spawn(post_on(site.clone(), rng(3))),
        tokio::spawn(post_again_on(site.clone(), rng(4))),
        tokio::spawn(follow_on(site.clone(), rng(5))),
        tokio::spawn(predict_on(site.clone(), rng(6))),
    ]
}

/// So that there is something to train on from the beginning.
pub(super) async fn upload_the_first(client: &Client, ledger: &Mutex<Ledger>) {
    let upload = ledger.lock().unwrap().new_upload(400, false);
    let reply = send_upload(client, &upload, 1, Duration::ZERO).await.unwrap();
    ledger.lock().unwrap().uploaded(&upload.name, reply.expect_status(201));
}

/// Uploads one file after another, a share of them slowly.
async fn upload_on(site: Arc<Site>, mut rng: ChaCha8Rng, slow: f64) {
    while site.goes_on() {
        let upload = next_upload(&site, &mut rng);
        let (pieces, pause) = if rng.random_bool(slow) { (16, rng.random_range(1..20)) } else { (1, 0) };
        match send_upload(&site.client, &upload, pieces, Duration::from_millis(pause)).await {
            Ok(reply) => site.ledger(|ledger| note_upload(ledger, &upload, &reply)),
            Err(error) => {
                let begun = usize::from(!error.is_connect());
                site.uploads_cut.fetch_add(begun, Ordering::SeqCst);
                return;
            }
        }
    }
}

/// A new upload, or one with a key again, whether it was answered or not.
fn next_upload(site: &Site, rng: &mut ChaCha8Rng) -> Upload {
    site.ledger(|ledger| {
        let repeatable: Vec<&Upload> = ledger.uploads.iter().rev().filter(|upload| upload.key.is_some()).collect();
        let unanswered = repeatable.iter().find(|upload| upload.answer.is_none());
        match (rng.random_range(0..10), unanswered, repeatable.choose(rng)) {
            (0 | 1, Some(&upload), _) | (2, _, Some(&upload)) => upload.clone(),
            _ => {
                let sizes = [120, 240, 240, 400, 400, 1_000, 6_000, 20_000];
                // Now and then one of several parts of 5 MiB.
                let rows = if rng.random_bool(0.03) { 160_000 } else { *sizes.choose(rng).unwrap() };
                ledger.new_upload(rows + rng.random_range(0..80), rng.random_bool(0.5))
            }
        }
    })
}

/// Notes the answer to an upload: made, or made before, or, with a key, still held by a request that is under way or
/// was cut off.
pub(super) fn note_upload(ledger: &mut Ledger, upload: &Upload, reply: &Reply) {
    if upload.key.is_some() && reply.status == 409 {
        reply.expect_problem(409, "idempotency-key-in-use");
    } else {
        ledger.uploaded(&upload.name, reply.expect_status(201));
    }
}

/// Sends an upload in so many pieces, with a pause before each.
pub(super) async fn send_upload(
    client: &Client,
    upload: &Upload,
    pieces: usize,
    pause: Duration,
) -> reqwest::Result<Reply> {
    let csv = data::csv(upload.rows).into_bytes();
    let pieces: Vec<Vec<u8>> = csv.chunks(csv.len().div_ceil(pieces)).map(<[u8]>::to_vec).collect();
    let body = stream::unfold(pieces.into_iter(), move |mut rest| async move {
        tokio::time::sleep(pause).await;
        rest.next().map(|piece| (Ok::<_, Infallible>(piece), rest))
    });
    let call = client.post(&format!("/v1/datasets?name={}", upload.name)).header("content-type", "text/csv");
    let call = match &upload.key {
        Some(key) => call.header("idempotency-key", key),
        None => call,
    };
    call.body(reqwest::Body::wrap_stream(body)).try_send().await
}

async fn post_on(site: Arc<Site>, mut rng: ChaCha8Rng) {
    for _ in 0..POSTS_PER_KILL {
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..250))).await;
        if !site.goes_on() {
            return;
        }
        let post = site.ledger(|ledger| next_post(ledger, &mut rng));
        let Ok(reply) = send_post(&site.client, &post).await else { return };
        site.ledger(|ledger| note_post(ledger, &post, &reply));
        let answer = site.ledger(|ledger| ledger.post(post.seed).answer.clone());
        let Some(job) = answer.filter(|_| rng.random_bool(0.25)) else { continue };
        if cancel(&site, post.seed, &job, &mut rng).await.is_err() {
            return;
        }
    }
}

/// A job on a dataset that is known to be there: a quick one mostly, sometimes one of about a second.
fn next_post(ledger: &mut Ledger, rng: &mut ChaCha8Rng) -> Post {
    let trainable = |upload: &&Upload| upload.answer.is_some() && upload.rows <= TRAINABLE_ROWS;
    let datasets: Vec<&Upload> = ledger.uploads.iter().filter(trainable).collect();
    let dataset = datasets.choose(rng).expect("the first upload").answer.clone().unwrap();
    let mut body = match rng.random_range(0..4) {
        0 => json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}}),
        1 => json!({
            "model": {"type": "mlp", "hidden_layers": [64, 64]},
            "training": {"epochs": LONG_EPOCHS, "batch_size": 16, "early_stopping": null},
            "evaluation": {"bootstrap": 20},
        }),
        _ => data::quick(),
    };
    body["dataset_id"] = dataset["id"].clone();
    body["model_name"] = json!(["red", "green", "blue"].choose(rng));
    body["priority"] = json!(rng.random_range(-5..=5));
    // Kills must not use the attempts up, except of some jobs, of which it is asked that they end rightly.
    body["max_attempts"] = json!(if rng.random_bool(0.1) { 1 } else { 10 });
    ledger.new_post(body, rng.random_bool(0.5))
}

pub(super) async fn send_post(client: &Client, post: &Post) -> reqwest::Result<Reply> {
    let call = client.post("/v1/jobs").json(&post.body);
    let call = match &post.key {
        Some(key) => call.header("idempotency-key", key),
        None => call,
    };
    call.try_send().await
}

async fn cancel(site: &Site, seed: u64, job: &Value, rng: &mut ChaCha8Rng) -> reqwest::Result<()> {
    tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
    site.ledger(|ledger| ledger.post(seed).cancel_asked = true);
    let path = format!("/v1/jobs/{}/cancel", text(&job["id"]));
    let job = site.client.post(&path).try_send().await?.expect_status(200);
    let heard = job["status"] == "cancelling" || job["status"] == "cancelled";
    site.ledger(|ledger| ledger.post(seed).cancel_heard = heard);
    Ok(())
}

/// Posts jobs with keys again, whether they were answered or not.
async fn post_again_on(site: Arc<Site>, mut rng: ChaCha8Rng) {
    while site.goes_on() {
        tokio::time::sleep(PAUSE * 10).await;
        let post = site.ledger(|ledger| {
            let repeatable: Vec<&Post> = ledger.posts.iter().filter(|post| post.key.is_some()).collect();
            let unanswered = repeatable.iter().copied().find(|post| post.answer.is_none());
            unanswered.or_else(|| repeatable.choose(&mut rng).copied()).cloned()
        });
        let Some(post) = post.filter(|_| site.goes_on()) else { continue };
        let Ok(reply) = send_post(&site.client, &post).await else { return };
        site.ledger(|ledger| note_post(ledger, &post, &reply));
    }
}

/// Notes the answer to a job, as for an upload.
pub(super) fn note_post(ledger: &mut Ledger, post: &Post, reply: &Reply) {
    if post.key.is_some() && reply.status == 409 {
        reply.expect_problem(409, "idempotency-key-in-use");
    } else {
        ledger.posted(post.seed, reply.expect_status(202));
    }
}

/// Follows one job after another, each from where its events were left.
async fn follow_on(site: Arc<Site>, mut rng: ChaCha8Rng) {
    while site.goes_on() {
        let Some((job_id, after)) = site.ledger(|ledger| next_followed(ledger, &mut rng)) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(mut stream) = site.client.try_follow(&job_id, after).await else { return };
        loop {
            match stream.try_next().await {
                Ok(Some(event)) => site.ledger(|ledger| ledger.heard(&job_id, event)),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// A job whose last event is not yet known, and the last that is.
fn next_followed(ledger: &Ledger, rng: &mut ChaCha8Rng) -> Option<(String, Option<u64>)> {
    let ended = |status: &Value| ["succeeded", "failed", "cancelled"].iter().any(|end| status == end);
    let jobs = ledger.posts.iter().filter_map(|post| post.answer.as_ref()).map(|job| text(&job["id"]));
    let last = |id: &String| ledger.events.get(id).and_then(|events| events.last());
    let open: Vec<String> = jobs.filter(|id| !last(id).is_some_and(|event| ended(&event.data["status"]))).collect();
    // Mostly one of the newest, which are likely to move.
    let newest = &open[open.len().saturating_sub(4)..];
    newest.choose(rng).map(|id| (id.clone(), last(id).map(|event| event.id)))
}

async fn predict_on(site: Arc<Site>, mut rng: ChaCha8Rng) {
    while site.goes_on() {
        tokio::time::sleep(PAUSE).await;
        let models: Vec<String> = site.ledger(|ledger| ledger.predictions.keys().cloned().collect());
        let Some(model) = models.choose(&mut rng) else { continue };
        let Ok(bits) = predict(&site.client, model).await else { return };
        site.ledger(|ledger| ledger.predicted(model, bits));
    }
}

/// The bits of a model's probabilities of the same few rows.
pub(super) async fn predict(client: &Client, model_id: &str) -> reqwest::Result<Vec<u64>> {
    let rows = json!({"rows": [data::row(2.9, -0.7), data::row(0.3, 1.5), data::row(1.4, 0.4)]});
    let reply = client.post(&format!("/v1/models/{model_id}/predict")).json(&rows).try_send().await?;
    let answer = reply.expect_status(200);
    let predictions = answer["predictions"].as_array().unwrap();
    Ok(predictions.iter().map(|prediction| prediction["probability"].as_f64().unwrap().to_bits()).collect())
}
