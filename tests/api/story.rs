//! The main job from upload to prediction, on both databases; every operation of the contract is used.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::archives::pictures::{crosses, grey, png};
use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::Client;
use crate::support::contract::{CONTRACT, operations_that_succeeded};
use crate::support::{data, events};

#[tokio::test]
async fn the_whole_job_on_sqlite() {
    the_whole_job(Engine::Sqlite).await;
}

#[tokio::test]
async fn the_whole_job_on_postgresql() {
    if postgres_url().is_some() {
        the_whole_job(Engine::Postgres).await;
    }
}

async fn the_whole_job(engine: Engine) {
    let mut app = App::with(engine, &[]).await;
    let client = app.client();
    service_is_there(&client).await;
    let dataset = upload(&client).await;
    let job = train(&client, &dataset).await;
    let model = look_at_the_model(&client, &dataset, &job).await;
    predict_all_rows(&client, &dataset, &model).await;
    try_again(&client, &job).await;
    compare_remedies(&client, &dataset).await;
    learn_from_pictures(&client).await;
    understand_another(&client, &dataset).await;
    name_it(&client, &model).await;
    bring_it_back(&client, &model).await;
    ask_as_others_do(&client, &model).await;
    let before = predict_in_every_form(&client, &model).await;

    app.restart();
    let client = app.client();
    let after = predict_in_every_form(&client, &model).await;
    assert_eq!(before, after, "a model answers the same, to the last bit, after a restart");
    app.kill_and_restart();
    let client = app.client();
    assert_eq!(before, predict_in_every_form(&client, &model).await);

    clean_up(&client, &dataset, &job, &model).await;
    let used = operations_that_succeeded();
    let all: BTreeSet<String> = CONTRACT.operations.iter().map(|operation| operation.id.clone()).collect();
    let unused: Vec<&String> = all.difference(&used).collect();
    assert!(unused.is_empty(), "operations that no story uses: {unused:?}");
}

async fn service_is_there(client: &Client) {
    client.get("/livez").send().await.expect_status(200);
    client.get("/readyz").send().await.expect_status(200);
    let document = client.get("/openapi.yaml").send().await;
    assert_eq!(document.text(), include_str!("../../openapi.yaml"));
    let page = client.get("/docs").send().await.text();
    for operation in &CONTRACT.operations {
        assert!(page.contains(&operation.id), "/docs does not mention {}", operation.id);
    }
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "/docs loads something from elsewhere: {outside}");
    }
}

async fn upload(client: &Client) -> Value {
    let csv = data::csv(400);
    let call = client.post("/v1/datasets?name=shapes").header("content-type", "text/csv");
    let reply = call.body(csv.clone()).send().await;
    let dataset = reply.expect_status(201);
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), path);
    assert_eq!((&dataset["rows"], &dataset["target"]), (&json!(400), &json!("outcome")));
    assert_eq!(dataset["positive_label"], "yes", "the rarer class");
    assert_eq!(dataset["class_counts"], json!({"no": 350, "yes": 50}));
    assert_eq!(dataset["imbalance_ratio"], 7.0);
    assert_eq!(dataset["columns"][3]["missing"], 40);

    let read = client.get(&path).send().await;
    assert_eq!(read.expect_status(200), dataset);
    let unchanged = client.get(&path).header("if-none-match", &read.header("etag")).send().await;
    assert_eq!(unchanged.status, 304);
    let rows = client.get(&format!("{path}/rows?limit=10")).send().await.expect_status(200);
    assert_eq!(rows["columns"], json!(["height", "width", "colour", "age", "outcome"]));
    assert_eq!(rows["data"].as_array().unwrap().len(), 10);
    assert_eq!((rows["data"][0][0].as_f64(), &rows["data"][9][3]), (Some(0.0), &Value::Null));
    let content = client.get(&format!("{path}/content")).send().await;
    assert_eq!(content.text(), csv);
    assert_eq!(dataset["sha256"], hex(&Sha256::digest(csv.as_bytes())));
    let diagnosis = client.post(&format!("{path}/diagnose")).send().await.expect_status(200);
    assert!(!diagnosis["checks"].as_array().unwrap().is_empty());
    let listed = client.get("/v1/datasets?name=shapes").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([dataset]));
    dataset
}

async fn train(client: &Client, dataset: &Value) -> Value {
    let mut request = data::quick();
    request["dataset_id"] = dataset["id"].clone();
    let checked = client.post("/v1/jobs/validate").json(&request).send().await.expect_status(200);
    assert_eq!(checked["config"]["resample"][0]["k_neighbors"], 5, "defaults are filled in");

    let reply = client.post("/v1/jobs").json(&request).send().await;
    let queued = reply.expect_status(202);
    assert_eq!(reply.header("location"), format!("/v1/jobs/{}", queued["id"].as_str().unwrap()));
    assert_eq!(queued["config"], checked["config"], "what was checked is what runs");
    let job = client.finish(&queued).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["progress"], 1.0);
    let statuses: Vec<&str> =
        job["transitions"].as_array().unwrap().iter().filter_map(|transition| transition["status"].as_str()).collect();
    assert_eq!(statuses, ["queued", "running", "succeeded"]);
    check_events(client, &job).await;

    let id = job["id"].as_str().unwrap();
    let epochs = client.get(&format!("/v1/jobs/{id}/epochs")).send().await.expect_status(200);
    let numbers: Vec<u64> =
        epochs["items"].as_array().unwrap().iter().filter_map(|epoch| epoch["epoch"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(!numbers.is_empty() && numbers.len() <= 15);
    let listed = client.get("/v1/jobs?status=succeeded").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([job]));
    let again = client.post(&format!("/v1/jobs/{id}/cancel")).send().await.expect_status(200);
    assert_eq!(again, job, "a job that has ended stays as it is");
    cancel_another(client, dataset).await;
    job
}

async fn cancel_another(client: &Client, dataset: &Value) {
    let job = client.queue(&data::endless(dataset)).await;
    client.post(&format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).send().await.expect_status(200);
    assert_eq!(client.finish(&job).await["status"], "cancelled");
}

/// Ids without gaps, progress that never falls, and a resumed stream that is the rest of the whole one.
async fn check_events(client: &Client, job: &Value) {
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let all = events::parse(&client.get(&path).send().await.bytes);
    let ids: Vec<u64> = all.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=all.len() as u64).collect::<Vec<_>>());
    let progress: Vec<f64> = all
        .iter()
        .filter(|event| event.kind == "progress")
        .filter_map(|event| event.data["progress"].as_f64())
        .collect();
    assert!(progress.is_sorted(), "{progress:?}");
    assert_eq!(all.first().map(|event| &event.data["status"]), Some(&json!("queued")));
    let reply = client.get(&path).header("last-event-id", "3").send().await;
    assert_eq!(events::parse(&reply.bytes), all[3..]);
}

async fn look_at_the_model(client: &Client, dataset: &Value, job: &Value) -> Value {
    let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
    let model = client.get(&path).send().await.expect_status(200);
    assert_eq!((&model["name"], &model["version"]), (&json!("shapes"), &json!(1)));
    assert_eq!((&model["job_id"], &model["dataset_id"]), (&job["id"], &dataset["id"]));
    assert_eq!(model["verdict"], "ok", "the classes are easy to tell apart: {model:#}");
    let stages: Vec<&str> = model["training"]["class_counts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|counts| counts["stage"].as_str())
        .collect();
    assert!(stages.contains(&"smote") && stages.contains(&"tomek_links"), "{stages:?}");
    let listed = client.get("/v1/models?name=shapes").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([model]));

    let report = client.get(&format!("{path}/report")).send().await.expect_status(200);
    let cell = |name: &str| report["confusion_matrix"][name].as_u64().unwrap();
    assert_eq!(report["positives"], 10, "a fifth of the 50 positives are tested, at their natural share");
    assert_eq!(cell("tp") + cell("fn"), 10);
    assert_eq!(cell("tp") + cell("fp") + cell("fn") + cell("tn"), 80);
    let precision = cell("tp") as f64 / (cell("tp") + cell("fp")) as f64;
    assert!((report["per_class"]["yes"]["precision"]["value"].as_f64().unwrap() - precision).abs() < 1e-12);
    assert_eq!(report["metrics"]["average_precision"]["no_skill"], 0.125);
    assert!(report["metrics"]["roc_auc"]["value"].as_f64().unwrap() > 0.9);
    assert_eq!(report["threshold"], model["threshold"]["value"]);

    let diagnosis = client.get(&format!("{path}/diagnosis")).send().await.expect_status(200);
    assert_eq!((&diagnosis["verdict"], diagnosis["baselines"].as_array().map(Vec::len)), (&json!("ok"), Some(3)));
    let of_job = format!("/v1/jobs/{}/diagnosis", job["id"].as_str().unwrap());
    assert_eq!(client.get(&of_job).send().await.expect_status(200), diagnosis);
    let artifact = client.get(&format!("{path}/artifact")).send().await;
    assert_eq!(model["sha256"], hex(&Sha256::digest(&artifact.bytes)));
    assert_eq!(model["size_bytes"], artifact.bytes.len());
    model
}

async fn predict_all_rows(client: &Client, dataset: &Value, model: &Value) {
    let request = json!({"type": "predict", "dataset_id": dataset["id"], "model_id": model["id"]});
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let file = client.get(&format!("/v1/jobs/{}/result", job["id"].as_str().unwrap())).send().await.text();
    assert_eq!(file.lines().count(), 401);
}

async fn compare_remedies(client: &Client, dataset: &Value) {
    let request = json!({
        "type": "compare", "dataset_id": dataset["id"], "cross_validation": {"folds": 3, "repeats": 1},
        "base": {"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}},
        "candidates": [{"name": "plain"}, {"name": "weighted", "train": {"loss": {"class_weight": "balanced"}}}],
    });
    let job = client.finish(&client.queue(&request).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let picture = client.get(&format!("/v1/jobs/{}/plots/comparison.svg", job["id"].as_str().unwrap())).send().await;
    assert!(picture.text().contains("weighted"));
    client.delete(&format!("/v1/models/{}", job["model_id"].as_str().unwrap())).send().await.expect_status(204);
}

async fn learn_from_pictures(client: &Client) {
    let call = client.post("/v1/datasets?name=crosses").header("content-type", "application/zip");
    let dataset = call.body(crosses(120, 6)).send().await.expect_status(201);
    let job = client
        .queue(&json!({
            "dataset_id": dataset["id"], "model": {"type": "cnn"}, "resample": [{"method": "random_over_sampler"}],
            "augment": [{"method": "rotation", "degrees": 20}], "training": {"epochs": 3}, "evaluation": {"bootstrap": 0},
        }))
        .await;
    let preview = format!("/v1/jobs/{}/augmentation-preview", job["id"].as_str().unwrap());
    assert_eq!(client.get(&preview).send().await.header("content-type"), "image/png");
    let job = client.finish(&job).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let path = format!("/v1/models/{}", job["model_id"].as_str().unwrap());
    let picture = png(&grey(8, 8, |y, x| (y * 8 + x) as u8));
    let call = client.post(&format!("{path}/predict")).header("content-type", "image/png").body(picture.clone());
    let predicted = call.send().await.expect_status(200);
    assert!((0.0..=1.0).contains(&predicted["predictions"][0]["probability"].as_f64().unwrap()));
    let alias = "/v1/aliases/pictures";
    let set = client.call("put", alias).json(&json!({"model_id": job["model_id"]})).send().await;
    set.expect_status(201);
    for path in [path.as_str(), alias] {
        let call = client.post(&format!("{path}/heat-map")).header("content-type", "image/png").body(picture.clone());
        assert_eq!(call.send().await.header("content-type"), "image/png");
    }
    client.delete(alias).header("if-match", &set.header("etag")).send().await.expect_status(204);
    client.delete(&path).send().await.expect_status(204);
}

/// Gives the model a name, asks by it, and looks at what there is to see of it.
async fn name_it(client: &Client, model: &Value) {
    let (path, body) = ("/v1/aliases/shapes", json!({"model_id": model["id"]}));
    let alias = client.call("put", path).json(&body).send().await.expect_status(201);
    assert_eq!(client.get(path).send().await.expect_status(200), alias);
    let listed = client.get("/v1/aliases").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([alias]));
    let question = json!({"rows": [data::row(1.5, 0.5)]});
    let answer = client.post(&format!("{path}/predict")).json(&question).send().await.expect_status(200);
    assert_eq!((&answer["alias"], &answer["model_id"]), (&json!("shapes"), &model["id"]));
    let shadow = client.get(&format!("{path}/shadow")).send().await.expect_status(200);
    assert_eq!((&shadow["shadow"], &shadow["comparisons"]), (&Value::Null, &json!([])));
    assert!(client.get("/metrics").send().await.text().contains("evenkeel_rows_predicted_total"));
}

async fn try_again(client: &Client, job: &Value) {
    let call = client.post(&format!("/v1/jobs/{}/retry-with", job["id"].as_str().unwrap()));
    let queued = call.json(&json!({"patch": {"model_name": "again", "resample": []}})).send().await.expect_status(202);
    let again = client.finish(&queued).await;
    assert_eq!((&again["status"], &again["retry_of"]), (&json!("succeeded"), &job["id"]), "{again:#}");
    let path = format!("/v1/jobs/{}/comparison", again["id"].as_str().unwrap());
    let compared = client.get(&path).send().await.expect_status(200);
    assert_eq!((&compared["same_test_rows"], &compared["baseline"]["job_id"]), (&json!(true), &job["id"]));
}

/// The model's own file as that of another server.
async fn bring_it_back(client: &Client, model: &Value) {
    let artifact = client.get(&format!("/v1/models/{}/artifact", model["id"].as_str().unwrap())).send().await;
    let call = client.post("/v1/models?name=imported").header("content-type", "application/octet-stream");
    let imported = call.body(artifact.bytes).send().await.expect_status(201);
    assert_eq!((&imported["sha256"], &imported["origin"]), (&model["sha256"], &json!("import")));
}

/// The Open Inference Protocol, from the first look to a prediction.
async fn ask_as_others_do(client: &Client, model: &Value) {
    let (name, version) = (model["name"].as_str().unwrap(), &model["version"]);
    let paths = ["/v2", "/v2/", "/v2/health/live", "/v2/health/ready"].map(str::to_owned);
    let of_model = ["", "/ready"].map(|part| format!("/v2/models/{name}{part}"));
    let of_version = ["", "/ready"].map(|part| format!("/v2/models/{name}/versions/{version}{part}"));
    for path in paths.iter().chain(&of_model).chain(&of_version) {
        client.get(path).send().await.expect_status(200);
    }
    let index = client.post("/v2/repository/index").json(&json!({})).send().await.expect_status(200);
    assert!(index.as_array().unwrap().iter().any(|known| known["name"] == model["name"]), "{index:#}");
    let column = |name: &str, datatype: &str, value: Value| json!({"name": name, "shape": [1], "datatype": datatype, "data": [value]});
    let inputs = [
        column("height", "FP64", json!(2.9)),
        column("width", "FP64", json!(-0.7)),
        column("age", "FP64", json!(31)),
        column("colour", "BYTES", json!("red")),
    ];
    let body = json!({"id": "7", "inputs": inputs});
    for path in [format!("/v2/models/{name}/infer"), format!("/v2/models/{name}/versions/{version}/infer")] {
        let answer = client.post(&path).json(&body).send().await.expect_status(200);
        assert_eq!((&answer["id"], &answer["model_name"]), (&json!("7"), &model["name"]), "{answer:#}");
    }
}

/// What a linear model goes by, in numbers and pictures, and another threshold for it.
async fn understand_another(client: &Client, dataset: &Value) {
    let model = client.train(dataset, json!({"model_name": "linear", "model": {"type": "logistic"}})).await;
    let path = format!("/v1/models/{}", model["id"].as_str().unwrap());
    let get = async |further: &str| client.get(&format!("{path}/{further}")).send().await;
    assert!(!get("coefficients").await.expect_status(200)["terms"].as_array().unwrap().is_empty());
    assert_eq!(get("importance").await.expect_status(200)["columns"].as_array().unwrap().len(), 4);
    assert!(!get("partial-dependence?column=height").await.expect_status(200)["points"].as_array().unwrap().is_empty());
    assert!(!get("thresholds").await.expect_status(200)["points"].as_array().unwrap().is_empty());
    assert!(get("plots/precision_recall.svg").await.text().starts_with("<svg"));
    assert!(get("report.html").await.text().contains("linear"));
    let before = get("threshold").await;
    let call = client.call("put", &format!("{path}/threshold")).header("if-match", &before.header("etag"));
    let after = call.json(&json!({"value": 0.9})).send().await.expect_status(200);
    assert_eq!(after["threshold"]["value"], 0.9);
    assert_eq!(client.get(&path).send().await.expect_status(200)["threshold"]["value"], 0.9);
}

/// The probabilities, which must be the same whichever way the rows come.
async fn predict_in_every_form(client: &Client, model: &Value) -> Vec<u64> {
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let rows = json!({"rows": [data::row(2.9, -0.7), data::row(0.3, 1.5)]});
    let by_name = client.post(&path).json(&rows).send().await.expect_status(200);
    let columns = json!({
        "columns": ["age", "unused", "colour", "width", "height"],
        "data": [[31, "x", "red", -0.7, 2.9], [31, null, "red", 1.5, 0.3]],
    });
    let by_column = client.post(&path).json(&columns).send().await.expect_status(200);
    assert_eq!(by_column["ignored_columns"], json!(["unused"]));
    let csv = "height,width,colour,age\n2.9,-0.7,red,31\n0.3,1.5,red,31\n";
    let call = client.post(&path).header("content-type", "text/csv");
    let by_csv = call.body(csv).send().await.expect_status(200);
    assert_eq!(by_name["predictions"], by_column["predictions"]);
    assert_eq!(by_name["predictions"], by_csv["predictions"]);
    assert_eq!(by_name["predictions"][0]["label"], "yes", "{by_name:#}");
    assert_eq!(by_name["predictions"][1]["label"], "no");
    let predictions = by_name["predictions"].as_array().unwrap();
    predictions.iter().map(|prediction| prediction["probability"].as_f64().unwrap().to_bits()).collect()
}

async fn clean_up(client: &Client, dataset: &Value, job: &Value, model: &Value) {
    let model_path = format!("/v1/models/{}", model["id"].as_str().unwrap());
    let dataset_path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    client.delete(&dataset_path).send().await.expect_status(204);
    client.get(&dataset_path).send().await.expect_problem(404, "not-found");
    client.get(&model_path).send().await.expect_status(200);
    client.delete(&model_path).send().await.expect_problem(409, "model-in-use");
    let tag = client.get("/v1/aliases/shapes").send().await.header("etag");
    client.delete("/v1/aliases/shapes").header("if-match", &tag).send().await.expect_status(204);
    client.delete(&model_path).send().await.expect_status(204);
    for path in [model_path.clone(), format!("{model_path}/report"), format!("{model_path}/artifact")] {
        client.get(&path).send().await.expect_problem(404, "not-found");
    }
    client.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).send().await.expect_status(200);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
