//! Jobs in motion: cancelling, priorities, crashes, failures, versions, the same bytes again.

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::Client;
use crate::support::data;

#[tokio::test]
async fn a_running_job_stops_when_it_is_cancelled() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(2_000)).await;
    let job = client.queue(&data::endless(&dataset)).await;
    let id = job["id"].as_str().unwrap();
    let mut events = client.follow(id, None).await;
    events.until(|event| event.kind == "status" && event.data["status"] == "running").await;
    let cancelling = client.post(&format!("/v1/jobs/{id}/cancel")).send().await.expect_status(200);
    assert!(["cancelling", "cancelled"].contains(&cancelling["status"].as_str().unwrap()));
    events.until(|event| event.kind == "status" && event.data["status"] == "cancelled").await;
    assert_eq!(events.next().await, None, "nothing follows the end");
    let job = client.get(&format!("/v1/jobs/{id}")).send().await.expect_status(200);
    assert_eq!((&job["status"], &job["model_id"], &job["failure"]), (&json!("cancelled"), &Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_higher_priority_goes_first() {
    let mut app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let mut ids = Vec::new();
    for priority in [0, -5, 10, 0] {
        let mut job = data::quick();
        job["dataset_id"] = dataset["id"].clone();
        job["priority"] = json!(priority);
        ids.push(client.queue(&job).await["id"].clone());
    }
    app.restart_with_workers(1);
    let client = app.client();
    let mut started = Vec::new();
    for id in &ids {
        let job = client.finish(&json!({"id": id})).await;
        assert_eq!(job["status"], "succeeded", "{job:#}");
        started.push((job["started_at"].as_str().unwrap().to_owned(), id.clone()));
    }
    started.sort_by(|one, other| one.0.cmp(&other.0));
    let order: Vec<&Value> = started.iter().map(|(_, id)| id).collect();
    assert_eq!(order, [&ids[2], &ids[0], &ids[3], &ids[1]]);
}

#[tokio::test]
async fn a_job_survives_the_death_of_its_worker_on_sqlite() {
    a_job_survives_the_death_of_its_worker(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_job_survives_the_death_of_its_worker_on_postgresql() {
    if postgres_url().is_some() {
        a_job_survives_the_death_of_its_worker(Engine::Postgres).await;
    }
}

async fn a_job_survives_the_death_of_its_worker(engine: Engine) {
    let mut app = App::with(engine, &["--lease-seconds", "2"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(2_000)).await;
    let mut request = data::endless(&dataset);
    request["training"] = json!({"epochs": 30, "batch_size": 32, "early_stopping": null});
    request["evaluation"] = json!({"bootstrap": 0});
    let job = client.queue(&request).await;
    let mut events = client.follow(job["id"].as_str().unwrap(), None).await;
    events.until(|event| event.kind == "epoch").await;
    app.kill_and_restart();
    let job = app.client().finish(&job).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job:#}");
}

#[tokio::test]
async fn an_orderly_stop_gives_the_job_back_without_using_an_attempt() {
    let mut app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(2_000)).await;
    let job = client.queue(&data::endless(&dataset)).await;
    let id = job["id"].as_str().unwrap().to_owned();
    client.follow(&id, None).await.until(|event| event.kind == "epoch").await;
    app.restart_with_workers(0);
    let job = app.client().get(&format!("/v1/jobs/{id}")).send().await.expect_status(200);
    assert_eq!((&job["status"], &job["attempt"]), (&json!("queued"), &json!(0)), "{job:#}");
}

#[tokio::test]
async fn a_job_that_takes_too_long_fails_as_such() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(2_000)).await;
    let mut request = data::endless(&dataset);
    request["max_seconds"] = json!(1);
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["failure"]["code"], "out-of-time", "{job:#}");
}

#[tokio::test]
async fn versions_count_up_and_are_never_given_twice() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("?name=counted", data::csv(80)).await;
    let mut versions = Vec::new();
    for _ in 0..2 {
        versions.push(client.train(&dataset, data::quick()).await);
    }
    let last = format!("/v1/models/{}", versions[1]["id"].as_str().unwrap());
    client.delete(&last).send().await.expect_status(204);
    versions.push(client.train(&dataset, data::quick()).await);
    let numbers: Vec<&Value> = versions.iter().map(|model| &model["version"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(2), &json!(3)]);
}

#[tokio::test]
async fn the_same_job_gives_the_same_bytes() {
    let one = App::with(Engine::Sqlite, &["--threads", "1"]).await;
    let two = App::with(Engine::Sqlite, &["--threads", "2"]).await;
    let mut hashes = Vec::new();
    for app in [&one, &two] {
        let client = app.client();
        let dataset = client.upload("", data::csv(400)).await;
        hashes.push(client.train(&dataset, data::quick()).await["sha256"].clone());
        hashes.push(client.train(&dataset, data::quick()).await["sha256"].clone());
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    let mut other = data::quick();
    other["seed"] = json!(43);
    let client = one.client();
    let dataset = client.upload("", data::csv(400)).await;
    assert_ne!(client.train(&dataset, other).await["sha256"], hashes[0], "another seed gives another model");
}

/// All but those with a job of their own below.
const METHODS: [&str; 24] = [
    "random_over_sampler",
    "smote",
    "smotenc",
    "borderline_smote",
    "svm_smote",
    "kmeans_smote",
    "adasyn",
    "smote_tomek",
    "smoteenn",
    "polynom_fit_smote",
    "prowsyn",
    "geometric_smote",
    "mixup",
    "gaussian_noise",
    "random_under_sampler",
    "cluster_centroids",
    "instance_hardness_threshold",
    "tomek_links",
    "edited_nearest_neighbours",
    "repeated_edited_nearest_neighbours",
    "all_knn",
    "condensed_nearest_neighbour",
    "one_sided_selection",
    "neighbourhood_cleaning_rule",
];

#[tokio::test]
async fn every_method_trains() {
    let app = App::start().await;
    let client = app.client();
    // A column that steers a split has a value in every row.
    let dataset = client.upload("", data::csv(240).replace(",,", ",25,")).await;
    let quick = json!({"epochs": 3});
    let mut jobs: Vec<Value> = METHODS.iter().map(|method| json!({"resample": [{"method": method}]})).collect();
    jobs.extend([1, 2, 3].map(|version| json!({"resample": [{"method": "near_miss", "version": version}]})));
    jobs.push(json!({"resample": [{"method": "smoten"}], "exclude": ["height", "width", "age"]}));
    jobs.push(json!({"resample": [{"method": "smotenc", "keep_integers": true}]}));
    jobs.extend(
        ["standard", "robust", "min_max", "none"].map(|name| json!({"preprocess": {"numeric": {"scale": name}}})),
    );
    jobs.push(json!({"augment": [{"method": "gaussian_noise", "classes": "all"}]}));
    jobs.push(json!({"loss": {"class_weight": "balanced"}, "regularization": {"l1": 0.001, "l2": 0.001}}));
    jobs.push(
        json!({"loss": {"class_weight": {"yes": 7, "no": 1}}, "threshold": {"rule": "alert_rate", "fraction": 0.2}}),
    );
    jobs.push(json!({"split": {"strategy": "time", "column": "age"}, "threshold": {"rule": "max_mcc"}}));
    jobs.push(json!({"split": {"strategy": "group", "column": "age"}, "threshold": {"rule": "fixed", "value": 0.3}}));
    for job in jobs.iter_mut() {
        job["training"] = quick.clone();
    }
    jobs.push(
        json!({"model": {"type": "logistic"}, "regularization": {"l1": 0.01}, "calibration": {"method": "none"}}),
    );
    jobs.push(json!({
        "model": {"type": "logistic"},
        "regularization": {"strength": "auto", "l1": 0.5},
        "resample": [{"method": "random_over_sampler"}]
    }));
    for mut job in jobs {
        job["evaluation"] = json!({"bootstrap": 0});
        let model = client.train(&dataset, job.clone()).await;
        check_report(&client, &model, &job).await;
    }
}

async fn check_report(client: &Client, model: &Value, job: &Value) {
    let path = format!("/v1/models/{}/report", model["id"].as_str().unwrap());
    let report = client.get(&path).send().await.expect_status(200);
    let rows: u64 = ["tp", "fp", "fn", "tn"].iter().filter_map(|cell| report["confusion_matrix"][cell].as_u64()).sum();
    assert_eq!(report["rows"], rows, "{job}");
    assert_eq!(report["metrics"]["roc_auc"]["ci"], Value::Null, "no bootstrap, no interval: {job}");
    let searched = job["regularization"]["strength"] == "auto";
    let path = report["strength_search"]["path"].as_array();
    assert_eq!(path.map(Vec::len), searched.then_some(20), "{job}");
}
