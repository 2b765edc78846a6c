//! Datasets of pictures: uploaded, trained on, asked about in every way.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::archives::pictures::{color, crosses, encoded, grey, png};
use crate::archives::{Member, Zip, hostile};
use crate::support::app::{App, Engine};
use crate::support::client::{Client, places};
use crate::support::data;

const ZIP: &str = "application/zip";

async fn upload(client: &Client, query: &str, bytes: Vec<u8>) -> Value {
    let call = client.post(&format!("/v1/datasets{query}")).header("content-type", ZIP).body(bytes);
    call.send().await.expect_status(201)
}

/// A bar, or a cross, of 8 × 8 pixels.
fn sample(is_cross: bool) -> image::DynamicImage {
    grey(8, 8, |y, x| if y == 3 || (is_cross && x == 4) { 210 } else { 10 })
}

/// A server with a model of crosses and bars.
struct Trained {
    app: App,
    client: Client,
    dataset: Value,
    model: Value,
    path: String,
}

async fn trained(flags: &[&str]) -> Trained {
    let app = App::with(Engine::Sqlite, flags).await;
    let client = app.client();
    let dataset = upload(&client, "?name=crosses", crosses(240, 5)).await;
    let model = client.train(&dataset, json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    Trained { app, client, dataset, model, path }
}

#[tokio::test]
async fn an_archive_becomes_a_dataset_that_can_be_looked_at() {
    let app = App::start().await;
    let client = app.client();
    let bytes = crosses(60, 5);
    let dataset = upload(&client, "", bytes.clone()).await;
    assert_eq!(dataset["format"], json!({"type": "zip", "manifest": null}));
    assert_eq!((&dataset["target"], &dataset["positive_label"]), (&json!("label"), &json!("cross")));
    assert_eq!(dataset["class_counts"], json!({"bar": 48, "cross": 12}));
    let image = &dataset["columns"][0];
    assert_eq!((&image["name"], &image["type"]), (&json!("image"), &json!("image")));
    assert_eq!(image["image"]["sizes"], json!([{"height": 8, "width": 8, "count": 60}]));
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    let rows = client.get(&format!("{path}/rows?limit=2")).send().await.expect_status(200);
    assert_eq!(rows["data"], json!([["cross/00000.png", "cross"], ["bar/00001.png", "bar"]]));
    let content = client.get(&format!("{path}/content")).send().await;
    assert_eq!(content.header("content-type"), ZIP);
    assert!(content.bytes == bytes, "the archive itself");
    let part = Part::bytes(bytes).file_name("crosses.zip").mime_str("application/octet-stream").unwrap();
    let call = client.post("/v1/datasets").multipart(Form::new().part("file", part));
    let again = call.send().await.expect_status(201);
    assert_eq!((&again["name"], &again["sha256"]), (&json!("crosses"), &dataset["sha256"]));
    let found = client.post(&format!("{path}/diagnose")).send().await.expect_status(200);
    assert!(found["findings"].is_array(), "{found:#}");
    client.delete(&path).send().await.expect_status(204);
}

#[tokio::test]
async fn a_manifest_brings_columns_and_another_target() {
    let app = App::start().await;
    let client = app.client();
    let rows: Vec<String> = (0..12)
        .map(|index| {
            format!("{{\"path\": \"{index}.png\", \"sick\": {}, \"site\": \"s{}\"}}", index % 4 == 0, index % 3)
        })
        .collect();
    let names: Vec<String> = (0..12).map(|index| format!("{index}.png")).collect();
    let pictures = names
        .iter()
        .zip(0_u8..)
        .map(|(name, index)| (name.as_str(), png(&grey(3, 4, |y, x| index + (9 * y + x) as u8))));
    let bytes = Zip::of(pictures.chain([("meta.jsonl", rows.join("\n").into_bytes())]));
    let dataset = upload(&client, "?manifest=meta.jsonl&target=sick&positive_label=true", bytes.clone()).await;
    assert_eq!(dataset["class_counts"], json!({"false": 9, "true": 3}));
    assert_eq!(dataset["columns"][0]["image"]["manifest"], "meta.jsonl");
    let refused = client.post("/v1/datasets?target=image").header("content-type", ZIP).body(bytes.clone());
    refused.send().await.expect_problem(422, "invalid-dataset");
    let refused = client.post("/v1/datasets?manifest=meta.jsonl&target=image").header("content-type", ZIP).body(bytes);
    let problem = refused.send().await.expect_problem(422, "invalid-request");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("column of pictures"), "{problem:#}");
    let call = client.post("/v1/datasets?manifest=a.csv").header("content-type", "text/csv").body(data::csv(9));
    call.send().await.expect_problem(422, "invalid-request");
}

#[tokio::test]
async fn hostile_archives_are_told_why() {
    let app = App::start().await;
    let client = app.client();
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for hostile in hostile::archives().into_iter().chain(hostile::datasets()).chain(hostile::files()) {
        let call = client.post("/v1/datasets").header("content-type", ZIP).body(hostile.bytes);
        let reply = call.send().await;
        assert!([413, 422].contains(&reply.status), "{}: {} {}", hostile.name, reply.status, reply.text());
        // Quotes within a reason are escaped in JSON.
        let said = reply.text().replace('\\', "");
        assert!(said.contains(hostile.reason), "{}: expected {:?} in {said}", hostile.name, hostile.reason);
        *statuses.entry(reply.status).or_default() += 1;
    }
    assert!(statuses[&422] > 70 && statuses[&413] >= 2, "{statuses:?}");
    let listed = client.get("/v1/datasets").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([]), "nothing of a refused upload is kept");
}

#[tokio::test]
async fn a_model_is_asked_in_every_way() {
    let Trained { app: _app, client, model, path, .. } = trained(&[]).await;
    let feature = &model["features"][0];
    assert_eq!(feature["picture"], json!({"shape": {"height": 8, "width": 8, "channels": 1}, "resize": "fit"}));
    let (bar, cross) = (png(&sample(false)), png(&sample(true)));
    let ask = |body: Value| client.post(&path).json(&body);
    let text = BASE64_STANDARD.encode(&cross);
    let rows = json!([{"image": text}, {"image": format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&bar))}]);
    let expected = ask(json!({"rows": rows})).send().await.expect_status(200)["predictions"].clone();
    assert_eq!((&expected[0]["label"], &expected[1]["label"]), (&json!("cross"), &json!("bar")), "{expected:#}");
    let columns = json!({"columns": ["image"], "data": [[text], [BASE64_STANDARD.encode(&bar)]]});
    assert_eq!(ask(columns).send().await.expect_status(200)["predictions"], expected);

    let raw =
        client.post(&path).header("content-type", "image/png").body(cross.clone()).send().await.expect_status(200);
    assert_eq!(raw["predictions"], json!([expected[0]]));
    let other = encoded(&sample(true), image::ImageFormat::Bmp);
    let raw = client.post(&path).header("content-type", "image/png").body(other).send().await.expect_status(200);
    assert_eq!(raw["predictions"], json!([expected[0]]), "what a picture is, its bytes say");

    let named = json!([
        {"path": "b.png", "label": expected[1]["label"], "probability": expected[1]["probability"]},
        {"path": "x", "label": expected[0]["label"], "probability": expected[0]["probability"]},
    ]);
    let form = Form::new().part("1", Part::bytes(bar.clone()).file_name("b.png")).part("x", Part::bytes(cross.clone()));
    let parts = client.post(&path).multipart(form).send().await.expect_status(200);
    assert_eq!(parts["predictions"], named);
    let archive = Zip::of([("b.png", bar), ("readme.txt", b"hello".to_vec()), ("in/x.png", cross)]);
    let zip =
        |accept: &str| client.post(&path).header("content-type", ZIP).header("accept", accept).body(archive.clone());
    let found = zip("*/*").send().await.expect_status(200);
    assert_eq!((&found["predictions"][0], &found["predictions"][1]["path"]), (&named[0], &json!("in/x.png")));
    let csv = zip("text/csv").send().await.text();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!((lines[0], lines.len()), ("path,label,probability", 3));
    assert!(lines[2].starts_with("in/x.png,cross,"), "{csv}");
    let ndjson = zip("application/x-ndjson").send().await.text();
    assert!(ndjson.starts_with("{\"path\":\"b.png\",\"label\":\"bar\","), "{ndjson}");
    for media in ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"] {
        zip(media).send().await.expect_bytes();
    }

    let csv = format!("image\n{text}\n{text}\n");
    let call = client.post(&path).header("content-type", "text/csv").body(csv);
    let found = call.send().await.expect_status(200);
    assert_eq!(found["predictions"], json!([expected[0], expected[0]]));
    let line = json!({"image": text}).to_string();
    let call = client.post(&path).header("content-type", "application/x-ndjson").body(line);
    assert!(call.send().await.text().contains("\"label\":\"cross\""));
}

#[tokio::test]
async fn small_pictures_pass_large_archives() {
    let Trained { app: _app, client, path, .. } = trained(&["--max-concurrent-predictions", "2"]).await;
    let large = crosses(3_000, 5);
    let ask = |media: &'static str, body: Vec<u8>| {
        let call = client.post(&path).header("content-type", media).body(body);
        async move { call.send().await.status }
    };
    let archives = futures::future::join_all((0..8).map(|_| ask(ZIP, large.clone())));
    let one = png(&sample(true));
    let pictures = async {
        let mut answers = Vec::new();
        for _ in 0..50 {
            answers.push(ask("image/png", one.clone()).await);
        }
        answers
    };
    let (archives, pictures) = futures::future::join(archives, pictures).await;
    assert_eq!(pictures, vec![200; 50], "what is tiny is never refused");
    assert!(archives.contains(&200) && archives.contains(&429), "{archives:?}");
    assert_eq!(ask("image/png", png(&grey(65, 65, |_, _| 10))).await, 200, "a larger one when its turn comes");
}

#[tokio::test]
async fn pictures_that_cannot_be_read_are_named() {
    let Trained { app: _app, client, path, .. } =
        trained(&["--max-picture-side", "100", "--max-picture-bytes", "5000"]).await;
    let cross = png(&sample(true));
    let (good, bad) = (BASE64_STANDARD.encode(&cross), BASE64_STANDARD.encode(&cross[..40]));
    let rows = json!({"rows": [{"image": good}, {"image": bad}, {"image": "???"}, {"image": null}, {"image": 7}]});
    let problem = client.post(&path).json(&rows).send().await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["2:image", "3:image", "4:image", "5:image"], "{problem:#}");
    let columns = json!({"columns": ["x", "image"], "data": [[1, good], [2, bad], [3], [4, null], [5, true]]});
    let problem = client.post(&path).json(&columns).send().await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["2:image", "3:-", "4:image", "5:image"], "{problem:#}");
    client.post(&path).json(&json!({"rows": [{"picture": good}]})).send().await.expect_problem(422, "invalid-rows");

    let zip = Zip::of([("a.png", cross.clone()), ("b.png", cross[..40].to_vec())]);
    let problem =
        client.post(&path).header("content-type", ZIP).body(zip).send().await.expect_problem(422, "invalid-rows");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().starts_with("\"b.png\": it is damaged"), "{problem:#}");
    let form = Form::new().part("x", Part::bytes(b"text".to_vec()).file_name("c.png"));
    let problem = client.post(&path).multipart(form).send().await.expect_problem(422, "invalid-rows");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().starts_with("\"c.png\": it is no picture"), "{problem:#}");
    let ask = |media: &str, body: Vec<u8>| client.post(&path).header("content-type", media).body(body);
    ask("image/png", Vec::new()).send().await.expect_problem(422, "invalid-rows");
    let wide = png(&grey(1, 101, |_, _| 0));
    let problem = ask("image/png", wide).send().await.expect_problem(422, "invalid-rows");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("100 a side"), "{problem:#}");
    let noise = png(&grey(90, 90, |y, x| (y.wrapping_mul(2_654_435_761).wrapping_add(x * x * 40_503) >> 7) as u8));
    let problem = ask("image/png", noise).send().await.expect_problem(422, "invalid-rows");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("at most 5000"), "{problem:#}");
    ask(ZIP, b"PK".to_vec()).send().await.expect_problem(422, "invalid-rows");
    ask("multipart/form-data", b"x".to_vec()).send().await.expect_problem(400, "malformed-request");
    for hostile in hostile::archives() {
        let reply = ask(ZIP, hostile.bytes).send().await;
        assert!([413, 422].contains(&reply.status), "{}: {}", hostile.name, reply.text());
    }
}

#[tokio::test]
async fn a_model_of_a_table_reads_no_pictures() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(160)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    for (media, body) in [("image/png", png(&sample(true))), (ZIP, crosses(3, 2))] {
        let call = client.post(&path).header("content-type", media).body(body);
        call.send().await.expect_problem(415, "unsupported-media-type");
    }
    let pictures = upload(&client, "", crosses(20, 4)).await;
    let job = json!({"type": "resample", "dataset_id": pictures["id"], "resample": [{"method": "smote"}]});
    let problem = client.post("/v1/jobs").json(&job).send().await.expect_problem(422, "invalid-request");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("resampled within training"), "{problem:#}");
    let base = json!({"model": {"type": "logistic"}});
    let candidates =
        json!([{"name": "a", "train": {}}, {"name": "b", "train": {"preprocess": {"image": {"size": [4, 4]}}}}]);
    let job = json!({"type": "compare", "dataset_id": pictures["id"], "base": base, "candidates": candidates});
    let problem = client.post("/v1/jobs").json(&job).send().await.expect_problem(422, "invalid-request");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("same pixels"), "{problem:#}");
}

#[tokio::test]
async fn jobs_score_archives() {
    let Trained { app: _app, client, dataset, model, .. } = trained(&[]).await;
    let mut zip = Zip::default();
    for (name, is_cross) in [("cross/a.png", true), ("bar/b.png", false), ("bar/c.png", false)] {
        zip.add(&Member::deflated(name, &png(&sample(is_cross))));
    }
    zip.add(&Member::deflated("cross/broken.png", b"\x89PNG"));
    // Of another size and colour than those that the model has learnt from.
    zip.add(&Member::stored(
        "cross/d.png",
        &png(&color(16, 16, |y, x| if y / 2 == 3 || x / 2 == 4 { [210; 3] } else { [10; 3] })),
    ));
    let other = upload(&client, "?name=other", zip.finish()).await;
    let request = |kind: &str, id: &Value| json!({"type": kind, "dataset_id": id, "model_id": model["id"]});
    let job = client.finish(&client.queue(&request("predict", &other["id"])).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let result = client.get(&format!("/v1/jobs/{}/result", job["id"].as_str().unwrap())).send().await.text();
    let rows: Vec<Vec<&str>> = result.lines().map(|line| line.split(',').take(2).collect()).collect();
    let expected: [[&str; 2]; 5] = [
        ["path", "label"],
        ["cross/a.png", "cross"],
        ["bar/b.png", "bar"],
        ["bar/c.png", "bar"],
        ["cross/d.png", "cross"],
    ];
    assert_eq!(rows, expected);
    let job = client.finish(&client.queue(&request("evaluate", &dataset["id"])).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    let reply = client.get(&format!("/v1/jobs/{}/result", job["id"].as_str().unwrap())).send().await;
    let report = &reply.json()["report"];
    assert_eq!(report["rows"], 240);
    assert!(report["metrics"]["average_precision"]["value"].as_f64().unwrap() > 0.9, "{report:#}");
}

#[tokio::test]
async fn the_inference_protocol_takes_pixels_and_files() {
    let Trained { app: _app, client, model, path, .. } = trained(&[]).await;
    let name = model["name"].as_str().unwrap();
    let metadata = client.get(&format!("/v2/models/{name}")).send().await.expect_status(200);
    assert_eq!(metadata["inputs"], json!([{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}]));
    let (bar, cross) = (sample(false), sample(true));
    let text = BASE64_STANDARD.encode(png(&cross));
    let rows = json!({"rows": [{"image": text}, {"image": BASE64_STANDARD.encode(png(&bar))}]});
    let expected = client.post(&path).json(&rows).send().await.expect_status(200)["predictions"].clone();
    let expected: Vec<&Value> = expected.as_array().unwrap().iter().map(|row| &row["probability"]).collect();
    let pixels: Vec<u8> = [cross.as_bytes(), bar.as_bytes()].concat();
    let infer = |input: Value| client.post(&format!("/v2/models/{name}/infer")).json(&json!({"inputs": [input]}));
    for (shape, datatype, data) in [
        (json!([2, 8, 8, 1]), "UINT8", json!(pixels)),
        (json!([2, 8, 8]), "FP32", json!(pixels)),
        (json!([2]), "BYTES", json!([text, BASE64_STANDARD.encode(png(&bar))])),
    ] {
        let input = json!({"name": "anything", "shape": shape, "datatype": datatype, "data": data});
        let answer = infer(input).send().await.expect_status(200);
        assert_eq!(answer["outputs"][0]["data"], json!(expected), "{datatype}");
    }
    let file = png(&cross);
    let head = json!({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES",
                                  "parameters": {"binary_data_size": file.len() + 4}}]})
    .to_string();
    let body = [head.as_bytes(), &(file.len() as u32).to_le_bytes(), &file].concat();
    let call = client.post(&format!("/v2/models/{name}/infer")).header("content-type", "application/octet-stream");
    let call = call.header("inference-header-content-length", &head.len().to_string()).body(body);
    assert_eq!(call.send().await.expect_status(200)["outputs"][0]["data"], json!([expected[0]]));
    for (shape, data, reason) in [
        (json!([1, 8, 8, 2]), json!(vec![0; 128]), "1 or 3 channels"),
        (json!([1, 8, 8]), json!(vec![0.25; 64]), "scaled already"),
        (json!([1, 8, 8]), json!(vec![1; 64]), "none above 1"),
        (json!([2, 8, 8]), json!([vec![0.5; 64], vec![200.0; 64]].concat()), "fractions of 1"),
        (json!([1, 8, 8]), json!(vec![300; 64]), "from 0 to 255"),
        (json!([1, 64]), json!(vec![0; 64]), "[N, H, W]"),
    ] {
        let input = json!({"name": "image", "shape": shape, "datatype": "FP32", "data": data});
        let reply = infer(input).send().await;
        assert!(reply.status == 400 && reply.text().contains(reason), "{}", reply.text());
    }
}

#[tokio::test]
async fn an_alias_is_warmed_up_with_a_black_picture() {
    let Trained { app: _app, client, model, .. } = trained(&[]).await;
    let call = client.call("put", "/v1/aliases/live").json(&json!({"model_id": model["id"]}));
    let reply = call.send().await;
    assert!([200, 201].contains(&reply.status), "{}", reply.text());
    let call = client.post("/v1/aliases/live/predict").header("content-type", "image/png").body(png(&sample(true)));
    assert_eq!(call.send().await.expect_status(200)["predictions"][0]["label"], "cross");
}

#[tokio::test]
async fn neighbours_are_looked_for_in_an_embedding() {
    let app = App::start().await;
    let client = app.client();
    let dataset = upload(&client, "", crosses(120, 5)).await;
    let steps = json!([{"method": "tomek_links", "space": "embedding"}, {"method": "smote", "space": "embedding"}]);
    let job = json!({
        "dataset_id": dataset["id"], "model": {"type": "cnn"}, "training": {"epochs": 1}, "evaluation": {"bootstrap": 0},
        "resample": steps,
    });
    let valid = client.post("/v1/jobs/validate").json(&job).send().await.expect_status(200);
    assert_eq!(valid["config"]["resample"][1]["space"], "embedding");
    let codes: Vec<&str> =
        valid["findings"].as_array().unwrap().iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert!(codes.contains(&"interpolated-pictures"), "{codes:?}");
    let job = client.finish(&client.queue(&job).await).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["config"]["resample"][0]["space"], "embedding");
    let table = client.upload("", data::csv(160)).await;
    for job in [
        json!({"dataset_id": table["id"], "resample": steps}),
        json!({"type": "resample", "dataset_id": table["id"], "resample": steps}),
    ] {
        let problem = client.post("/v1/jobs").json(&job).send().await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), ["/resample/0/space", "/resample/1/space"]);
    }
}
