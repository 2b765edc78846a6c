//! `compare` jobs: several trainings on the same folds, a table, and the model of one of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::{Client, places};
use crate::support::data;

#[tokio::test]
async fn trainings_are_compared_on_sqlite() {
    trainings_are_compared(Engine::Sqlite).await;
}

#[tokio::test]
async fn trainings_are_compared_on_postgresql() {
    if postgres_url().is_some() {
        trainings_are_compared(Engine::Postgres).await;
    }
}

fn request(dataset: &Value) -> Value {
    json!({
        "type": "compare", "dataset_id": dataset["id"], "model_name": "best",
        "base": {"model": {"type": "logistic"}, "evaluation": {"bootstrap": 50}},
        "candidates": [
            {"name": "plain"},
            {"name": "weighted", "train": {"loss": {"class_weight": "balanced"}}},
            {"name": "smote", "train": {"resample": [{"method": "smote"}]}},
        ],
        "cross_validation": {"folds": 3, "repeats": 2},
    })
}

async fn trainings_are_compared(engine: Engine) {
    let app = App::with(engine, &[]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let checked = client.post("/v1/jobs/validate").json(&request(&dataset)).send().await.expect_status(200);
    assert_eq!(checked["config"]["candidates"][1]["train"]["loss"]["class_weight"], "balanced");
    assert_eq!(checked["config"]["metric"], "average_precision");

    let job = client.finish(&client.queue(&request(&dataset)).await).await;
    assert_eq!((&job["status"], &job["progress"]), (&json!("succeeded"), &json!(1.0)), "{job:#}");
    let table = table(&client, &job).await;
    let names: Vec<&str> = table["candidates"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["plain", "weighted", "smote"]);
    assert_eq!((&table["rows"], &table["positives"]), (&json!(320), &json!(40)));
    assert_eq!(table["chosen"], "plain", "the classes are easy to tell apart whatever the remedy: {table:#}");
    let best = table["candidates"].as_array().unwrap().iter().find(|c| c["name"] == table["best"]).unwrap();
    assert_eq!((&best["versus_best"]["difference"], &best["versus_best"]["noise"]), (&json!(0.0), &json!(true)));
    assert!(table["candidates"][0]["metrics"]["average_precision"]["ci"].is_array());

    let picture = format!("/v1/jobs/{}/plots/comparison.svg", job["id"].as_str().unwrap());
    let mut drawn = Vec::new();
    for theme in ["light", "dark", "auto"] {
        let reply = client.get(&format!("{picture}?theme={theme}")).send().await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "image/svg+xml".to_owned()));
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
        let again = client.get(&format!("{picture}?theme={theme}")).header("if-none-match", &reply.header("etag"));
        assert_eq!(again.send().await.status, 304);
        drawn.push(reply.text());
    }
    assert!(drawn[0] != drawn[1] && drawn[2].contains("prefers-color-scheme"));
    for part in ["plain", "weighted", "smote", "320 rows, 40 of them positive", "95 % intervals", "chosen", "best mean"]
    {
        assert!(drawn[0].contains(part), "{part}: {}", drawn[0]);
    }
    let wrong = client.get(&format!("{picture}?theme=pink")).send().await.expect_problem(422, "invalid-request");
    assert_eq!(places(&wrong), ["?theme"]);
    client.get(&picture.replace("comparison.svg", "pie.svg")).send().await.expect_problem(404, "not-found");
    client.get("/v1/jobs/17/plots/comparison.svg").send().await.expect_problem(400, "malformed-request");
    let other =
        client.finish(&client.queue(&json!({"dataset_id": dataset["id"], "model": {"type": "logistic"}})).await).await;
    let none = format!("/v1/jobs/{}/plots/comparison.svg", other["id"].as_str().unwrap());
    client.get(&none).send().await.expect_problem(409, "no-result");

    let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
    let page = client.get(&format!("{path}/report.html")).send().await.text();
    for part in ["What it was chosen from", "best mean", "Difference from the best", "weighted"] {
        assert!(page.contains(part), "{part}");
    }
    let model = client.get(&path).send().await.expect_status(200);
    assert_eq!((&model["name"], &model["job_id"], &model["verdict"]), (&json!("best"), &job["id"], &json!("ok")));
    let report = client.get(&format!("{path}/report")).send().await.expect_status(200);
    assert_eq!((&report["rows"], &report["positives"]), (&json!(80), &json!(10)), "the rows that were set aside");
    assert_eq!(report["threshold"], model["threshold"]["value"]);
    let rows = json!({"rows": [data::row(2.9, -0.7)]});
    let predicted = client.post(&format!("{path}/predict")).json(&rows).send().await.expect_status(200);
    assert_eq!(predicted["predictions"][0]["label"], "yes");
}

/// The table of a comparison without what the clock has measured.
async fn table(client: &Client, job: &Value) -> Value {
    let path = format!("/v1/jobs/{}/result", job["id"].as_str().unwrap());
    let mut table = client.get(&path).send().await.expect_status(200);
    for candidate in table["candidates"].as_array_mut().unwrap() {
        candidate["seconds"] = json!(0);
    }
    table
}

#[tokio::test]
async fn a_comparison_survives_the_death_of_its_worker_on_sqlite() {
    a_comparison_survives_the_death_of_its_worker(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_comparison_survives_the_death_of_its_worker_on_postgresql() {
    if postgres_url().is_some() {
        a_comparison_survives_the_death_of_its_worker(Engine::Postgres).await;
    }
}

async fn a_comparison_survives_the_death_of_its_worker(engine: Engine) {
    let mut app = App::with(engine, &["--lease-seconds", "2"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(1_000)).await;
    let request = lengthy(&dataset, 150);
    let job = client.queue(&request).await;
    wait_for_parts(&client, "finished", 1.0).await;
    app.kill_and_restart();
    let client = app.client();
    assert!(parts(&client, "finished").await >= 1.0, "what is finished outlives the process");
    let resumed = client.finish(&job).await;
    assert_eq!((&resumed["status"], &resumed["attempt"]), (&json!("succeeded"), &json!(2)), "{resumed:#}");
    let other = client.finish(&client.queue(&request).await).await;
    assert_same(&client, &resumed, &other).await;
}

/// A comparison that takes a second or more for each hundred epochs.
fn lengthy(dataset: &Value, epochs: u64) -> Value {
    let mut request = request(dataset);
    request["base"] = json!({
        "model": {"hidden_layers": [32, 32]}, "evaluation": {"bootstrap": 0},
        "training": {"epochs": epochs, "batch_size": 16, "early_stopping": null},
    });
    request
}

/// Parts of all comparisons in this state, by the metrics.
async fn parts(client: &Client, state: &str) -> f64 {
    let text = client.get("/metrics").send().await.text();
    let line = format!("evenkeel_job_parts{{state=\"{state}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).expect("the metric is there")
}

async fn wait_for_parts(client: &Client, state: &str, least: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while parts(client, state).await < least {
        assert!(Instant::now() < deadline, "too few parts are {state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn servers_compare_side_by_side_and_one_may_die_on_sqlite() {
    servers_compare_side_by_side_and_one_may_die(Engine::Sqlite).await;
}

#[tokio::test]
async fn servers_compare_side_by_side_and_one_may_die_on_postgresql() {
    if postgres_url().is_some() {
        servers_compare_side_by_side_and_one_may_die(Engine::Postgres).await;
    }
}

async fn servers_compare_side_by_side_and_one_may_die(engine: Engine) {
    let app = App::with(engine, &["--lease-seconds", "2", "--threads", "1"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(1_000)).await;
    // Long enough for another server to start and look at the queue.
    let request = lengthy(&dataset, 400);
    let job = client.queue(&request).await;
    // One thread of its own server, and one of another.
    wait_for_parts(&client, "running", 1.0).await;
    let beside = app.beside();
    wait_for_parts(&beside.client(), "running", 2.0).await;
    let assisting = beside.client().get("/metrics").send().await.text();
    assert!(assisting.contains("\nevenkeel_workers_assisting 1\n"), "{assisting}");
    drop(beside);
    let shared = client.finish(&job).await;
    assert_eq!((&shared["status"], &shared["attempt"]), (&json!("succeeded"), &json!(1)), "{shared:#}");
    let alone = client.finish(&client.queue(&request).await).await;
    assert_same(&client, &shared, &alone).await;
}

/// Both jobs left the same table and the same bytes.
async fn assert_same(client: &Client, one: &Value, other: &Value) {
    assert_eq!(table(client, one).await, table(client, other).await);
    let model = async |job: &Value| {
        let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
        client.get(&path).send().await.expect_status(200)["sha256"].clone()
    };
    assert_eq!(model(one).await, model(other).await, "the same bytes");
}

#[tokio::test]
async fn the_built_in_candidates_fit_the_data_and_mistakes_are_named() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(160)).await;
    let request = json!({"type": "compare", "dataset_id": dataset["id"], "base": {"model": {"type": "logistic"}}});
    let checked = client.post("/v1/jobs/validate").json(&request).send().await.expect_status(200);
    let names: Vec<&str> =
        checked["config"]["candidates"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    for name in ["plain", "class_weights", "random_over_sampler", "random_under_sampler", "near_miss", "smote_tomek"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let wrong = json!({
        "type": "compare", "dataset_id": dataset["id"], "base": {"split": {"strategy": "column", "column": "colour"}},
        "candidates": [{"name": "a", "train": {"training": {"epochs": 0}}}, {"name": "a"}], "metric": "accuracy",
    });
    let problem = client.post("/v1/jobs").json(&wrong).send().await.expect_problem(422, "invalid-request");
    let found = places(&problem);
    for place in ["/base/split/strategy", "/candidates/0/train/training/epochs", "/metric"] {
        assert!(found.iter().any(|found| found == place), "{place} in {found:?}");
    }
}
