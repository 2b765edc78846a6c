//! Predictions: every mistake of every row at once; what a model does with what it has never seen.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

struct Trained {
    app: App,
    client: Client,
    path: String,
    model: Value,
}

async fn trained() -> Trained {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    Trained { app, client, path, model }
}

#[tokio::test]
async fn every_mistake_has_its_row_and_column() {
    let Trained { client, path, app: _app, .. } = trained().await;
    let rows = json!({"rows": [
        {"height": "tall", "width": 1.0, "colour": "red", "age": 3},
        // A number is a category by its text.
        {"width": 1.0, "colour": 7, "age": true},
        {"height": 1.0, "width": 1.0, "colour": "red", "age": null},
    ]});
    let problem = client.post(&path).json(&rows).send().await.expect_problem(422, "invalid-rows");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["1:height", "2:age", "2:height"]);
    let columns = json!({"columns": ["height", "width", "colour"], "data": [[1, 1, "red"], [1, 1]]});
    let problem = client.post(&path).json(&columns).send().await.expect_status(422);
    assert!(!places(&problem).is_empty(), "{problem:#}");
    let call = client.post(&path).header("content-type", "text/csv").body("height,width,colour,age\n1,wide,red,3\n");
    let problem = call.send().await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["1:width"]);
    for body in [json!({}), json!({"rows": [], "columns": [], "data": []}), json!({"rows": 1}), json!({"rwos": []})] {
        client.post(&path).json(&body).send().await.expect_problem(422, "invalid-request");
    }
    let body = json!({"rows": [], "threshold": 2});
    let problem = client.post(&path).json(&body).send().await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/threshold"]);
}

#[tokio::test]
async fn missing_values_and_unseen_categories_follow_the_stated_policy() {
    let Trained { client, path, model, app: _app } = trained().await;
    let features = model["features"].as_array().unwrap();
    let feature = |name: &str| features.iter().find(|feature| feature["name"] == name).unwrap();
    assert!(feature("colour")["unseen_policy"].is_string() && feature("age")["missing_policy"].is_string());
    let rows = json!({"rows": [
        {"height": 1.0, "width": 1.0, "colour": "ultraviolet", "age": null},
        {"height": null, "width": null, "colour": null, "age": null},
    ]});
    let answer = client.post(&path).json(&rows).send().await.expect_status(200);
    assert_eq!(answer["predictions"].as_array().map(Vec::len), Some(2));
    let empty = client.post(&path).json(&json!({"rows": []})).send().await.expect_status(200);
    assert_eq!(empty["predictions"], json!([]));
}

#[tokio::test]
async fn the_threshold_decides_the_label() {
    let Trained { client, path, app: _app, .. } = trained().await;
    let ask = |threshold: Value| {
        client.post(&path).json(&json!({"rows": [data::row(1.5, 0.5)], "threshold": threshold})).send()
    };
    let asked = ask(json!(0)).await.expect_status(200);
    let probability = asked["predictions"][0]["probability"].clone();
    assert_eq!(asked["predictions"][0]["label"], "yes", "every probability is at least 0");
    let exact = ask(probability.clone()).await.expect_status(200);
    assert_eq!(exact["predictions"][0], json!({"label": "yes", "probability": probability}), "at least, not above");
    if probability.as_f64().unwrap() < 1.0 {
        assert_eq!(ask(json!(1)).await.expect_status(200)["predictions"][0]["label"], "no");
    }
    let csv = "height,width,colour,age\n1.5,0.5,red,31\n";
    let call = client.post(&format!("{path}?threshold=0")).header("content-type", "text/csv").body(csv);
    assert_eq!(call.send().await.expect_status(200)["predictions"][0]["label"], "yes");
}

#[tokio::test]
async fn many_at_once_get_the_answers_they_get_alone() {
    let Trained { client, path, app: _app, .. } = trained().await;
    let body =
        |number: usize| json!({"rows": [data::row(number as f64 / 10.0, 1.0), data::row(1.0, number as f64 / 10.0)]});
    let mut alone = Vec::new();
    for number in 0..24 {
        alone.push(client.post(&path).json(&body(number)).send().await.expect_status(200));
    }
    let calls = (0..24).map(|number| client.post(&path).json(&body(number)).send());
    let together: Vec<Value> =
        futures::future::join_all(calls).await.iter().map(|reply| reply.expect_status(200)).collect();
    assert_eq!(together, alone);
}
