//! `evaluate` and `predict` jobs: a model on all rows of a dataset.

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::{Client, places};
use crate::support::data;

#[tokio::test]
async fn a_model_scores_a_dataset_on_sqlite() {
    a_model_scores_a_dataset(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_model_scores_a_dataset_on_postgresql() {
    if postgres_url().is_some() {
        a_model_scores_a_dataset(Engine::Postgres).await;
    }
}

async fn a_model_scores_a_dataset(engine: Engine) {
    let mut app = App::with(engine, &[]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let model = client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let other = client.upload("?name=later", data::csv(160)).await;
    let probabilities = predict_everything(&client, &model, &other).await;
    let report = evaluate(&client, &model, &other, false).await;
    let threshold = model["threshold"]["value"].as_f64().unwrap();
    let positive = probabilities.iter().filter(|&&probability| probability >= threshold).count();
    let cell = |name: &str| report["confusion_matrix"][name].as_u64().unwrap() as usize;
    assert_eq!((cell("tp") + cell("fp"), cell("tp") + cell("fn")), (positive, 20));
    assert_eq!((&report["computed_on"], &report["rows"]), (&json!("dataset"), &json!(160)));
    evaluate(&client, &model, &dataset, true).await;

    app.kill_and_restart();
    let client = app.client();
    assert_eq!(probabilities, predict_everything(&client, &model, &other).await, "the same file again");
}

/// One job per format; they agree with each other and with predictions asked for one by one.
async fn predict_everything(client: &Client, model: &Value, dataset: &Value) -> Vec<f64> {
    let request = json!({
        "type": "predict", "dataset_id": dataset["id"], "model_id": model["id"], "columns": ["outcome", "height"],
    });
    let checked = client.post("/v1/jobs/validate").json(&request).send().await.expect_status(200);
    assert_eq!((&checked["config"]["format"], &checked["config"]["threshold"]), (&json!("csv"), &Value::Null));
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!((&job["status"], &job["result"]["rows"]), (&json!("succeeded"), &json!(160)), "{job:#}");
    let path = format!("/v1/jobs/{}/result", job["id"].as_str().unwrap());
    let reply = client.get(&path).send().await;
    let text = reply.text();
    assert_eq!(text.lines().next(), Some("outcome,height,label,probability"));
    assert_eq!(job["result"]["size_bytes"], text.len());
    let unchanged = client.get(&path).header("if-none-match", &reply.header("etag")).send().await;
    assert_eq!(unchanged.status, 304);
    let probability = |line: &str| line.rsplit(',').next().unwrap().parse::<f64>().unwrap();
    let probabilities: Vec<f64> = text.lines().skip(1).map(probability).collect();

    let mut ndjson = request.clone();
    ndjson["format"] = json!("ndjson");
    let job = client.finish(&client.queue(&ndjson).await).await;
    let path = format!("/v1/jobs/{}/result", job["id"].as_str().unwrap());
    let lines = client.get(&path).send().await.text();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["probability"].as_f64().unwrap()).collect::<Vec<_>>(), probabilities);

    let content = client.get(&format!("/v1/datasets/{}/content", dataset["id"].as_str().unwrap())).send().await;
    let call = client.post(&format!("/v1/models/{}/predict", model["id"].as_str().unwrap()));
    let asked = call.header("content-type", "text/csv").body(content.text()).send().await.expect_status(200);
    let asked: Vec<f64> =
        asked["predictions"].as_array().unwrap().iter().map(|p| p["probability"].as_f64().unwrap()).collect();
    assert_eq!(asked, probabilities);
    probabilities
}

async fn evaluate(client: &Client, model: &Value, dataset: &Value, same: bool) -> Value {
    let request = json!({
        "type": "evaluate", "dataset_id": dataset["id"], "model_id": model["id"], "evaluation": {"bootstrap": 50},
    });
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!((&job["status"], &job["model_id"]), (&json!("succeeded"), &Value::Null), "{job:#}");
    let path = format!("/v1/jobs/{}/result", job["id"].as_str().unwrap());
    let result = client.get(&path).send().await.expect_status(200);
    assert_eq!((&result["model_id"], &result["dataset_id"]), (&model["id"], &dataset["id"]));
    assert_eq!((&result["trained_on_this_dataset"], &result["verdict"]), (&json!(same), &json!("ok")));
    assert!(result["report"]["metrics"]["average_precision"]["ci"].is_array(), "{result:#}");
    result["report"].clone()
}

#[tokio::test]
async fn what_does_not_fit_is_said_before_the_job() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(160)).await;
    let model = client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let narrow = client.upload("", "height,width,outcome\n1,x,a\n2,y,b\n3,x,a\n").await;
    let request = json!({
        "type": "evaluate", "dataset_id": narrow["id"], "model_id": model["id"], "threshold": 2,
        "evaluation": {"bootstrap": -1, "folds": 5},
    });
    let problem = client.post("/v1/jobs").json(&request).send().await.expect_problem(422, "invalid-request");
    let expected = ["/dataset_id", "/dataset_id", "/threshold", "/evaluation/bootstrap", "/evaluation/folds"];
    assert_eq!(places(&problem), expected, "{problem:#}");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("\"width\" is categorical, not numeric") && detail.contains("\"age\" is not there"));
    let request = json!({
        "type": "predict", "dataset_id": dataset["id"], "model_id": dataset["id"],
        "columns": ["height", "height", "label", "nothing", 7], "format": "xml", "seed": 1,
    });
    let problem = client.post("/v1/jobs").json(&request).send().await.expect_problem(422, "invalid-request");
    let expected = ["/model_id", "/columns/1", "/columns/2", "/columns/3", "/columns/4", "/format", "/seed"];
    assert_eq!(places(&problem), expected, "{problem:#}");
}

#[tokio::test]
async fn a_job_without_a_result_says_so() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(160)).await;
    let model = client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let path = format!("/v1/jobs/{}/result", model["job_id"].as_str().unwrap());
    client.get(&path).send().await.expect_problem(409, "no-result");
    let gone = json!({"type": "predict", "dataset_id": dataset["id"], "model_id": model["id"]});
    let job = client.finish(&client.queue(&gone).await).await;
    let path = format!("/v1/jobs/{}/result", job["id"].as_str().unwrap());
    assert_eq!(client.get(&path).send().await.text().lines().next(), Some("label,probability"));
}
