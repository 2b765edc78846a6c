//! What the service tells of itself: enough to watch it by, and no more than it has words for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{App, Engine};
use crate::support::client::Client;
use crate::support::contract::CONTRACT;
use crate::support::data;
use crate::support::raw::Raw;

const PATIENCE: Duration = Duration::from_secs(60);

/// The samples of a scrape by series, such as `evenkeel_jobs{status="queued"}`.
async fn scrape(client: &Client) -> BTreeMap<String, f64> {
    let reply = client.get("/metrics").send().await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(reply.status, 200);
    samples(&reply.text())
}

/// A scrape once it is as it should be: a request is counted when its answer has been sent, at times a moment after it has come.
async fn scrape_until(client: &Client, wanted: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = scrape(client).await;
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:#?}");
    }
}

fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        })
        .collect()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(120)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    for _ in 0..3 {
        client.post(&path).json(&json!({"rows": vec![data::row(1.0, 1.0); 2]})).send().await.expect_status(200);
    }
    client.post(&path).json(&json!({"rows": 1})).send().await.expect_status(422);
    const ANSWERED: &str = r#"evenkeel_http_requests_total{endpoint="predict",format="json",status="2xx"}"#;
    const REFUSED: &str = r#"evenkeel_http_requests_total{endpoint="predict",format="json",status="4xx"}"#;
    let found = scrape_until(&client, |found| {
        let of = |series: &str| found.get(series).copied();
        (of(ANSWERED), of(REFUSED)) == (Some(3.0), Some(1.0)) && of("evenkeel_http_requests_in_progress") == Some(1.0)
    })
    .await;
    let of = |series: &str| found.get(series).copied().unwrap_or_else(|| panic!("no {series} in {found:#?}"));
    assert_eq!(of(r#"evenkeel_http_requests_total{endpoint="createDataset",format="csv",status="2xx"}"#), 1.0);
    let count = r#"evenkeel_http_request_seconds_count{endpoint="predict",format="json",status="2xx"}"#;
    let sum = r#"evenkeel_http_request_seconds_sum{endpoint="predict",format="json",status="2xx"}"#;
    let all = r#"evenkeel_http_request_seconds_bucket{endpoint="predict",format="json",status="2xx",le="+Inf"}"#;
    assert_eq!((of(count), of(all)), (3.0, 3.0));
    assert!(of(sum) > 0.0 && of(sum) < 60.0);
    assert_eq!(of("evenkeel_rows_predicted_total"), 6.0);
    assert_eq!((of("evenkeel_model_cache_misses_total"), of("evenkeel_model_cache_models")), (1.0, 1.0));
    assert!(of("evenkeel_model_cache_hits_total") >= 2.0 && of("evenkeel_model_cache_bytes") > 0.0);
    let ended = scrape_until(&client, |found| found[r#"evenkeel_jobs{status="succeeded"}"#] == 1.0).await;
    assert_eq!(ended[r#"evenkeel_jobs{status="failed"}"#], 0.0);
    assert_eq!((of("evenkeel_workers"), of("evenkeel_database_up")), (2.0, 1.0));
    assert_eq!(of(&format!(r#"evenkeel_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))), 1.0);
    assert!(of("process_resident_memory_bytes") > 1e6);
}

#[tokio::test]
async fn a_running_job_shows_its_phase_and_a_queued_one_its_age() {
    let app = App::with(Engine::Sqlite, &["--workers", "1"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let running = client.queue(&data::endless(&dataset)).await;
    let mut events = client.follow(running["id"].as_str().unwrap(), None).await;
    events.until(|event| event.data["phase"] == "training").await;
    let waiting = client.queue(&json!({"dataset_id": dataset["id"]})).await;
    // What the database says is trusted for a second.
    let found = scrape_until(&client, |found| found[r#"evenkeel_jobs{status="queued"}"#] == 1.0).await;
    assert_eq!((found[r#"evenkeel_jobs{status="running"}"#], found[r#"evenkeel_jobs{status="queued"}"#]), (1.0, 1.0));
    assert_eq!(found[r#"evenkeel_jobs_running{phase="training"}"#], 1.0);
    assert_eq!(found["evenkeel_workers_busy"], 1.0);
    assert!(found["evenkeel_queue_oldest_seconds"] > 0.0);
    for job in [waiting, running] {
        let path = format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
        client.post(&path).send().await.expect_status(200);
    }
}

/// Whatever clients send: paths, methods, media types, statuses.
#[tokio::test]
async fn hostile_requests_add_no_labels() {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    for number in 0..40 {
        client.get(&format!("/evil/{number}")).send().await.expect_problem(404, "not-found");
        client.get(&format!("/v1/jobs/evil-{number}")).send().await.expect_status(400);
        client.get(&format!("/v1/aliases/evil-{number}")).send().await.expect_status(404);
        client
            .call("put", "/v1/jobs")
            .header("content-type", &format!("evil/{number}"))
            .send()
            .await
            .expect_status(405);
        let call = client.post("/v1/jobs").header("content-type", &format!("application/json-{number}"));
        call.body("{}").send().await.expect_problem(415, "unsupported-media-type");
        let mut raw = Raw::connect(app.address()).await;
        raw.write(&format!("EVIL{number} /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).await;
        assert!(raw.read_until("\r\n\r\n").await.contains(" 405 "));
    }
    let is_count = |series: &str| series.starts_with("evenkeel_http_requests_total{");
    let sent = |found: &BTreeMap<String, f64>| -> f64 {
        let counts = found.iter().filter(|(series, _)| is_count(series) && !series.contains("getMetrics"));
        counts.map(|(_, count)| count).sum()
    };
    let found = scrape_until(&client, |found| sent(found) == 240.0).await;
    let counts = |series: &&String| is_count(series) && !series.contains("getMetrics");
    let series: BTreeSet<&String> = found.keys().filter(counts).collect();
    let expected = [
        r#"evenkeel_http_requests_total{endpoint="createJob",format="other",status="4xx"}"#,
        r#"evenkeel_http_requests_total{endpoint="getAlias",format="none",status="4xx"}"#,
        r#"evenkeel_http_requests_total{endpoint="getJob",format="none",status="4xx"}"#,
        r#"evenkeel_http_requests_total{endpoint="none",format="none",status="4xx"}"#,
        r#"evenkeel_http_requests_total{endpoint="none",format="other",status="4xx"}"#,
    ];
    assert_eq!(series.into_iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(!found.keys().any(|series| series.to_lowercase().contains("evil")), "{found:#?}");
    let endpoints: BTreeSet<&str> = CONTRACT.operations.iter().map(|operation| operation.id.as_str()).collect();
    for line in expected.iter().filter(|line| !line.contains(r#""none",format"#)) {
        assert!(endpoints.iter().any(|id| line.contains(&format!(r#"endpoint="{id}""#))), "{line}");
    }
}

#[tokio::test]
async fn without_the_database_the_rest_is_told() {
    use sqlx::Connection;
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let path = app.data_dir().join("evenkeel.db");
    let mut database = sqlx::sqlite::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query("ALTER TABLE jobs RENAME TO away").execute(&mut database).await.unwrap();
    let found = scrape(&app.client()).await;
    assert_eq!(found["evenkeel_database_up"], 0.0);
    assert!(!found.keys().any(|series| series.starts_with("evenkeel_jobs")), "{found:#?}");
    assert!(found.contains_key("process_resident_memory_bytes"));
}

/// Every metric that the dashboard or its alerts name, and every one that `docs/metrics.md` lists, is there; and the other way round.
#[tokio::test]
async fn dashboard_and_documentation_name_what_there_is() {
    let app = App::start().await;
    let client = app.client();
    client.get("/livez").send().await.expect_status(200);
    let text = client.get("/metrics").send().await.text();
    let there: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dashboard = std::fs::read_to_string(root.join("docker/grafana/dashboard.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().map_or(0, Vec::len) >= 10);
    let named = names(&dashboard);
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(
            there.contains(&name) || base.is_some_and(|base| there.contains(base)),
            "{name} is not there: {there:#?}"
        );
    }
    let documented = names(&std::fs::read_to_string(root.join("docs/metrics.md")).unwrap());
    let differing: Vec<_> = documented.symmetric_difference(&there).collect();
    assert!(differing.is_empty(), "documented or there, but not both: {differing:?}");
}

/// Words that are names of metrics.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_name = |word: &&str| ["evenkeel_", "process_"].iter().any(|prefix| word.starts_with(prefix));
    words.filter(is_name).map(str::to_owned).collect()
}
