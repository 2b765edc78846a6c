//! What a model goes by: importance, partial dependence, coefficients, and contributions to a prediction.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

async fn trained(further: Value) -> (App, Client, String) {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let model = client.train(&dataset, further).await;
    let model = format!("/v1/models/{}", model["id"].as_str().unwrap());
    (app, client, model)
}

fn logistic() -> Value {
    json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 50}})
}

#[tokio::test]
async fn what_tells_the_classes_apart_matters_and_moves_the_probability() {
    let (_app, client, model) = trained(data::quick()).await;
    let importance = client.get(&format!("{model}/importance")).send().await.expect_status(200);
    let of = |column: &str| {
        let columns = importance["columns"].as_array().unwrap();
        columns.iter().find(|one| one["column"] == column).unwrap()["average_precision"]["value"].as_f64().unwrap()
    };
    assert!(of("height") > 0.05 && of("height") > of("age"), "{importance:#}");
    assert_eq!((&importance["computed_on"], &importance["rows"]), (&json!("test"), &json!(80)));

    let asked = |column: &str| client.get(&format!("{model}/partial-dependence?column={column}")).send();
    let height = asked("height").await.expect_status(200);
    let points = height["points"].as_array().unwrap();
    let mean = |point: &Value| point["mean_probability"].as_f64().unwrap();
    assert!(mean(&points[0]) + 0.05 < mean(&points[points.len() - 1]), "{height:#}");
    let colours = asked("colour").await.expect_status(200);
    assert!(colours["points"].as_array().unwrap().iter().any(|point| point["value"] == "red"), "{colours:#}");
    let age = asked("age").await.expect_status(200);
    assert!(age["points"].as_array().unwrap().iter().any(|point| point["value"].is_null()), "a missing age: {age:#}");
    let unknown = asked("weight").await.expect_problem(422, "invalid-request");
    assert_eq!(places(&unknown), ["?column"]);
    let nothing = client.get(&format!("{model}/partial-dependence?columns=a")).send().await;
    let mut found = places(&nothing.expect_problem(422, "invalid-request"));
    found.sort();
    assert_eq!(found, ["?column", "?columns"]);
    client.get(&format!("{model}/coefficients")).send().await.expect_problem(409, "not-available");
}

#[tokio::test]
async fn the_coefficients_of_a_linear_model_give_its_predictions() {
    let (_app, client, model) = trained(logistic()).await;
    let linear = client.get(&format!("{model}/coefficients")).send().await.expect_status(200);
    assert_eq!(linear["scale"], "log_odds");
    let number = |value: &Value| value.as_f64().unwrap();
    for term in linear["terms"].as_array().unwrap() {
        let ratio = number(&term["coefficient"]).exp();
        assert!((number(&term["odds_ratio"]) / ratio - 1.0).abs() < 1e-12);
        let per_unit = number(&term["coefficient"]) / number(&term["unit"]);
        assert!((number(&term["coefficient_per_unit"]) / per_unit - 1.0).abs() < 1e-12);
    }
    // A row in the data's own units.
    let row = json!({"height": 1.3, "width": 0.4, "colour": "red", "age": 31});
    let per_unit = |feature: &str, value: f64| {
        let terms = linear["terms"].as_array().unwrap();
        terms
            .iter()
            .find(|term| term["feature"] == feature)
            .map_or(0.0, |term| number(&term["coefficient_per_unit"]) * value)
    };
    let log_odds = number(&linear["intercept_per_unit"])
        + per_unit("height", 1.3)
        + per_unit("width", 0.4)
        + per_unit("colour=red", 1.0)
        + per_unit("age", 31.0);
    let answer = client.post(&format!("{model}/predict")).json(&json!({"rows": [row]})).send().await.expect_status(200);
    let probability = number(&answer["predictions"][0]["probability"]);
    assert!((1.0 / (1.0 + (-log_odds).exp()) - probability).abs() < 1e-9, "{log_odds} {probability}");
}

#[tokio::test]
async fn contributions_add_up_to_the_score() {
    for (further, method) in [(logistic(), "linear"), (data::quick(), "shapley")] {
        let (_app, client, model) = trained(further).await;
        let rows = json!({"rows": [data::row(2.5, -0.5), data::row(0.1, 1.9)]});
        let plain = client.post(&format!("{model}/predict")).json(&rows).send().await.expect_status(200);
        assert!(plain.get("explanation").is_none() && plain["predictions"][0].get("explanation").is_none());
        let path = format!("{model}/predict?explain=true");
        let answer = client.post(&path).json(&rows).send().await.expect_status(200);
        assert_eq!(
            (&answer["explanation"]["method"], &answer["explanation"]["scale"]),
            (&json!(method), &json!("log_odds"))
        );
        let number = |value: &Value| value.as_f64().unwrap();
        for (plain, explained) in
            plain["predictions"].as_array().unwrap().iter().zip(answer["predictions"].as_array().unwrap())
        {
            assert_eq!(plain["probability"], explained["probability"]);
            let (probability, explanation) = (number(&explained["probability"]), &explained["explanation"]);
            let score = number(&explanation["score"]);
            assert!((score - (probability / (1.0 - probability)).ln()).abs() < 1e-5, "{explained:#}");
            let parts: Vec<f64> = explanation["contributions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| number(&one["contribution"]))
                .collect();
            assert!(parts.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()), "the largest first");
            let sum = number(&answer["explanation"]["base"]) + parts.iter().sum::<f64>();
            assert!((sum - score).abs() < 1e-5 && number(&explanation["gap"]).abs() < 1e-5, "{explained:#}");
        }
        let empty = client.post(&path).json(&json!({"rows": []})).send().await.expect_status(200);
        assert_eq!(empty["predictions"], json!([]));
        let many = json!({"rows": vec![data::row(1.0, 1.0); 101]});
        let problem = client.post(&path).json(&many).send().await.expect_problem(413, "too-many-rows");
        assert!(problem["detail"].as_str().unwrap().contains("at most 100"), "{problem:#}");
        let wrong = client.post(&format!("{model}/predict?explain=yes")).json(&rows).send().await;
        assert_eq!(places(&wrong.expect_problem(422, "invalid-request")), ["?explain"]);
        let csv = client.post(&path).header("content-type", "text/csv").body("height,width,colour,age\n1,1,red,3\n");
        let csv = csv.send().await.expect_status(200);
        assert!(csv["predictions"][0]["explanation"].is_object());
    }
}
