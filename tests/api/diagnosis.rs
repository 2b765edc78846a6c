//! Diagnoses over HTTP: of data, of configurations, of models, of jobs that failed.

use serde_json::{Value, json};

use crate::support::app::{App, Engine};
use crate::support::data;

/// The finding with this code, if there is one.
fn finding<'a>(diagnosis: &'a Value, code: &str) -> Option<&'a Value> {
    diagnosis["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code)
}

#[tokio::test]
async fn a_dataset_is_diagnosed_as_a_job_would_take_it() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let path = format!("/v1/datasets/{}/diagnose", dataset["id"].as_str().unwrap());
    let plain = client.post(&path).send().await.expect_status(200);
    assert_eq!(plain["verdict"], Value::Null);
    assert!(finding(&plain, "imbalance").is_some() && finding(&plain, "double-correction").is_none(), "{plain:#}");
    assert_eq!(plain["baselines"].as_array().unwrap().len(), 3);
    assert!(plain["checks"].as_array().unwrap().len() > 20);
    let asked = json!({
        "resample": [{"method": "random_over_sampler"}], "loss": {"class_weight": {"no": 1.0, "yes": 7.0}}
    });
    let found = client.post(&path).json(&asked).send().await.expect_status(200);
    let double = finding(&found, "double-correction").unwrap();
    assert_eq!((&double["severity"], &double["patch"]), (&json!("warning"), &json!({"loss": {"class_weight": null}})));
    assert!(double["evidence"]["effective_odds"].as_f64().unwrap() > 6.0);

    let wrong = json!({"target": "nothing", "exclude": ["none"], "epochs": 3});
    let problem = client.post(&path).json(&wrong).send().await.expect_problem(422, "invalid-request");
    let pointers: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/target", "/exclude/0", "/epochs"]);
    let text = client.post(&path).header("content-type", "text/plain").body("{}".to_owned());
    text.send().await.expect_problem(415, "unsupported-media-type");
    let nobody = "/v1/datasets/0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e/diagnose";
    client.post(nobody).send().await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_configuration_is_told_what_it_gives_away() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(4_000)).await;
    let asked = json!({"dataset_id": dataset["id"], "training": {"batch_size": 8}});
    let checked = client.post("/v1/jobs/validate").json(&asked).send().await.expect_status(200);
    let batches = finding(&checked, "batches-without-positives").unwrap();
    assert_eq!(batches["patch"], json!({"training": {"batch_size": 32}}));
    let mended = json!({"dataset_id": dataset["id"], "training": {"batch_size": 32}});
    let checked = client.post("/v1/jobs/validate").json(&mended).send().await.expect_status(200);
    assert!(finding(&checked, "batches-without-positives").is_none());
}

#[tokio::test]
async fn models_and_failed_jobs_have_their_diagnosis() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(800)).await;
    let mut job = data::quick();
    job["dataset_id"] = dataset["id"].clone();
    job["threshold"] = json!({"rule": "fixed", "value": 0.999});
    let job = client.finish(&client.queue(&job).await).await;
    let model = job["model_id"].as_str().unwrap();
    let of_model = client.get(&format!("/v1/models/{model}/diagnosis")).send().await;
    let diagnosis = of_model.expect_status(200);
    assert!(finding(&diagnosis, "unsuitable-threshold").is_some(), "{diagnosis:#}");
    assert_ne!(diagnosis["verdict"], "ok");
    let of_job = format!("/v1/jobs/{}/diagnosis", job["id"].as_str().unwrap());
    assert_eq!(client.get(&of_job).send().await.expect_status(200), diagnosis);
    let unchanged = client.get(&of_job).header("if-none-match", &of_model.header("etag")).send().await;
    assert_eq!(unchanged.status, 304);

    // Each step multiplies the weights by 1 - 2 · 10 · 10.
    let diverging = json!({
        "dataset_id": dataset["id"], "optimizer": {"type": "sgd", "learning_rate": 10.0}, "regularization": {"l2": 10.0},
    });
    let job = client.finish(&client.queue(&diverging).await).await;
    assert_eq!((&job["status"], &job["failure"]["code"]), (&json!("failed"), &json!("diverged")), "{job:#}");
    let path = format!("/v1/jobs/{}/diagnosis", job["id"].as_str().unwrap());
    let diagnosis = client.get(&path).send().await.expect_status(200);
    assert_eq!(diagnosis["verdict"], Value::Null);
    assert_eq!(finding(&diagnosis, "diverged").unwrap()["severity"], "error");

    let stopped = client.queue(&data::endless(&dataset)).await;
    let id = stopped["id"].as_str().unwrap();
    client.get(&format!("/v1/jobs/{id}/diagnosis")).send().await.expect_problem(404, "not-found");
    client.post(&format!("/v1/jobs/{id}/cancel")).send().await.expect_status(200);
    client.finish(&stopped).await;
    client.get(&format!("/v1/jobs/{id}/diagnosis")).send().await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn too_many_and_too_large_diagnoses_are_refused() {
    let app = App::with(Engine::Sqlite, &["--max-job-memory-bytes", "60000000"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(20_000)).await;
    let path = format!("/v1/datasets/{}/diagnose", dataset["id"].as_str().unwrap());
    let huge = json!({"model": {"hidden_layers": [4096, 4096]}});
    let problem = client.post(&path).json(&huge).send().await.expect_problem(422, "job-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("60000000"), "{problem:#}");
    let calls = (0..12).map(|_| client.post(&path).send());
    let statuses: Vec<u16> = futures::future::join_all(calls).await.into_iter().map(|reply| reply.status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    client.post(&path).send().await.expect_status(200);
}
