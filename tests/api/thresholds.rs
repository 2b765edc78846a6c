//! The threshold as a thing of its own: looked at, set without training, in force at once and everywhere.

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::support::app::{App, Engine};
use crate::support::client::{Client, Reply, places};
use crate::support::data;

struct Scene {
    app: App,
    client: Client,
    dataset: Value,
    /// `/v1/models/<id>`
    model: String,
}

impl Scene {
    async fn set() -> Self {
        let app = App::start().await;
        let client = app.client();
        let dataset = client.upload("", data::csv(400)).await;
        let model = client.train(&dataset, data::quick()).await;
        let model = format!("/v1/models/{}", model["id"].as_str().unwrap());
        Self { app, client, dataset, model }
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(&format!("{}{path}", self.model)).send().await.expect_status(200)
    }

    async fn put(&self, if_match: &str, body: &Value) -> Reply {
        let call = self.client.call("put", &format!("{}/threshold", self.model));
        call.header("if-match", if_match).json(body).send().await
    }
}

#[tokio::test]
async fn every_threshold_says_what_it_would_do() {
    let scene = Scene::set().await;
    let found = scene.get("/thresholds?false_positive=1&false_negative=9").await;
    assert_eq!(
        (&found["computed_on"], &found["rows"], &found["positives"]),
        (&json!("validation"), &json!(80), &json!(10))
    );
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.len() as u64, found["distinct"].as_u64().unwrap());
    let of = |point: &Value, name: &str| point["confusion_matrix"][name].as_f64().unwrap();
    for pair in points.windows(2) {
        assert!(pair[0]["threshold"].as_f64() > pair[1]["threshold"].as_f64(), "from the highest to the lowest");
        assert!(of(&pair[0], "tp") + of(&pair[0], "fp") < of(&pair[1], "tp") + of(&pair[1], "fp"));
    }
    for point in points {
        let (tp, fp, fn_, tn) = (of(point, "tp"), of(point, "fp"), of(point, "fn"), of(point, "tn"));
        assert_eq!((tp + fn_, fp + tn), (10.0, 70.0));
        assert!((point["cost_per_row"].as_f64().unwrap() - (fp + 9.0 * fn_) / 80.0).abs() < 1e-12);
        match point["precision"].as_f64() {
            Some(precision) => assert!((precision - tp / (tp + fp)).abs() < 1e-12),
            None => assert!(point["undefined"]["precision"].is_string() && tp + fp == 0.0),
        }
    }
    for optimum in found["optima"].as_array().unwrap() {
        let basis = &optimum["threshold"]["basis"];
        assert!(basis["met"] == true || basis["note"].is_string(), "{optimum:#}");
        assert!(basis["ci"].is_array(), "{optimum:#}");
    }
    let cost = |point: &Value| point["cost_per_row"].as_f64().unwrap();
    let cheapest = points.iter().map(cost).fold(f64::INFINITY, f64::min);
    let chosen = found["optima"].as_array().unwrap().iter().find(|one| one["threshold"]["rule"] == "min_cost").unwrap();
    assert_eq!(cost(&chosen["at"]), cheapest);

    let thinned = scene.get("/thresholds?max_points=5").await;
    assert!((3..=5).contains(&thinned["points"].as_array().unwrap().len()));
    assert_eq!(thinned["distinct"], found["distinct"]);
}

#[tokio::test]
async fn another_prevalence_changes_rates_and_no_counts() {
    let scene = Scene::set().await;
    let (here, rare) = (scene.get("/thresholds").await, scene.get("/thresholds?prevalence=0.01").await);
    assert_eq!((&here["assumed_prevalence"], &rare["assumed_prevalence"]), (&Value::Null, &json!(0.01)));
    let pairs = here["points"].as_array().unwrap().iter().zip(rare["points"].as_array().unwrap());
    for (here, rare) in pairs {
        assert_eq!(here["confusion_matrix"], rare["confusion_matrix"]);
        let of = |name: &str| rare[name].as_f64().unwrap();
        let (tpr, fpr) = (of("recall"), 1.0 - of("specificity"));
        assert!((of("alert_rate") - (0.01 * tpr + 0.99 * fpr)).abs() < 1e-9);
        if let Some(precision) = rare["precision"].as_f64() {
            assert!((precision - 0.01 * tpr / (0.01 * tpr + 0.99 * fpr)).abs() < 1e-9);
        }
    }
}

#[tokio::test]
async fn mistakes_in_a_question_are_all_named() {
    let scene = Scene::set().await;
    let path = format!("{}/thresholds?false_positive=-1&prevalence=1&max_points=2&beta=x&rule=max_mcc", scene.model);
    let problem = scene.client.get(&path).send().await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["?beta", "?false_positive", "?max_points", "?prevalence", "?rule"]);
    let free = format!("{}/thresholds?false_positive=0&false_negative=0", scene.model);
    scene.client.get(&free).send().await.expect_problem(422, "invalid-request");
    let problem = scene.put("*", &json!({"rule": "min_cost", "false_positive": 0, "beta": 2})).await;
    let mut found = places(&problem.expect_problem(422, "invalid-request"));
    found.sort();
    assert_eq!(found, ["/beta", "/false_negative", "/false_positive"]);
}

/// What a job with that threshold would have reported is what the report says after the threshold was set.
#[tokio::test]
async fn a_threshold_that_is_set_gives_the_report_of_a_job_that_had_it() {
    let scene = Scene::set().await;
    for rule in [json!({"rule": "max_mcc"}), json!({"rule": "fixed", "value": 0.3})] {
        let mut job = data::quick();
        job["threshold"] = rule.clone();
        let other = scene.client.train(&scene.dataset, job).await;
        let expected = scene.client.get(&format!("/v1/models/{}/report", other["id"].as_str().unwrap())).send().await;
        scene.put("*", &rule).await.expect_status(200);
        let model = scene.get("").await;
        assert_eq!(model["threshold"], other["threshold"]);
        assert_eq!(model["sha256"], other["sha256"], "the artifact predicts with the new threshold, too");
        assert_eq!(model["verdict"], other["verdict"]);
        assert_eq!(scene.get("/report").await, expected.json());
    }
}

#[tokio::test]
async fn predictions_use_it_at_once_after_a_restart_and_in_another_process() {
    let mut scene = Scene::set().await;
    let second = {
        let database = format!("sqlite:{}", scene.app.data_dir().join("evenkeel.db").display());
        let blobs = format!("file://{}", scene.app.data_dir().join("blobs").display());
        App::with(
            Engine::Sqlite,
            &["--database-url", &database, "--blob-url", &blobs, "--workers", "0", "--model-trust-seconds", "0"],
        )
        .await
    };
    let path = format!("{}/predict", scene.model);
    let ask = async |client: &Client| {
        let body = json!({"rows": [data::row(1.5, 0.5)]});
        client.post(&path).json(&body).send().await.expect_status(200)
    };
    let before = ask(&second.client()).await;
    let probability = before["predictions"][0]["probability"].as_f64().unwrap();
    for (value, label) in [((probability + 1.0) / 2.0, "no"), (probability / 2.0, "yes")] {
        scene.put("*", &json!({"value": value})).await.expect_status(200);
        for client in [&scene.client, &second.client()] {
            let answer = ask(client).await;
            assert_eq!((&answer["threshold"], &answer["predictions"][0]["label"]), (&json!(value), &json!(label)));
            assert_eq!(answer["predictions"][0]["probability"], json!(probability));
        }
    }
    scene.app.restart();
    let after = ask(&scene.app.client()).await;
    assert_eq!((&after["threshold"], &after["predictions"][0]["label"]), (&json!(probability / 2.0), &json!("yes")));
}

#[tokio::test]
async fn a_change_needs_the_tag_of_what_it_changes_and_leaves_a_trace() {
    let scene = Scene::set().await;
    let path = format!("{}/threshold", scene.model);
    let unconditional = scene.client.call("put", &path).json(&json!({"rule": "max_mcc"})).send().await;
    unconditional.expect_problem(428, "precondition-required");
    let model_tag = scene.client.get(&scene.model).send().await.header("etag");
    let first = scene.client.get(&path).send().await;
    let chosen = first.json()["threshold"].clone();
    assert_eq!(
        first.json()["history"],
        json!([
            {"sequence": 1, "set_at": scene.get("").await["created_at"], "set_by": null, "threshold": chosen},
        ])
    );

    let changed = scene.put(&model_tag, &json!({"rule": "recall_at_precision", "precision": 1.0})).await;
    let answer = changed.expect_status(200);
    assert_ne!(scene.client.get(&scene.model).send().await.header("etag"), model_tag);
    assert_eq!(changed.header("etag"), scene.client.get(&path).send().await.header("etag"));
    for stale in [model_tag.as_str(), first.header("etag").as_str(), "\"other\""] {
        scene.put(stale, &json!({"value": 0.1})).await.expect_problem(412, "precondition-failed");
    }
    let basis = &answer["threshold"]["basis"];
    assert_eq!((&basis["computed_on"], &basis["rows"]), (&json!("validation"), &json!(80)));
    assert!(basis["ci"].is_array() && (basis["met"] == true || basis["note"].is_string()), "{answer:#}");

    // The same rule again changes nothing.
    let again = scene.put(&changed.header("etag"), &json!({"rule": "recall_at_precision", "precision": 1.0})).await;
    assert_eq!(again.expect_status(200), answer);
    scene.put(&changed.header("etag"), &json!({"value": 0.25})).await.expect_status(200);
    let history = scene.get("/threshold").await["history"].clone();
    let told: Vec<_> = history.as_array().unwrap().iter().map(|one| (&one["sequence"], &one["set_by"])).collect();
    let (anyone, nobody) = (json!("anyone"), Value::Null);
    assert_eq!(told, [(&json!(3), &anyone), (&json!(2), &anyone), (&json!(1), &nobody)]);
    assert_eq!(history[0]["threshold"]["value"], 0.25);
    assert_eq!(history[2]["threshold"], chosen);
}

#[tokio::test]
async fn of_two_who_change_the_same_threshold_one_is_told() {
    let scene = Scene::set().await;
    let tag = scene.client.get(&scene.model).send().await.header("etag");
    let changes: Vec<Value> = (1..=6).map(|tenth| json!({"value": f64::from(tenth) / 10.0})).collect();
    let replies = futures::future::join_all(changes.iter().map(|change| scene.put(&tag, change))).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
    assert_eq!(scene.get("/threshold").await["history"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_model_of_an_older_version_says_what_it_lacks() {
    let scene = Scene::set().await;
    let path = scene.app.data_dir().join("evenkeel.db");
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query("UPDATE models SET dossier_sha256 = NULL").execute(&mut database).await.unwrap();
    for path in ["/thresholds", "/importance", "/partial-dependence?column=height"] {
        let reply = scene.client.get(&format!("{}{path}", scene.model)).send().await;
        let problem = reply.expect_problem(409, "not-available");
        assert!(
            problem["detail"].as_str().unwrap().contains("older")
                || problem["detail"].as_str().unwrap().contains("version")
        );
    }
    scene.put("*", &json!({"value": 0.2})).await.expect_problem(409, "not-available");
    assert_eq!(scene.get("/threshold").await["history"].as_array().map(Vec::len), Some(1));
    let explained = scene.client.post(&format!("{}/predict?explain=true", scene.model));
    let reply = explained.json(&json!({"rows": [data::row(1.0, 1.0)]})).send().await;
    reply.expect_problem(409, "not-available");
}
