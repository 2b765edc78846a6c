//! `resample` jobs: a dataset becomes another one in which every row says where it comes from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::{Client, places};
use crate::support::data;

#[tokio::test]
async fn a_dataset_is_resampled_on_sqlite() {
    a_dataset_is_resampled(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_dataset_is_resampled_on_postgresql() {
    if postgres_url().is_some() {
        a_dataset_is_resampled(Engine::Postgres).await;
    }
}

async fn a_dataset_is_resampled(engine: Engine) {
    let app = App::with(engine, &[]).await;
    let client = app.client();
    let dataset = client.upload("?name=shapes", data::csv(400)).await;
    let request = json!({
        "type": "resample", "dataset_id": dataset["id"], "name": "balanced shapes", "format": "csv",
        "resample": [{"method": "smote"}, {"method": "tomek_links"}], "keep_removed": true,
        "preprocess": {"numeric": {"impute": "median", "scale": "standard"}},
    });
    let checked = client.post("/v1/jobs/validate").json(&request).send().await.expect_status(200);
    assert_eq!(checked["config"]["origin_column"], "origin");
    assert_eq!(checked["estimate"]["rows_train"], 700);

    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!((&job["status"], &job["type"]), (&json!("succeeded"), &json!("resample")), "{job:#}");
    assert_eq!((&job["model_id"], &job["result"], &job["progress"]), (&Value::Null, &Value::Null, &json!(1.0)));
    assert_eq!(job["config"], checked["config"]);
    let phases: Vec<&str> = job["timings"].as_array().unwrap().iter().filter_map(|t| t["phase"].as_str()).collect();
    assert_eq!(phases, ["loading", "resampling", "writing", "storing"]);
    let listed = client.get("/v1/jobs?type=resample").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([job]));

    let path = format!("/v1/datasets/{}", job["result_dataset_id"].as_str().unwrap());
    let made = client.get(&path).send().await.expect_status(200);
    assert_eq!((&made["name"], &made["target"]), (&json!("balanced shapes"), &json!("outcome")));
    let names: Vec<&str> = made["columns"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    let origins = ["origin", "origin_row", "origin_other_row", "origin_step", "origin_method", "origin_reason"];
    assert_eq!(names[..5], ["height", "width", "colour", "age", "outcome"]);
    assert_eq!((&names[5..], &made["origin_columns"]), (&origins[..], &json!(origins)));
    assert_eq!(made["columns"][3]["missing"], 0, "missing numbers were imputed");

    let text = client.get(&format!("{path}/content")).send().await.text();
    check_rows(&text, &data::csv(400), &made);
    trains_without_the_origins(&client, &made).await;
}

/// Every row of the new dataset, held against the one that it says it comes from.
fn check_rows(new: &str, old: &str, made: &Value) {
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<String>>();
    let old: Vec<Vec<String>> = old.lines().skip(1).map(cells).collect();
    let mut kinds = BTreeMap::new();
    for row in new.lines().skip(1).map(cells) {
        *kinds.entry(row[5].clone()).or_insert(0_u64) += 1;
        let number = |cell: &str| cell.parse::<f64>().unwrap();
        let source = |cell: &str| &old[cell.parse::<usize>().unwrap() - 1];
        let from = source(&row[6]);
        assert_eq!(row[4], from[4], "a row keeps its class, and a synthetic one has that of its parents");
        match row[5].as_str() {
            "kept" => {
                assert_eq!((number(&row[0]), &row[2], row[8].as_str()), (number(&from[0]), &from[2], ""));
            }
            "synthetic" => {
                let other = source(&row[7]);
                let (one, two) = (number(&from[0]), number(&other[0]));
                let height = number(&row[0]);
                assert!(one.min(two) - 1e-9 <= height && height <= one.max(two) + 1e-9, "{row:?}");
                assert!([&from[2], &other[2]].contains(&&row[2]), "a category is one of its parents': {row:?}");
                assert_eq!((row[8].as_str(), row[9].as_str()), ("0", "smote"));
            }
            "removed" => {
                assert_eq!((number(&row[0]), row[10].as_str()), (number(&from[0]), "tomek_link"));
                assert_eq!((row[8].as_str(), row[9].as_str()), ("1", "tomek_links"));
            }
            other => panic!("an unknown origin {other:?}"),
        }
    }
    assert_eq!(kinds["synthetic"], 300);
    assert_eq!(kinds["kept"] + kinds.get("removed").copied().unwrap_or(0), 400);
    assert_eq!(made["rows"], kinds.values().sum::<u64>());
    assert_eq!(made["class_counts"]["yes"], 350);
}

/// What says where a row comes from would give its class away.
async fn trains_without_the_origins(client: &Client, made: &Value) {
    let model = client.train(made, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let features: Vec<&str> =
        model["features"].as_array().unwrap().iter().filter_map(|feature| feature["name"].as_str()).collect();
    assert_eq!(features, ["height", "width", "colour", "age"]);
}

#[tokio::test]
async fn what_cannot_be_measured_is_said() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let steps = json!([{"method": "smote"}]);
    let request = json!({"type": "resample", "dataset_id": dataset["id"], "resample": steps});
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!((&job["status"], &job["failure"]["code"]), (&json!("failed"), &json!("invalid-data")), "{job:#}");
    let detail = job["failure"]["detail"].as_str().unwrap();
    assert!(detail.contains("\"age\" (8)") && detail.contains("preprocess.numeric.impute"), "{detail}");
    assert_eq!(job["result_dataset_id"], Value::Null);

    let mut without = request.clone();
    without["exclude"] = json!(["age"]);
    let job = client.finish(&client.queue(&without).await).await;
    let path = format!("/v1/datasets/{}", job["result_dataset_id"].as_str().unwrap());
    let made = client.get(&path).send().await.expect_status(200);
    assert_eq!(made["format"], json!({"type": "parquet"}));
    assert_eq!(made["columns"].as_array().unwrap().len(), 4 + 5);
    let again = json!({"type": "resample", "dataset_id": made["id"], "resample": steps});
    let job = client.finish(&client.queue(&again).await).await;
    let path = format!("/v1/datasets/{}", job["result_dataset_id"].as_str().unwrap());
    let second = client.get(&path).send().await.expect_status(200);
    assert_eq!(second["columns"].as_array().unwrap().len(), 4 + 5, "the old origins are gone, the new ones are there");
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let request = json!({
        "type": "resample", "dataset_id": dataset["id"], "name": " x", "resample": [], "target": "nothing",
        "preprocess": {"numeric": {"impute": "constant", "scale": 3}}, "keep_removed": "yes", "format": "xls",
        "model": {"type": "mlp"}, "origin_column": "colour",
    });
    let problem = client.post("/v1/jobs/validate").json(&request).send().await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    let expected = [
        "/format",
        "/keep_removed",
        "/model",
        "/name",
        "/origin_column",
        "/preprocess/numeric/impute",
        "/preprocess/numeric/scale",
        "/resample",
        "/target",
    ];
    assert_eq!(found, expected, "{problem:#}");
}

#[tokio::test]
async fn too_large_a_result_is_refused_before_it_starts() {
    let app = App::with(Engine::Sqlite, &["--max-job-memory-bytes", "17000000"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(4_000)).await;
    let request = json!({
        "type": "resample", "dataset_id": dataset["id"], "resample": [{"method": "random_over_sampler"}],
    });
    let problem = client.post("/v1/jobs").json(&request).send().await.expect_problem(422, "job-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("7000"), "{problem:#}");
}
