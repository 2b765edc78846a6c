//! Short predictions go past the router and its layers. What comes of them is what comes of the usual way.

use axum::http::HeaderMap;
use serde_json::json;

use crate::formats::{CSV, JSON, NDJSON, Rows, Trained, trained};
use crate::support::app::{App, Engine};
use crate::support::client::{Call, Client, Reply};
use crate::support::data;

const NOTHING: &str = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";
/// A page of the same machine may ask, and its requests take the usual way.
const ORIGIN: &str = "http://localhost:3000";

struct Case {
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
}

fn case(path: &str, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>, status: u16) -> Case {
    Case { path: path.to_owned(), headers: headers.to_vec(), body: body.into(), status }
}

fn call(client: &Client, case: &Case) -> Call {
    let call = client.post(&case.path).header("x-request-id", "asked-twice");
    let call = case.headers.iter().fold(call, |call, (name, value)| call.header(name, value));
    call.body(case.body.clone())
}

/// All of an answer that does not depend on the time.
fn told(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers: &HeaderMap = &reply.headers;
    let mut headers: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (reply.status, headers, reply.bytes.clone())
}

async fn check(client: &Client, cases: &[Case]) {
    for case in cases {
        let short = call(client, case).send().await;
        let usual = call(client, case).header("origin", ORIGIN).send().await;
        let shown = format!("{} {:?} {}", case.path, case.headers, String::from_utf8_lossy(&case.body));
        assert_eq!(short.status, case.status, "{shown}: {}", String::from_utf8_lossy(&short.bytes));
        assert_eq!(told(&short), told(&usual), "{shown}");
        assert_eq!(short.header("x-request-id"), "asked-twice");
    }
}

#[tokio::test]
async fn answers_are_the_same_by_either_way() {
    let Trained { client, path, model, app: _app } = trained(&["--max-body-bytes", "20000"]).await;
    let alias = json!({"model_id": model["id"]});
    client.call("put", "/v1/aliases/champion").json(&alias).send().await.expect_status(201);
    let (one, many) = (Rows::new(1), Rows::new(80));
    let by_alias = "/v1/aliases/champion/predict".to_owned();
    let mut cases = vec![
        case(&format!("/v1/models/{NOTHING}/predict"), &[("content-type", JSON)], one.body(JSON), 404),
        case("/v1/aliases/nobody/predict", &[("content-type", JSON)], one.body(JSON), 404),
        case(&by_alias, &[("content-type", JSON), ("evenkeel-request-key", "a b")], one.body(JSON), 422),
    ];
    for path in [&path, &by_alias] {
        cases.extend([
            case(path, &[("content-type", JSON)], one.body(JSON), 200),
            case(path, &[("content-type", JSON)], many.body(JSON), 200),
            case(path, &[("content-type", JSON), ("accept-encoding", "gzip")], one.body(JSON), 200),
            case(path, &[("content-type", JSON), ("accept-encoding", "zstd, gzip")], many.body(JSON), 200),
            case(path, &[("content-type", JSON), ("accept-encoding", "gzip;q=0")], many.body(JSON), 200),
            case(path, &[("content-type", JSON), ("accept-encoding", "identity;q=0")], one.body(JSON), 400),
            case(path, &[("content-type", CSV)], many.body(CSV), 200),
            case(path, &[("content-type", NDJSON)], many.body(NDJSON), 200),
            case(path, &[("content-type", JSON), ("accept", CSV)], many.body(JSON), 200),
            case(path, &[("content-type", JSON), ("accept", "image/png")], one.body(JSON), 406),
            case(path, &[("content-type", "text/plain")], "x", 415),
            case(path, &[("content-type", JSON)], "{", 400),
            case(path, &[("content-type", JSON)], r#"{"rows": [{"height": "tall"}]}"#, 422),
            case(path, &[("content-type", JSON)], Rows::new(900).body(JSON), 413),
            case(path, &[("content-type", JSON), ("host", "evil.example")], one.body(JSON), 403),
            case(&format!("{path}?nonsense=1"), &[("content-type", JSON)], one.body(JSON), 422),
            case(&format!("{path}?explain=true"), &[("content-type", JSON)], one.body(JSON), 200),
        ]);
    }
    check(&client, &cases).await;
}

#[tokio::test]
async fn keys_are_asked_for_by_either_way() {
    let app = App::with(Engine::Sqlite, &["--require-keys"]).await;
    let trainer = app.client_with(&app.create_key("read,predict,train"));
    let dataset = trainer.upload("", data::csv(120)).await;
    let model = trainer.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let keys = [(app.create_key("predict"), 200), (app.create_key("read"), 403), ("ek_1_2".to_owned(), 401)];
    for (key, status) in keys {
        let case = case(&path, &[("content-type", JSON)], Rows::new(1).body(JSON), status);
        check(&app.client_with(&key), &[case]).await;
    }
}

#[tokio::test]
async fn both_ways_are_counted_as_one_operation() {
    let Trained { client, path, app: _app, .. } = trained(&[]).await;
    let case = case(&path, &[("content-type", JSON)], Rows::new(1).body(JSON), 200);
    check(&client, &[case]).await;
    let counted = r#"evenkeel_http_requests_total{endpoint="predict",format="json",status="2xx"} 2"#;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !client.get("/metrics").send().await.text().lines().any(|line| line == counted) {
        assert!(std::time::Instant::now() < deadline, "not counted: {counted}");
    }
}
