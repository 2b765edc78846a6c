//! `POST /v1/jobs/{id}/retry-with`: the same job with some of its configuration changed.

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::places;
use crate::support::data;

#[tokio::test]
async fn a_job_is_tried_again_with_a_patch_on_sqlite() {
    a_job_is_tried_again_with_a_patch(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_job_is_tried_again_with_a_patch_on_postgresql() {
    if postgres_url().is_some() {
        a_job_is_tried_again_with_a_patch(Engine::Postgres).await;
    }
}

async fn a_job_is_tried_again_with_a_patch(engine: Engine) {
    let app = App::with(engine, &[]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let mut request = data::quick();
    (request["dataset_id"], request["max_attempts"]) = (dataset["id"].clone(), json!(2));
    let first = client.finish(&client.queue(&request).await).await;
    let path = format!("/v1/jobs/{}/retry-with", first["id"].as_str().unwrap());

    let patch = json!({"patch": [{"resample": []}, {"loss": {"class_weight": "balanced"}, "training": {"epochs": 5}}]});
    let call = || client.post(&path).header("idempotency-key", "once").json(&patch);
    let reply = call().send().await;
    let queued = reply.expect_status(202);
    assert_eq!(reply.header("location"), format!("/v1/jobs/{}", queued["id"].as_str().unwrap()));
    assert_eq!(call().send().await.expect_status(202), queued, "sent twice, done once");
    assert_eq!((&queued["retry_of"], &queued["max_attempts"]), (&first["id"], &json!(2)));
    let mut expected = first["config"].clone();
    expected["resample"] = json!([]);
    expected["loss"]["class_weight"] = json!("balanced");
    expected["training"]["epochs"] = json!(5);
    assert_eq!(queued["config"], expected, "nothing else has changed");
    let second = client.finish(&queued).await;
    assert_eq!((&second["status"], &second["retry_of"]), (&json!("succeeded"), &first["id"]), "{second:#}");

    let patch = json!({"patch": {"model": {"type": "logistic"}, "training": null}});
    let third = client.post(&path).json(&patch).send().await.expect_status(202);
    assert_eq!(third["config"]["model"]["type"], "logistic");
    assert_eq!((&third["config"]["optimizer"], &third["config"]["training"]), (&Value::Null, &Value::Null));
    assert_eq!(third["config"]["resample"], first["config"]["resample"]);
    assert_eq!(client.finish(&third).await["status"], "succeeded");
    let path = |id: &Value| format!("/v1/jobs/{}/comparison", id.as_str().unwrap());
    let compared = client.get(&path(&second["id"])).send().await.expect_status(200);
    assert_eq!((&compared["baseline"]["job_id"], &compared["candidate"]["job_id"]), (&first["id"], &second["id"]));
    let pointers: Vec<&str> =
        compared["changes"].as_array().unwrap().iter().filter_map(|change| change["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/resample", "/loss/class_weight", "/training/epochs"]);
    let pair = &compared["metrics"]["average_precision"];
    let difference = pair["candidate"].as_f64().unwrap() - pair["baseline"].as_f64().unwrap();
    assert_eq!(pair["difference"].as_f64(), Some(difference));
    let ci: Vec<f64> = pair["ci"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(ci[0] <= ci[1] && compared["confidence"] == 0.95, "{pair}");
    assert_eq!(pair["noise"], json!(ci[0] <= 0.0 && 0.0 <= ci[1]), "{pair}");
    let query = format!("{}?with={}", path(&first["id"]), third["id"].as_str().unwrap());
    let other = client.get(&query).send().await.expect_status(200);
    assert_eq!((&other["baseline"]["job_id"], &other["same_test_rows"]), (&third["id"], &json!(true)));
    let problem = client.get(&path(&first["id"])).send().await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["?with"]);
}

#[tokio::test]
async fn a_job_is_tried_again_with_what_its_diagnosis_asks_for() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(800)).await;
    let request = json!({
        "dataset_id": dataset["id"], "model": {"type": "logistic"}, "evaluation": {"bootstrap": 50},
        "resample": [{"method": "random_over_sampler"}], "loss": {"class_weight": {"no": 1.0, "yes": 7.0}},
    });
    let first = client.finish(&client.queue(&request).await).await;
    let codes = async |job: &Value| -> Vec<String> {
        let path = format!("/v1/jobs/{}/diagnosis", job["id"].as_str().unwrap());
        let diagnosis = client.get(&path).send().await.expect_status(200);
        let findings = diagnosis["findings"].as_array().unwrap().iter();
        findings.filter_map(|finding| finding["code"].as_str().map(str::to_owned)).collect()
    };
    assert!(codes(&first).await.contains(&"double-correction".to_owned()));
    let path = format!("/v1/jobs/{}/retry-with", first["id"].as_str().unwrap());
    let post = async |body: Value| client.post(&path).json(&body).send().await;

    let both = json!({"findings": ["double-correction"], "patch": {"seed": 7}});
    let queued = post(both).await.expect_status(202);
    assert_eq!((&queued["config"]["loss"]["class_weight"], &queued["config"]["seed"]), (&Value::Null, &json!(7)));
    assert_eq!(queued["config"]["resample"], first["config"]["resample"]);
    let second = client.finish(&queued).await;
    assert!(!codes(&second).await.contains(&"double-correction".to_owned()));
    let path = format!("/v1/jobs/{}/comparison", second["id"].as_str().unwrap());
    let compared = client.get(&path).send().await.expect_status(200);
    assert_eq!((&compared["same_test_rows"], &compared["confidence"]), (&json!(false), &Value::Null), "another seed");
    assert_eq!(compared["metrics"]["average_precision"]["ci"], Value::Null);

    // A code that exists, but not among this job's findings, and one that is none.
    let problem = post(json!({"findings": ["duplicate-rows"]})).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/findings"], "{problem:#}");
    let problem = post(json!({"findings": ["bad-luck"]})).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/findings/0"]);
}

#[tokio::test]
async fn a_wrong_patch_makes_no_job() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(160)).await;
    let model = client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let path = format!("/v1/jobs/{}/retry-with", model["job_id"].as_str().unwrap());
    let post = async |body: Value| client.post(&path).json(&body).send().await;
    let wrong = json!({"patch": {"loss": {"class_weight": "huge"}, "modle": {}, "seed": -1}});
    let problem = post(wrong).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/seed", "/loss/class_weight", "/modle"], "{problem:#}");
    let problem = post(json!({"patch": [{}, 7], "codes": []})).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/patch/1", "/codes"]);
    let many = json!({"patch": vec![json!({}); 51]});
    assert_eq!(places(&post(many).await.expect_problem(422, "invalid-request")), ["/patch"]);
    let nothing = "/v1/jobs/01890a5d-ac96-774b-bcce-000000000000/retry-with";
    client.post(nothing).json(&json!({"patch": {}})).send().await.expect_problem(404, "not-found");
    client.delete(&format!("/v1/datasets/{}", dataset["id"].as_str().unwrap())).send().await.expect_status(204);
    let problem = post(json!({"patch": {}})).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/dataset_id"]);
    assert_eq!(client.list("/v1/jobs", "").await.len(), 1);
}
