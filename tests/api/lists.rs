//! Lists: newest first, page by page, without a gap or a repetition while rows come.

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::Client;
use crate::support::data;

#[tokio::test]
async fn pages_on_sqlite() {
    pages(Engine::Sqlite).await;
}

#[tokio::test]
async fn pages_on_postgresql() {
    if postgres_url().is_some() {
        pages(Engine::Postgres).await;
    }
}

async fn pages(engine: Engine) {
    let app = App::with(engine, &["--workers", "0"]).await;
    let client = app.client();
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(client.upload(&format!("?name=set-{}", number % 2), data::csv(24)).await["id"].clone());
    }
    made.reverse();
    let all = walk(&client, "/v1/datasets?page_size=3", &[3, 3, 1]).await;
    assert_eq!(all, made);
    let even: Vec<Value> = made.iter().step_by(2).cloned().collect();
    assert_eq!(walk(&client, "/v1/datasets?name=set-0&page_size=2", &[2, 2]).await, even);
    let none = client.get("/v1/datasets?name=set").send().await.expect_status(200);
    assert_eq!(none, json!({"items": [], "next_page_token": null}));

    let first = client.get("/v1/datasets?page_size=3").send().await.expect_status(200);
    client.upload("", data::csv(24)).await;
    let token = first["next_page_token"].as_str().unwrap();
    let second = client.get("/v1/datasets?page_size=3").query("page_token", token).send().await.expect_status(200);
    let ids: Vec<&Value> = second["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, [&made[3], &made[4], &made[5]], "what comes in between moves nothing");
}

/// The ids on all pages; each page must have the size stated.
async fn walk(client: &Client, path: &str, sizes: &[usize]) -> Vec<Value> {
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    for (index, &size) in sizes.iter().enumerate() {
        let call = client.get(path);
        let call = if let Some(token) = &token { call.query("page_token", token) } else { call };
        let page = call.send().await.expect_status(200);
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), size, "page {index}");
        ids.extend(items.iter().map(|item| item["id"].clone()));
        token = page["next_page_token"].as_str().map(str::to_owned);
        assert_eq!(token.is_some(), index + 1 < sizes.len(), "page {index}");
    }
    ids
}

#[tokio::test]
async fn jobs_are_filtered() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let one = client.upload("", data::csv(40)).await;
    let other = client.upload("", data::csv(48)).await;
    let of_one = client.queue(&json!({"dataset_id": one["id"]})).await;
    let of_other = client.queue(&json!({"dataset_id": other["id"]})).await;
    client.post(&format!("/v1/jobs/{}/cancel", of_other["id"].as_str().unwrap())).send().await.expect_status(200);
    let by_dataset = format!("dataset_id={}", one["id"].as_str().unwrap());
    for (query, expected) in [
        ("status=queued", vec![&of_one["id"]]),
        ("status=cancelled&type=train", vec![&of_other["id"]]),
        ("status=running", vec![]),
        (by_dataset.as_str(), vec![&of_one["id"]]),
        ("", vec![&of_other["id"], &of_one["id"]]),
    ] {
        let listed = client.get(&format!("/v1/jobs?{query}")).send().await.expect_status(200);
        let ids: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn an_etag_changes_with_the_job() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(40)).await;
    let job = client.queue(&json!({"dataset_id": dataset["id"]})).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let before = client.get(&path).send().await.header("etag");
    assert_eq!(client.get(&path).header("if-none-match", &before).send().await.status, 304);
    assert_eq!(client.get(&path).header("if-none-match", "*").send().await.status, 304);
    assert_eq!(client.get(&path).header("if-none-match", &format!("\"x\", {before}")).send().await.status, 304);
    client.post(&format!("{path}/cancel")).send().await.expect_status(200);
    let after = client.get(&path).header("if-none-match", &before).send().await;
    assert_eq!(after.expect_status(200)["status"], "cancelled");
    assert_ne!(after.header("etag"), before);
}
