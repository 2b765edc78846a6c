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

    let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
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
    let mut request = request(&dataset);
    request["base"] = json!({
        "model": {"hidden_layers": [32, 32]}, "evaluation": {"bootstrap": 0},
        "training": {"epochs": 150, "batch_size": 16, "early_stopping": null},
    });
    let job = client.queue(&request).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.get(&path).send().await.expect_status(200)["checkpoint"].is_null() {
        assert!(Instant::now() < deadline, "no finished fold was written down");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.kill_and_restart();
    let client = app.client();
    let resumed = client.finish(&job).await;
    assert_eq!((&resumed["status"], &resumed["attempt"]), (&json!("succeeded"), &json!(2)), "{resumed:#}");
    let other = client.finish(&client.queue(&request).await).await;
    assert_eq!(table(&client, &resumed).await, table(&client, &other).await);
    let model = async |job: &Value| {
        let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
        client.get(&path).send().await.expect_status(200)["sha256"].clone()
    };
    assert_eq!(model(&resumed).await, model(&other).await, "the same bytes");
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
