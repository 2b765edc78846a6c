//! Every refusal that a request of its own can cause, with its place in the request. Limits, keys and
//! idempotency have files of their own.

use serde_json::{Value, json};

use crate::support::app::{App, Engine};
use crate::support::client::{Client, places};
use crate::support::data;

const NOTHING: &str = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";

#[tokio::test]
async fn unreadable_requests() {
    let app = App::start().await;
    let client = app.client();
    let post =
        |path: &str, body: &'static str| client.post(path).header("content-type", "application/json").body(body).send();
    for body in ["", "{", "{\"a\": 1,}", "nul", "{\"a\": NaN}", "\u{0}"] {
        post("/v1/jobs", body).await.expect_problem(400, "malformed-json");
        post("/v1/jobs/validate", body).await.expect_problem(400, "malformed-json");
    }
    let call = client.post("/v1/datasets").header("content-type", "text/csv").header("content-encoding", "gzip");
    call.body("this is not gzip").send().await.expect_problem(400, "malformed-request");
    let call = client.post("/v1/datasets").header("content-type", "multipart/form-data; boundary=x");
    call.body("--x\r\nno end").send().await.expect_problem(400, "malformed-request");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let call = client.post("/v1/jobs").header("content-type", "application/json");
    call.body(deep).send().await.expect_problem(400, "malformed-json");
}

#[tokio::test]
async fn members_that_come_twice() {
    let app = App::start().await;
    let client = app.client();
    let post =
        |path: &str, body: &'static str| client.post(path).header("content-type", "application/json").body(body).send();
    let body = r#"{"dataset_id": "x", "training": {"epochs": 1, "epochs": 2}, "seed": 1, "seed": 1}"#;
    for path in ["/v1/jobs", "/v1/jobs/validate"] {
        let problem = post(path, body).await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), ["/training/epochs", "/seed"]);
    }
    let dataset = client.upload("", data::csv(80)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let problem = post(&path, r#"{"rows": [{"age": 1}, {"age": 1, "age": 2}]}"#).await;
    assert_eq!(places(&problem.expect_problem(422, "invalid-request")), ["/rows/1/age"]);
    let call = client.post("/v1/datasets").header("content-type", "application/x-ndjson");
    let problem = call.body("{\"a\": 1, \"y\": 0}\n{\"a\": 1, \"y\": 1, \"a\": 2}\n").send().await;
    assert_eq!(places(&problem.expect_problem(422, "invalid-dataset")), ["2:a"]);
}

#[tokio::test]
async fn unknown_things_paths_and_methods() {
    let app = App::start().await;
    let client = app.client();
    for path in ["datasets", "jobs", "models"] {
        let problem = client.get(&format!("/v1/{path}/{NOTHING}")).send().await.expect_problem(404, "not-found");
        assert!(!problem["detail"].as_str().unwrap().contains(NOTHING), "what was sent is not sent back");
    }
    for path in ["/v1", "/v1/nothing", "/v2/health", "/v1/datasets/", "/../etc/passwd", "/v1/jobs/x/y/z"] {
        client.get(path).send().await.expect_problem(404, "not-found");
    }
    let refused = client.call("put", "/v1/jobs").json(&json!({})).send().await;
    refused.expect_problem(405, "method-not-allowed");
    let allow = refused.header("allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    client.call("patch", &format!("/v1/models/{NOTHING}")).send().await.expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn wrong_parameters_are_all_named() {
    let app = App::start().await;
    let client = app.client();
    let problem = client
        .get("/v1/jobs?page_size=0&status=sleeping&sort=name&dataset_id=7")
        .send()
        .await
        .expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["?dataset_id", "?page_size", "?sort", "?status"]);
    for query in ["page_size=201", "page_size=x", "page_token=forged", "page_size=1&page_size=2"] {
        client.get(&format!("/v1/datasets?{query}")).send().await.expect_problem(422, "invalid-request");
    }
    let call = client.post("/v1/datasets?delimiter=abc&header=perhaps&colour=red&column_types=%7B");
    let problem = call.header("content-type", "text/csv").body(data::csv(20)).send().await;
    let problem = problem.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["?colour", "?column_types", "?delimiter", "?header"]);
}

#[tokio::test]
async fn wrong_media_types() {
    let app = App::start().await;
    let client = app.client();
    let body = json!({"dataset_id": NOTHING}).to_string();
    for media_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        let call = client.post("/v1/jobs").header("content-type", media_type).body(body.clone());
        call.send().await.expect_problem(415, "unsupported-media-type");
        let call = client.post("/v1/datasets").header("content-type", media_type).body(data::csv(20));
        call.send().await.expect_problem(415, "unsupported-media-type");
    }
    client.post("/v1/datasets").body(data::csv(20)).send().await.expect_problem(415, "unsupported-media-type");
    let call = client.post("/v1/datasets").header("content-type", "text/csv").header("content-encoding", "br");
    call.body("x").send().await.expect_problem(415, "unsupported-content-encoding");
}

#[tokio::test]
async fn every_mistake_of_a_job_is_reported_at_once() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let job = json!({
        "dataset_id": dataset["id"], "modle": {}, "seed": -1, "priority": 101, "max_seconds": 0,
        "resample": [{"method": "smote", "k_neighbors": 0}, {"method": "somte"}, {"k_neighbors": 1}],
        "model": {"type": "mlp", "hidden_layers": [0, 9999], "dropout": 1.0, "tolerance": 1},
        "loss": {"class_weight": [1.0, 2.0]},
        "training": {"epochs": "many", "early_stopping": {"patience": 0}},
        "threshold": {"rule": "min_cost"},
    });
    let expected = [
        "/loss/class_weight",
        "/max_seconds",
        "/model/dropout",
        "/model/hidden_layers/0",
        "/model/hidden_layers/1",
        "/model/tolerance",
        "/modle",
        "/priority",
        "/resample/0/k_neighbors",
        "/resample/1/method",
        "/resample/2/method",
        "/seed",
        "/threshold/false_negative",
        "/threshold/false_positive",
        "/training/early_stopping/patience",
        "/training/epochs",
    ];
    for path in ["/v1/jobs", "/v1/jobs/validate"] {
        let problem = client.post(path).json(&job).send().await.expect_problem(422, "invalid-request");
        let mut found = places(&problem);
        found.sort();
        assert_eq!(found, expected, "{problem:#}");
    }
    let problem = client.post("/v1/jobs").json(&json!({"dataset_id": NOTHING})).send().await;
    assert_eq!(places(&problem.expect_problem(422, "invalid-request")), ["/dataset_id"]);
    let none = client.get("/v1/jobs").send().await.expect_status(200);
    assert_eq!(none["items"], json!([]), "nothing was queued");
}

#[tokio::test]
async fn a_target_has_two_classes() {
    let app = App::start().await;
    let client = app.client();
    let upload = |query: &'static str, csv: &'static str| {
        client.post(&format!("/v1/datasets{query}")).header("content-type", "text/csv").body(csv).send()
    };
    let reply = upload("", "x,y\n1,a\n2,b\n3,c\n4,a\n").await;
    let problem = reply.expect_problem(422, "target-not-binary");
    let said = problem["errors"].to_string() + problem["detail"].as_str().unwrap();
    for value in ["a", "b", "c", "2", "1"] {
        assert!(said.contains(value), "{problem:#}");
    }
    upload("", "x,y\n1,a\n2,a\n").await.expect_problem(422, "target-not-binary");
    let problem = upload("?target=z", "x,y\n1,a\n2,b\n").await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["?target"]);
    let problem = upload("?positive_label=c", "x,y\n1,a\n2,b\n").await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["?positive_label"]);
}

#[tokio::test]
async fn a_dataset_that_a_job_needs_stays() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let job = client.queue(&json!({"dataset_id": dataset["id"]})).await;
    client.delete(&path).send().await.expect_problem(409, "dataset-in-use");
    client.get(&path).send().await.expect_status(200);
    let job = client.post(&format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).send().await.expect_status(200);
    assert_eq!(job["status"], "cancelled");
    client.delete(&path).send().await.expect_status(204);
    client.delete(&path).send().await.expect_problem(404, "not-found");
}

/// A blob that is gone is the server's fault; the client learns nothing of where it was.
#[tokio::test]
async fn a_failure_of_the_server_says_nothing_of_the_inside() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    app.lose_blob(dataset["sha256"].as_str().unwrap());
    let reply = client.get(&format!("/v1/datasets/{}/content", dataset["id"].as_str().unwrap())).send().await;
    let problem = reply.expect_problem(500, "internal-error");
    let shown = problem.to_string();
    for inside in [app.data_dir().to_str().unwrap(), dataset["sha256"].as_str().unwrap(), "os error", ".rs"] {
        assert!(!shown.contains(inside), "{shown}");
    }
    let request_id = problem["request_id"].as_str().unwrap();
    app.logged(|line| line.contains(request_id) && line.contains("ERROR"));
}

/// The text of every refusal so far, for tests of what must not be in it.
#[tokio::test]
async fn hostile_names_come_back_nowhere() {
    let app = App::start().await;
    let client = app.client();
    let hostile = "'; DROP TABLE jobs; -- <script>../../etc/passwd";
    let call = client.post("/v1/datasets").query("name", hostile).header("content-type", "text/csv");
    let dataset = call.body(data::csv(40)).send().await.expect_status(201);
    assert_eq!(dataset["name"], hostile, "a name is a name");
    let listed = client.get("/v1/datasets").query("name", hostile).send().await.expect_status(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    still_works(&client, &dataset).await;
}

async fn still_works(client: &Client, dataset: &Value) {
    let listed = client.get("/v1/datasets").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([dataset]));
}
