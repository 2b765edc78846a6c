//! Cross-validation, calibration and other prevalences over HTTP.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

fn cross_validated() -> Value {
    let mut job = data::quick();
    job["evaluation"] = json!({"bootstrap": 50, "cross_validation": {"folds": 3}});
    job["calibration"] = json!({"method": "platt", "on": "out_of_fold"});
    job["threshold"] = json!({"rule": "max_mcc", "on": "out_of_fold"});
    job
}

async fn report(client: &Client, model: &Value) -> Value {
    let path = format!("/v1/models/{}/report", model["id"].as_str().unwrap());
    client.get(&path).send().await.expect_status(200)
}

#[tokio::test]
async fn a_job_is_cross_validated_and_says_so_in_phases_and_report() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let mut request = cross_validated();
    request["dataset_id"] = dataset["id"].clone();

    let plain = json!({"dataset_id": dataset["id"], "model": request["model"], "training": request["training"]});
    let estimate = |body: Value| {
        let client = &client;
        async move { client.post("/v1/jobs/validate").json(&body).send().await.expect_status(200)["estimate"].clone() }
    };
    let (alone, folded) = (estimate(plain.clone()).await, estimate(request.clone()).await);
    assert!(folded["memory_bytes"].as_u64() > alone["memory_bytes"].as_u64(), "{folded:#}");
    assert!(folded["multiply_adds"].as_u64() > alone["multiply_adds"].as_u64());

    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let phases: Vec<&str> =
        job["timings"].as_array().unwrap().iter().filter_map(|timing| timing["phase"].as_str()).collect();
    assert!(phases.windows(3).any(|three| three == ["training", "cross_validating", "calibrating"]), "{phases:?}");
    let config = &job["config"]["evaluation"]["cross_validation"];
    assert_eq!((&config["rows"], &config["repeats"]), (&json!("development"), &json!(1)));

    let model = client.get(&format!("/v1/models/{}", job["model_id"].as_str().unwrap())).send().await;
    let report = report(&client, &model.expect_status(200)).await;
    let found = &report["cross_validation"];
    assert_eq!(found["per_fold"].as_array().unwrap().len(), 3);
    // 24 of the 30 positives are not tested.
    assert_eq!((&found["scored_rows"], &found["positives"]), (&json!(192), &json!(24)));
    assert_eq!((&report["calibration"]["on"], &report["calibration"]["rows"]), (&json!("out_of_fold"), &json!(192)));
    assert!(found["pooled"]["recall"]["ci"].is_array() && found["learning_curve"].is_array());
}

#[tokio::test]
async fn what_cannot_be_folded_is_refused_before_it_is_queued() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let request = json!({"dataset_id": dataset["id"], "calibration": {"method": "platt", "on": "out_of_fold"},
        "evaluation": {"cross_validation": {"folds": 21, "repeats": 0, "rows": "all", "k": 5}}});
    let problem = client.post("/v1/jobs/validate").json(&request).send().await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    let of = |name: &str| format!("/evaluation/cross_validation/{name}");
    assert_eq!(found, [of("folds"), of("k"), of("repeats"), of("rows")]);
}

#[tokio::test]
async fn a_request_may_say_how_rare_positives_are_among_its_rows() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let rows = json!([data::row(2.0, 0.5), data::row(0.5, 1.5)]);
    let predicted = |body: Value| {
        let call = client.post(&path).json(&body);
        async move { call.send().await.expect_status(200) }
    };
    let (home, rare) =
        (predicted(json!({ "rows": rows })).await, predicted(json!({"rows": rows, "prevalence": 0.01})).await);
    // One row in eight is positive.
    assert!((home["prevalence"].as_f64().unwrap() - 0.125).abs() < 1e-12);
    assert_eq!((&rare["prevalence"], &rare["threshold"]), (&json!(0.01), &home["threshold"]));
    let odds = |reply: &Value, row: usize| {
        let probability = reply["predictions"][row]["probability"].as_f64().unwrap();
        probability / (1.0 - probability)
    };
    for row in 0..2 {
        let ratio = odds(&rare, row) / odds(&home, row);
        assert!((ratio / ((0.01 / 0.99) / (0.125 / 0.875)) - 1.0).abs() < 1e-9, "{ratio}");
    }
    let csv = "height,width,colour,age\n2.0,0.5,red,31\n0.5,1.5,red,31\n";
    let call = client.post(&format!("{path}?prevalence=0.01")).header("content-type", "text/csv").body(csv);
    assert_eq!(call.send().await.expect_status(200)["predictions"], rare["predictions"]);
    for wrong in [json!(0), json!(1), json!("rare")] {
        let body = json!({"rows": rows, "prevalence": wrong});
        let problem = client.post(&path).json(&body).send().await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), ["/prevalence"]);
    }

    // A job that knows it beforehand answers so without being asked.
    let mut job = data::quick();
    job["calibration"] = json!({"method": "prior", "prevalence": 0.01});
    let model = client.train(&dataset, job).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let deployed = client.post(&path).json(&json!({ "rows": rows })).send().await.expect_status(200);
    assert_eq!(
        (&deployed["prevalence"], &deployed["predictions"][0]["probability"]),
        (&json!(0.01), &rare["predictions"][0]["probability"])
    );
    let report = report(&client, &model).await;
    assert_eq!(report["calibration"]["deployment_prevalence"], 0.01);
    assert!((report["prevalence"].as_f64().unwrap() - 0.125).abs() < 1e-12, "the report stays at home");
}
