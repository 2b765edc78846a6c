//! Where a network looks in a picture: drawn, in numbers, and refused with a reason.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::archives::pictures::{crosses, grey, png};
use crate::support::app::{App, Engine};
use crate::support::client::{Client, Reply, places};
use crate::support::data;

/// A network that keeps every pixel to its end.
fn looking() -> Value {
    json!({"type": "cnn", "layers": [
        {"type": "conv", "filters": 8}, {"type": "batch_norm"}, {"type": "activation"},
        {"type": "conv", "filters": 8}, {"type": "activation"}, {"type": "global_max_pool"}]})
}

struct Trained {
    _app: App,
    client: Client,
    dataset: Value,
    model: Value,
    path: String,
}

async fn trained(flags: &[&str]) -> Trained {
    let app = App::with(Engine::Sqlite, flags).await;
    let client = app.client();
    let call = client.post("/v1/datasets?name=crosses").header("content-type", "application/zip").body(crosses(240, 5));
    let dataset = call.send().await.expect_status(201);
    let model = client.train(&dataset, job(looking())).await;
    let path = format!("/v1/models/{}/heat-map", model["id"].as_str().unwrap());
    Trained { _app: app, client, dataset, model, path }
}

fn job(model: Value) -> Value {
    json!({
        "model": model, "training": {"epochs": 30}, "resample": [{"method": "random_over_sampler"}],
        "evaluation": {"bootstrap": 0},
    })
}

/// A line across, and the cross's other line, which is what tells them apart.
fn cross() -> Vec<u8> {
    png(&grey(8, 8, |y, x| if y == 3 || x == 6 { 210 } else { 10 }))
}

async fn ask(client: &Client, path: &str, accept: &str, picture: Vec<u8>) -> Reply {
    client.post(path).header("content-type", "image/png").header("accept", accept).body(picture).send().await
}

#[tokio::test]
async fn a_map_is_drawn_over_the_picture_and_told_in_numbers() {
    let Trained { client, model, path, _app, .. } = trained(&[]).await;
    let told = ask(&client, &path, "application/json", cross()).await.expect_status(200);
    let predict = path.replace("heat-map", "predict");
    let call = client.post(&predict).header("content-type", "image/png").body(cross());
    let predicted = call.send().await.expect_status(200)["predictions"][0].clone();
    assert_eq!((&told["label"], &told["probability"]), (&predicted["label"], &predicted["probability"]));
    assert_eq!((&told["model_id"], &told["positive_label"]), (&model["id"], &json!("cross")));
    let map = &told["heat_map"];
    assert_eq!((&map["label"], &map["height"], &map["width"]), (&told["label"], &json!(8), &json!(8)));
    let lines: Vec<Vec<f64>> = serde_json::from_value(map["values"].clone()).unwrap();
    assert!(lines.len() == 8 && lines.iter().all(|line| line.len() == 8));
    let all: Vec<f64> = lines.concat();
    assert!(all.iter().all(|value| (0.0..=1.0).contains(value)) && map["peak"].as_f64().unwrap() > 0.0, "{map:#}");
    assert_eq!(all.iter().copied().fold(0.0, f64::max), 1.0);

    // The answer is a picture unless JSON is preferred, and the same every time.
    let drawn = ask(&client, &path, "*/*", cross()).await;
    assert_eq!((drawn.status, drawn.header("content-type")), (200, "image/png".to_owned()));
    assert_eq!(drawn.header("evenkeel-model-id"), model["id"].as_str().unwrap());
    assert_eq!(drawn.header("evenkeel-label"), told["label"].as_str().unwrap());
    assert_eq!(drawn.header("evenkeel-heat-map-label"), told["label"].as_str().unwrap());
    assert_eq!(drawn.header("evenkeel-probability").parse::<f64>().unwrap(), told["probability"].as_f64().unwrap());
    assert_eq!(ask(&client, &path, "image/*", cross()).await.bytes, drawn.bytes);
    let shown = image::load_from_memory(&drawn.bytes).unwrap().into_rgb8();
    assert_eq!(shown.dimensions(), (224, 224));
    let bare = ask(&client, &format!("{path}?opacity=0&side=20"), "image/png", cross()).await;
    let bare = image::load_from_memory(&bare.bytes).unwrap().into_rgb8();
    assert_eq!(bare.dimensions(), (24, 24));
    assert_eq!(
        [bare.get_pixel(1, 10).0, bare.get_pixel(1, 1).0, bare.get_pixel(19, 1).0],
        [[210; 3], [10; 3], [210; 3]]
    );
    // The hottest pixel has the palette's last colour over it.
    let hottest = all.iter().position(|value| *value == 1.0).unwrap() as u32;
    let whole = ask(&client, &format!("{path}?opacity=1&side=8"), "image/png", cross()).await;
    let whole = image::load_from_memory(&whole.bytes).unwrap().into_rgb8();
    assert_eq!(whole.get_pixel(hottest % 8, hottest / 8).0, [0xfc, 0xff, 0xa4]);

    // What speaks for the one class does not speak for the other.
    let of = async |label: &str| {
        let told = ask(&client, &format!("{path}?label={label}"), "application/json", cross()).await.expect_status(200);
        assert_eq!(told["heat_map"]["label"], label);
        serde_json::from_value::<Vec<Vec<f64>>>(told["heat_map"]["values"].clone()).unwrap().concat()
    };
    let (for_cross, for_bar) = (of("cross").await, of("bar").await);
    assert!(for_cross.iter().zip(&for_bar).all(|(a, b)| *a == 0.0 || *b == 0.0));
}

#[tokio::test]
async fn a_picture_comes_in_every_form_and_by_alias() {
    let Trained { client, model, path, _app, .. } = trained(&[]).await;
    let expected = ask(&client, &path, "application/json", cross()).await.expect_status(200);
    let text = BASE64_STANDARD.encode(cross());
    let json_body = |path: &str, body: Value| client.post(path).header("accept", "application/json").json(&body);
    let rows = json!({"rows": [{"image": text, "note": 1}]});
    let told = json_body(&path, rows).send().await.expect_status(200);
    assert_eq!((&told["heat_map"], &told["ignored_columns"]), (&expected["heat_map"], &json!(["note"])));
    let columns = json!({"columns": ["image"], "data": [[text]], "threshold": 0, "prevalence": 0.5});
    let told = json_body(&path, columns).send().await.expect_status(200);
    assert_eq!((&told["label"], &told["threshold"], &told["prevalence"]), (&json!("cross"), &json!(0.0), &json!(0.5)));
    let form = Form::new().part("x", Part::bytes(cross()).file_name("a.png"));
    let call = client.post(&path).header("accept", "application/json").multipart(form);
    assert_eq!(call.send().await.expect_status(200), expected);
    let surely = format!("{path}?threshold=1&prevalence=0.01");
    let told = ask(&client, &surely, "application/json", cross()).await.expect_status(200);
    assert_eq!((&told["label"], &told["heat_map"]["label"]), (&json!("bar"), &json!("bar")));

    let alias = "/v1/aliases/looks";
    client.call("put", alias).json(&json!({"model_id": model["id"]})).send().await.expect_status(201);
    let by_alias = format!("{alias}/heat-map");
    let told = ask(&client, &by_alias, "application/json", cross()).await;
    assert_eq!((told.header("evenkeel-alias"), told.header("evenkeel-model-version")), ("looks".into(), "1".into()));
    let told = told.expect_status(200);
    assert_eq!((&told["alias"], &told["heat_map"]), (&json!("looks"), &expected["heat_map"]));
    let unknown = ask(&client, "/v1/aliases/nobody/heat-map", "*/*", cross()).await;
    unknown.expect_problem(404, "not-found");
    let call = client.post(&by_alias).header("content-type", "image/png").header("evenkeel-request-key", "a b");
    call.body(cross()).send().await.expect_problem(422, "invalid-request");
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let Trained { client, path, _app, .. } = trained(&["--max-body-bytes", "20000"]).await;
    let send = |media: &str, body: Vec<u8>| client.post(&path).header("content-type", media).body(body);
    for media in ["text/csv", "application/zip", "application/vnd.apache.parquet", "text/plain"] {
        send(media, cross()).send().await.expect_problem(415, "unsupported-media-type");
    }
    let call = send("image/png", cross()).header("accept", "image/jpeg, application/json;q=0");
    call.send().await.expect_problem(406, "not-acceptable");
    let broken = |bytes: Vec<u8>| send("image/png", bytes).send();
    for bytes in [Vec::new(), b"hello".to_vec(), cross()[..50].to_vec()] {
        broken(bytes).await.expect_problem(422, "invalid-rows");
    }
    broken(vec![0; 20_001]).await.expect_problem(413, "payload-too-large");
    send("application/json", b"{".to_vec()).send().await.expect_problem(400, "malformed-json");
    send("multipart/form-data; boundary=b", b"x".to_vec()).send().await.expect_problem(400, "malformed-request");
    let text = BASE64_STANDARD.encode(cross());
    let two = client.post(&path).json(&json!({"rows": [{"image": text}, {"image": "?"}]})).send().await;
    let problem = two.expect_problem(422, "invalid-rows");
    assert_eq!(problem["errors"], json!([{"detail": "2 pictures; a heat map is of one"}]));
    client.post(&path).json(&json!({"rows": []})).send().await.expect_problem(422, "invalid-rows");
    let missing = client.post(&path).json(&json!({"rows": [{"image": null}]})).send().await;
    assert_eq!(places(&missing.expect_problem(422, "invalid-rows")), ["1:image"]);
    let form = Form::new().part("a", Part::bytes(cross())).part("b", Part::bytes(cross()));
    client.post(&path).multipart(form).send().await.expect_problem(422, "invalid-rows");
    let query = "?label=circle&opacity=2&side=0&threshold=7&prevalence=0&tta=flips";
    let wrong = ask(&client, &format!("{path}{query}"), "*/*", cross()).await.expect_problem(422, "invalid-request");
    let mut found = places(&wrong);
    found.sort();
    assert_eq!(found, ["?label", "?opacity", "?prevalence", "?side", "?threshold", "?tta"]);
    let wrong = client.post(&format!("{path}?threshold=0.5")).json(&json!({"rows": [{"image": text}]})).send().await;
    assert_eq!(places(&wrong.expect_problem(422, "invalid-request")), ["?threshold"]);
    let nothing = "/v1/models/0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e/heat-map";
    ask(&client, nothing, "*/*", cross()).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn models_that_do_not_look_have_no_map() {
    let Trained { client, dataset, _app, .. } = trained(&[]).await;
    let flat = json!({"type": "cnn", "layers": [{"type": "dense", "units": 4}, {"type": "activation"}]});
    let table = client.upload("", data::csv(160)).await;
    let models = [
        client.train(&dataset, job(json!({"type": "mlp", "hidden_layers": [4]}))).await,
        client.train(&dataset, job(flat)).await,
        client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await,
        client.train(&table, data::quick()).await,
    ];
    for model in models {
        let path = format!("/v1/models/{}/heat-map", model["id"].as_str().unwrap());
        let problem = ask(&client, &path, "*/*", cross()).await.expect_problem(422, "invalid-request");
        assert!(problem["detail"].as_str().unwrap().contains("part by part"), "{problem:#}");
    }
}

#[tokio::test]
async fn the_line_is_bounded() {
    let Trained { client, path, _app, .. } = trained(&["--max-concurrent-predictions", "1"]).await;
    let large = png(&grey(1500, 1500, |y, x| (y * 7 + x) as u8));
    let (mut answered, mut refused) = (0, 0);
    // How many of these meet is up to the machine; that some do is certain before long, and each is answered.
    while answered == 0 || refused == 0 {
        let calls = (0..4).map(|_| ask(&client, &path, "*/*", large.clone()));
        for reply in futures::future::join_all(calls).await {
            if reply.status == 200 {
                answered += 1;
            } else {
                reply.expect_problem(429, "too-many-requests");
                refused += 1;
            }
        }
    }
}
