//! Aliases: moved in one step while callers keep asking, split by key, shadowed; and what two servers know of each other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{App, Engine, postgres_url};
use crate::support::client::{Call, Client, Reply, places};
use crate::support::data;

const PATIENCE: Duration = Duration::from_secs(60);
const NOTHING: &str = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";

/// A server with two versions of a model.
struct Scene {
    app: App,
    client: Client,
    one: Value,
    two: Value,
}

impl Scene {
    async fn set() -> Self {
        Self::with(App::start().await).await
    }

    async fn with(app: App) -> Self {
        let client = app.client();
        let dataset = client.upload("", data::csv(240)).await;
        let named = |seed: u64| {
            let mut job = data::quick();
            job["model_name"] = json!("size");
            job["seed"] = json!(seed);
            job
        };
        let one = client.train(&dataset, named(1)).await;
        let two = client.train(&dataset, named(2)).await;
        Self { app, client, one, two }
    }

    fn put(&self, name: &str) -> Call {
        self.client.call("put", &format!("/v1/aliases/{name}"))
    }

    /// Creates an alias, or moves it whatever it is.
    async fn set_alias(&self, name: &str, body: &Value) -> Value {
        let reply = self.client.get(&format!("/v1/aliases/{name}")).send().await;
        match reply.status {
            404 => self.put(name).json(body).send().await.expect_status(201),
            _ => self.put(name).header("if-match", "*").json(body).send().await.expect_status(200),
        }
    }

    async fn delete_model(&self, model: &Value) -> Reply {
        self.client.delete(&format!("/v1/models/{}", model["id"].as_str().unwrap())).send().await
    }
}

fn question() -> Value {
    json!({"rows": [data::row(1.5, 0.5), data::row(0.2, 1.8)]})
}

async fn ask(client: &Client, alias: &str) -> Value {
    client.post(&format!("/v1/aliases/{alias}/predict")).json(&question()).send().await.expect_status(200)
}

async fn ask_model(client: &Client, model: &Value) -> Value {
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    client.post(&path).json(&question()).send().await.expect_status(200)
}

#[tokio::test]
async fn an_alias_answers_as_its_model_does_and_says_which() {
    let scene = Scene::set().await;
    let created = scene.put("champion").json(&json!({"model_id": scene.one["id"]})).send().await;
    assert_eq!(created.header("location"), "/v1/aliases/champion");
    let alias = created.expect_status(201);
    assert_eq!((&alias["model_id"], &alias["updated_by"]), (&scene.one["id"], &json!("anyone")));
    assert_eq!((&alias["targets"][0]["model_name"], &alias["targets"][0]["version"]), (&json!("size"), &json!(1)));
    let path = "/v1/aliases/champion/predict";
    let reply = scene.client.post(path).json(&question()).send().await;
    assert_eq!(reply.header("evenkeel-alias"), "champion");
    assert_eq!(reply.header("evenkeel-model-id"), scene.one["id"].as_str().unwrap());
    assert_eq!(reply.header("evenkeel-model-version"), "1");
    let mut answer = reply.expect_status(200);
    assert_eq!(answer["alias"], "champion");
    answer.as_object_mut().unwrap().shift_remove("alias");
    assert_eq!(answer, ask_model(&scene.client, &scene.one).await);
    let csv =
        scene.client.post(path).header("content-type", "text/csv").body("height,width,colour,age\n1.5,0.5,red,31\n");
    assert_eq!(csv.send().await.header("evenkeel-alias"), "champion");
    scene
        .client
        .post(path)
        .json(&json!({"rows": [{"height": "tall"}]}))
        .send()
        .await
        .expect_problem(422, "invalid-rows");
}

#[tokio::test]
async fn a_move_is_one_step_for_one_at_a_time() {
    let scene = Scene::set().await;
    let (one, two) = (json!({"model_id": scene.one["id"]}), json!({"model_id": scene.two["id"]}));
    let created = scene.put("champion").header("if-none-match", "*").json(&one).send().await;
    created.expect_status(201);
    let tag = created.header("etag");
    assert_eq!(scene.client.get("/v1/aliases/champion").send().await.header("etag"), tag);
    let again = scene.put("champion").header("if-none-match", "*").json(&one).send().await;
    again.expect_problem(412, "precondition-failed");
    scene.put("champion").json(&two).send().await.expect_problem(428, "precondition-required");
    scene.put("new").header("if-match", "*").json(&two).send().await.expect_problem(412, "precondition-failed");
    let moved = scene.put("champion").header("if-match", &tag).json(&two).send().await;
    assert_eq!(moved.expect_status(200)["model_id"], scene.two["id"]);
    assert_eq!(ask(&scene.client, "champion").await["version"], 2, "the answer comes after the move");
    scene.put("champion").header("if-match", &tag).json(&one).send().await.expect_problem(412, "precondition-failed");
    let repeated = scene.put("champion").header("if-match", &tag).json(&two).send().await;
    assert_eq!(repeated.header("etag"), moved.header("etag"), "what was asked for has been done");
    repeated.expect_status(200);
    let tag = moved.header("etag");
    let moves = (1..=6).map(|weight| {
        let body = json!({"targets": [{"model_id": scene.one["id"], "weight": weight}]});
        let call = scene.put("champion").header("if-match", &tag).json(&body);
        async { call.send().await.status }
    });
    let mut statuses = futures::future::join_all(moves).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_model_that_an_alias_names_stays() {
    let scene = Scene::set().await;
    let body = json!({"model_id": scene.one["id"], "shadow": {"model_id": scene.two["id"]}});
    scene.set_alias("champion", &body).await;
    for model in [&scene.one, &scene.two] {
        let problem = scene.delete_model(model).await.expect_problem(409, "model-in-use");
        assert!(problem["detail"].as_str().unwrap().contains("champion"), "{problem:#}");
    }
    let path = "/v1/aliases/champion";
    scene.client.delete(path).send().await.expect_problem(428, "precondition-required");
    scene.client.delete(path).header("if-match", "\"other\"").send().await.expect_problem(412, "precondition-failed");
    let tag = scene.client.get(path).send().await.header("etag");
    scene.client.delete(path).header("if-match", &tag).send().await.expect_status(204);
    scene.client.delete(path).header("if-match", "*").send().await.expect_problem(404, "not-found");
    scene.client.get(path).send().await.expect_problem(404, "not-found");
    let reply = scene.client.post(&format!("{path}/predict")).json(&question()).send().await;
    reply.expect_problem(404, "not-found");
    scene.delete_model(&scene.one).await.expect_status(204);
    scene.delete_model(&scene.two).await.expect_status(204);
}

#[tokio::test]
async fn every_mistake_of_an_alias_is_named() {
    let scene = Scene::set().await;
    let put = async |body: Value| {
        let reply = scene.put("champion").json(&body).send().await;
        places(&reply.expect_problem(422, "invalid-request"))
    };
    assert_eq!(put(json!({"model_id": NOTHING, "shadow": {"model_id": NOTHING}})).await, ["/shadow/model_id"]);
    let split = json!({"targets": [{"model_id": NOTHING, "weight": 1}, {"model_id": scene.one["id"], "weight": 1}]});
    assert_eq!(put(split).await, ["/targets/0/model_id"]);
    assert_eq!(put(json!({"prevalence": 0, "x": 1})).await, ["/model_id", "/prevalence", "/x"]);
    scene.client.get("/v1/aliases/champion").send().await.expect_problem(404, "not-found");
    for name in ["-a", "a%20b", &"x".repeat(101)] {
        let reply = scene.put(name).json(&json!({"model_id": scene.one["id"]})).send().await;
        reply.expect_problem(400, "malformed-request");
    }
    scene.set_alias("champion", &json!({"model_id": scene.one["id"]})).await;
    let call =
        scene.client.post("/v1/aliases/champion/predict").header("evenkeel-request-key", "a b").json(&question());
    assert_eq!(places(&call.send().await.expect_problem(422, "invalid-request")), ["?Evenkeel-Request-Key"]);
}

#[tokio::test]
async fn aliases_are_listed_and_limited() {
    let scene = Scene::with(App::with(Engine::Sqlite, &["--max-aliases", "3"]).await).await;
    for (name, model) in [("first", &scene.one), ("second", &scene.two), ("third", &scene.one)] {
        scene.set_alias(name, &json!({"model_id": model["id"]})).await;
    }
    let names = async |query: &str| -> Vec<Value> {
        let aliases = scene.client.list("/v1/aliases", query).await;
        aliases.iter().map(|alias| alias["name"].clone()).collect()
    };
    assert_eq!(names("").await, ["third", "second", "first"]);
    assert_eq!(names(&format!("&model_id={}", scene.two["id"].as_str().unwrap())).await, ["second"]);
    let page = scene.client.get("/v1/aliases?page_size=2").send().await.expect_status(200);
    let next = format!("/v1/aliases?page_size=2&page_token={}", page["next_page_token"].as_str().unwrap());
    assert_eq!(scene.client.get(&next).send().await.expect_status(200)["items"][0]["name"], "first");
    let fourth = scene.put("fourth").json(&json!({"model_id": scene.one["id"]})).send().await;
    fourth.expect_problem(409, "too-many-aliases");
    scene.set_alias("third", &json!({"model_id": scene.two["id"]})).await;
}

#[tokio::test]
async fn a_split_goes_by_key_and_by_weight() {
    let mut scene = Scene::set().await;
    let split =
        json!({"targets": [{"model_id": scene.one["id"], "weight": 3}, {"model_id": scene.two["id"], "weight": 1}]});
    assert_eq!(scene.set_alias("champion", &split).await["model_id"], Value::Null);
    let versions = async |client: &Client, header: &str| -> Vec<u64> {
        let mut versions = Vec::new();
        for key in 0..200 {
            let call = client.post("/v1/aliases/champion/predict").header(header, &format!("customer-{key}"));
            versions.push(call.json(&question()).send().await.expect_status(200)["version"].as_u64().unwrap());
        }
        versions
    };
    let by_key = versions(&scene.client, "evenkeel-request-key").await;
    let second = by_key.iter().filter(|version| **version == 2).count();
    // Five standard deviations of a binomial of 200 and a quarter.
    assert!((20..=80).contains(&second), "{second} of 200");
    assert_eq!(versions(&scene.client, "x-request-id").await, by_key, "it takes the place of the key");
    scene.app.restart();
    scene.client = scene.app.client();
    assert_eq!(versions(&scene.client, "evenkeel-request-key").await, by_key, "a restart changes nothing");
    let more =
        json!({"targets": [{"model_id": scene.one["id"], "weight": 2}, {"model_id": scene.two["id"], "weight": 2}]});
    scene.set_alias("champion", &more).await;
    let after = versions(&scene.client, "evenkeel-request-key").await;
    let changed: BTreeSet<(u64, u64)> =
        by_key.into_iter().zip(after).filter(|(before, after)| before != after).collect();
    assert_eq!(changed, BTreeSet::from([(1, 2)]), "keys go to the model that has gained weight and no other way");
    // Without a key, chance: all of forty at one model is as likely as one in 2³⁹.
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        seen.insert(ask(&scene.client, "champion").await["version"].as_u64().unwrap());
    }
    assert_eq!(seen, BTreeSet::from([1, 2]));
}

#[tokio::test]
async fn an_alias_has_a_prevalence_and_a_request_another() {
    let scene = Scene::set().await;
    scene.set_alias("champion", &json!({"model_id": scene.one["id"], "prevalence": 0.01})).await;
    let path = format!("/v1/models/{}/predict", scene.one["id"].as_str().unwrap());
    let with = |prevalence: f64| {
        let mut body = question();
        body["prevalence"] = json!(prevalence);
        body
    };
    let direct = scene.client.post(&path).json(&with(0.01)).send().await.expect_status(200);
    let by_alias = ask(&scene.client, "champion").await;
    assert_eq!((&by_alias["prevalence"], &by_alias["predictions"]), (&json!(0.01), &direct["predictions"]));
    assert_ne!(by_alias["predictions"], ask_model(&scene.client, &scene.one).await["predictions"]);
    let other = scene.client.post(&path).json(&with(0.2)).send().await.expect_status(200);
    let asked = scene.client.post("/v1/aliases/champion/predict").json(&with(0.2)).send().await.expect_status(200);
    assert_eq!(asked["predictions"], other["predictions"]);
}

#[tokio::test]
async fn a_shadow_is_compared_and_never_seen() {
    let scene = Scene::set().await;
    scene.set_alias("champion", &json!({"model_id": scene.one["id"], "shadow": {"model_id": scene.two["id"]}})).await;
    let (mut answers, mut shadows) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let body =
            json!({"rows": [data::row(f64::from(number) / 10.0, 1.0), data::row(1.0, f64::from(number) / 10.0)]});
        let ask = async |path: &str| scene.client.post(path).json(&body).send().await.expect_status(200);
        let answer = ask("/v1/aliases/champion/predict").await;
        assert_eq!(answer["version"], 1);
        answers.extend(answer["predictions"].as_array().unwrap().clone());
        let shadow = ask(&format!("/v1/models/{}/predict", scene.two["id"].as_str().unwrap())).await;
        shadows.extend(shadow["predictions"].as_array().unwrap().clone());
    }
    let found = compared(&scene.client, 20).await;
    let comparison = &found["comparisons"][0];
    assert_eq!((&comparison["model_id"], &found["shadow"]["model_id"]), (&scene.one["id"], &scene.two["id"]));
    assert_eq!(
        (&comparison["rows"], &comparison["failed_requests"], &comparison["dropped_requests"]),
        (&json!(40), &json!(0), &json!(0))
    );
    let pairs = || answers.iter().zip(&shadows);
    let only_shadow = pairs().filter(|(answer, shadow)| answer["label"] == "no" && shadow["label"] == "yes").count();
    let differing = pairs().filter(|(answer, shadow)| answer["label"] != shadow["label"]).count();
    assert_eq!(comparison["only_shadow_positive"], only_shadow);
    assert_eq!(comparison["label_disagreements"], differing);
    let probability = |prediction: &Value| prediction["probability"].as_f64().unwrap();
    let sum: f64 = pairs().map(|(answer, shadow)| (probability(shadow) - probability(answer)).abs()).sum();
    assert!((comparison["absolute_difference_sum"].as_f64().unwrap() - sum).abs() < 1e-9, "{comparison:#} {sum}");
    assert!((comparison["mean_absolute_difference"].as_f64().unwrap() - sum / 40.0).abs() < 1e-9);
    // Without the shadow's file its failures are counted, and the answers come as before.
    let mut scene = scene;
    scene.app.lose_blob(scene.two["sha256"].as_str().unwrap());
    scene.app.restart();
    scene.client = scene.app.client();
    assert_eq!(ask(&scene.client, "champion").await["version"], 1);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = scene.client.get("/v1/aliases/champion/shadow").send().await.expect_status(200);
        if found["comparisons"][0]["failed_requests"] == 1 {
            assert_eq!(
                found["comparisons"][0]["requests"], 20,
                "what was counted before the restart is there: {found:#}"
            );
            break;
        }
        assert!(Instant::now() < deadline, "{found:#}");
    }
    scene.set_alias("champion", &json!({"model_id": scene.one["id"]})).await;
    let found = scene.client.get("/v1/aliases/champion/shadow").send().await.expect_status(200);
    assert_eq!((&found["shadow"], &found["comparisons"]), (&Value::Null, &json!([])));
}

/// The comparison once so many requests are in it.
async fn compared(client: &Client, requests: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = client.get("/v1/aliases/champion/shadow").send().await.expect_status(200);
        if found["comparisons"][0]["requests"] == requests {
            return found;
        }
        assert!(Instant::now() < deadline, "the shadow does not keep up: {found:#}");
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_gets_no_requests() {
    let scene = Scene::set().await;
    scene.set_alias("champion", &json!({"model_id": scene.one["id"]})).await;
    scene.app.lose_blob(scene.two["sha256"].as_str().unwrap());
    let call = scene.put("champion").header("if-match", "*").json(&json!({"model_id": scene.two["id"]}));
    call.send().await.expect_problem(500, "internal-error");
    assert_eq!(ask(&scene.client, "champion").await["version"], 1);
}

#[tokio::test]
async fn moves_lose_no_request() {
    let scene = Scene::set().await;
    scene.set_alias("champion", &json!({"model_id": scene.one["id"]})).await;
    let moving = async {
        for step in 0..20 {
            let model = if step % 2 == 0 { &scene.two } else { &scene.one };
            scene.set_alias("champion", &json!({"model_id": model["id"]})).await;
        }
    };
    let asking = async {
        for _ in 0..200 {
            ask(&scene.client, "champion").await;
        }
    };
    futures::join!(moving, asking, async {
        for _ in 0..200 {
            ask(&scene.client, "champion").await;
        }
    });
    assert_eq!(ask(&scene.client, "champion").await["version"], 1);
}

#[tokio::test]
async fn another_server_hears_of_a_move_on_sqlite() {
    another_server_hears_of_a_move(Engine::Sqlite).await;
}

#[tokio::test]
async fn another_server_hears_of_a_move_on_postgresql() {
    if postgres_url().is_some() {
        another_server_hears_of_a_move(Engine::Postgres).await;
    }
}

async fn another_server_hears_of_a_move(engine: Engine) {
    let scene = Scene::with(App::with(engine, &[]).await).await;
    let other = scene.app.beside();
    let there = other.client();
    scene.set_alias("champion", &json!({"model_id": scene.one["id"]})).await;
    assert_eq!(ask(&there, "champion").await["version"], 1, "a new alias is known at once");
    scene.set_alias("champion", &json!({"model_id": scene.two["id"]})).await;
    let moved = Instant::now();
    while ask(&there, "champion").await["version"] != 2 {
        assert!(moved.elapsed() < PATIENCE, "the other server does not hear of it");
    }
    // The old model may go, also while the other server still knows the alias as it was.
    scene.delete_model(&scene.one).await.expect_status(204);
    assert_eq!(ask(&there, "champion").await["version"], 2);
    let tag = scene.client.get("/v1/aliases/champion").send().await.header("etag");
    scene.client.delete("/v1/aliases/champion").header("if-match", &tag).send().await.expect_status(204);
    let deleted = Instant::now();
    while there.post("/v1/aliases/champion/predict").json(&question()).send().await.status != 404 {
        assert!(deleted.elapsed() < PATIENCE, "the other server does not hear of it");
    }
}
