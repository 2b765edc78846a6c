//! `Idempotency-Key`: a repetition is harmless.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::app::{App, Engine, postgres_url};
use crate::support::data;
use crate::support::raw::Raw;

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_on_sqlite() {
    a_repeated_request_gets_the_first_answer(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_on_postgresql() {
    if postgres_url().is_some() {
        a_repeated_request_gets_the_first_answer(Engine::Postgres).await;
    }
}

async fn a_repeated_request_gets_the_first_answer(engine: Engine) {
    let mut app = App::with(engine, &["--workers", "0"]).await;
    let upload = |app: &App| {
        let call = app.client().post("/v1/datasets?name=once").header("content-type", "text/csv");
        call.header("idempotency-key", "upload-1").body(data::csv(40)).send()
    };
    let first = upload(&app).await;
    let dataset = first.expect_status(201);
    let second = upload(&app).await;
    assert_eq!(second.expect_status(201), dataset);
    assert_eq!(second.header("location"), first.header("location"));

    let post = |app: &App, priority: i32| {
        let body = json!({"dataset_id": dataset["id"], "priority": priority});
        app.client().post("/v1/jobs").header("idempotency-key", "job-1").json(&body).send()
    };
    let job = post(&app, 1).await.expect_status(202);
    app.restart();
    assert_eq!(post(&app, 1).await.expect_status(202), job, "also after a restart");
    post(&app, 2).await.expect_problem(422, "idempotency-key-reused");
    let client = app.client();
    for (path, count) in [("/v1/datasets", 1), ("/v1/jobs", 1)] {
        let listed = client.get(path).send().await.expect_status(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(count), "{path}");
    }
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(40)).await;
    let post = |body| client.post("/v1/jobs").header("idempotency-key", "k").json(&body).send();
    post(json!({"dataset_id": dataset["id"], "seed": -1})).await.expect_problem(422, "invalid-request");
    post(json!({"dataset_id": dataset["id"], "seed": 1})).await.expect_status(202);
}

#[tokio::test]
async fn the_second_of_two_at_once_is_told_to_wait() {
    let app = App::start().await;
    let mut first = Raw::park_upload(app.address(), "both").await;
    let call = app.client().post("/v1/datasets?name=parked").header("content-type", "text/csv");
    let second = call.header("idempotency-key", "both").body(data::csv(40)).send().await;
    second.expect_problem(409, "idempotency-key-in-use");
    let answer = first.complete_upload().await;
    assert!(answer.contains(" 201 "), "{answer}");
}

/// Longer than the five seconds for which a key is held at a time: while a request is at work, its hold is renewed.
#[tokio::test]
async fn a_slow_request_keeps_its_key() {
    let app = App::start().await;
    let mut first = Raw::park_upload(app.address(), "slow").await;
    let parked = Instant::now();
    while parked.elapsed() < Duration::from_secs(7) {
        let call = app.client().post("/v1/datasets?name=parked").header("content-type", "text/csv");
        let second = call.header("idempotency-key", "slow").body(data::csv(40)).send().await;
        second.expect_problem(409, "idempotency-key-in-use");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answer = first.complete_upload().await;
    assert!(answer.contains(" 201 "), "{answer}");
}

#[tokio::test]
async fn of_many_at_once_one_creates() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(40)).await;
    let body = json!({"dataset_id": dataset["id"]});
    let calls = (0..8).map(|_| client.post("/v1/jobs").header("idempotency-key", "race").json(&body).send());
    for reply in futures::future::join_all(calls).await {
        match reply.status {
            409 => drop(reply.expect_problem(409, "idempotency-key-in-use")),
            _ => drop(reply.expect_status(202)),
        }
    }
    let listed = client.get("/v1/jobs").send().await.expect_status(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_is_short_and_printable() {
    let app = App::start().await;
    for key in ["", " ", &"k".repeat(201)] {
        let call = app.client().post("/v1/jobs").header("idempotency-key", key).json(&json!({}));
        call.send().await.expect_problem(422, "invalid-request");
    }
}
