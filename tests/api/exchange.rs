//! Models out and in: exported, imported by another server, the same there to the last bit; and files that are no models.

use std::process::Command;

use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::app::{App, Engine};
use crate::support::client::{Client, Reply, places};
use crate::support::data;

/// A server with a model, and its artifact.
struct Origin {
    _app: App,
    client: Client,
    model: Value,
    artifact: Vec<u8>,
}

async fn origin(job: Value) -> Origin {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let model = client.train(&dataset, job).await;
    let artifact = client.get(&path(&model, "artifact")).send().await;
    artifact.expect_bytes();
    Origin { _app: app, client, artifact: artifact.bytes, model }
}

fn path(model: &Value, part: &str) -> String {
    format!("/v1/models/{}/{part}", model["id"].as_str().unwrap())
}

async fn import(client: &Client, query: &str, bytes: impl Into<reqwest::Body>) -> Reply {
    let call = client.post(&format!("/v1/models{query}")).header("content-type", "application/octet-stream");
    call.body(bytes).send().await
}

/// Rows of which some lack values or have categories that no training row had.
fn rows() -> Value {
    let mut rows: Vec<Value> = (0..40).map(|row| data::row(f64::from(row) / 9.0, 4.0 - f64::from(row) / 7.0)).collect();
    rows.push(json!({"height": null, "width": null, "colour": null, "age": null}));
    rows.push(json!({"height": 1e12, "width": -1e12, "colour": "ultraviolet", "age": 31}));
    json!({ "rows": rows })
}

#[tokio::test]
async fn an_imported_model_predicts_as_the_original_to_the_last_bit() {
    for job in [data::quick(), json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 20}})] {
        let here = origin(job).await;
        for engine in [Engine::Sqlite, Engine::Postgres] {
            if engine == Engine::Postgres && crate::support::app::postgres_url().is_none() {
                continue;
            }
            let there = App::with(engine, &["--workers", "0"]).await;
            let client = there.client();
            let reply = import(&client, "?name=from%20afar", here.artifact.clone()).await;
            let model = reply.expect_status(201);
            assert_eq!(reply.header("location"), format!("/v1/models/{}", model["id"].as_str().unwrap()));
            let shown = client.get(&reply.header("location")).send().await;
            assert_eq!((shown.expect_status(200), shown.header("etag")), (model.clone(), reply.header("etag")));
            assert_eq!((&model["origin"], &here.model["origin"]), (&json!("import"), &json!("training")));
            assert_eq!((&model["job_id"], &model["dataset_id"]), (&Value::Null, &Value::Null));
            assert_eq!((&model["name"], &model["version"]), (&json!("from afar"), &json!(1)));
            for same in ["sha256", "size_bytes", "threshold", "positive_label", "negative_label", "features", "verdict"]
            {
                assert_eq!(model[same], here.model[same], "{same}");
            }
            let answers = async |client: &Client, model: &Value| {
                let reply = client.post(&path(model, "predict")).json(&rows()).send().await;
                reply.expect_status(200)["predictions"].clone()
            };
            // Numbers as texts: equal texts are equal bits.
            assert_eq!(
                answers(&client, &model).await.to_string(),
                answers(&here.client, &here.model).await.to_string()
            );
            let again = client.get(&path(&model, "artifact")).send().await;
            assert_eq!(again.bytes, here.artifact);
        }
    }
}

#[tokio::test]
async fn the_report_comes_along_and_what_stays_behind_says_so() {
    let here = origin(data::quick()).await;
    let there = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let client = there.client();
    let model = import(&client, "?name=m", here.artifact.clone()).await.expect_status(201);
    let report = async |client: &Client, model: &Value| client.get(&path(model, "report")).send().await.json();
    assert_eq!(report(&client, &model).await, report(&here.client, &here.model).await);
    let mut training = here.model["training"].clone();
    training["examples_per_second"] = Value::Null;
    assert_eq!(model["training"], training);
    for part in ["diagnosis", "thresholds", "importance"] {
        let problem = client.get(&path(&model, part)).send().await.expect_problem(409, "not-available");
        assert!(problem["detail"].as_str().unwrap().contains("imported"), "{problem}");
    }
    let page = client.get(&path(&model, "report.html")).send().await.text();
    assert!(page.contains("imported") && !page.contains("has been deleted"), "the page knows that it was imported");
    client.get(&path(&model, "plots/learning_curves.svg")).send().await.expect_bytes();
    client.get(&path(&model, "plots/roc.svg")).send().await.expect_bytes();
    client.get(&path(&model, "threshold")).send().await.expect_status(200);
    let listed = client.list("/v1/models", "&name=m").await;
    assert_eq!(listed, std::slice::from_ref(&model));
    client.delete(&format!("/v1/models/{}", model["id"].as_str().unwrap())).send().await.expect_status(204);
}

#[tokio::test]
async fn a_changed_threshold_travels_with_the_report_that_belongs_to_it() {
    let here = origin(data::quick()).await;
    let call = here.client.call("put", &path(&here.model, "threshold")).header("if-match", "*");
    call.json(&json!({"value": 0.9})).send().await.expect_status(200);
    let artifact = here.client.get(&path(&here.model, "artifact")).send().await.bytes;
    assert_ne!(artifact, here.artifact);
    let there = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let model = import(&there.client(), "?name=m", artifact).await.expect_status(201);
    assert_eq!(model["threshold"]["value"], 0.9);
    let report = there.client().get(&path(&model, "report")).send().await.json();
    assert_eq!(report, here.client.get(&path(&here.model, "report")).send().await.json());
}

#[tokio::test]
async fn versions_count_on_and_a_key_imports_once() {
    let here = origin(data::quick()).await;
    let client = &here.client;
    let name = here.model["name"].as_str().unwrap();
    let send = async |key: &str, name: &str, bytes: Vec<u8>| {
        let call = client.post("/v1/models").query("name", name).header("content-type", "application/octet-stream");
        call.header("idempotency-key", key).body(bytes).send().await
    };
    let first = send("one", name, here.artifact.clone()).await.expect_status(201);
    assert_eq!(first["version"], 2, "the next version of the name");
    assert_eq!(send("one", name, here.artifact.clone()).await.expect_status(201), first);
    send("one", "another", here.artifact.clone()).await.expect_problem(422, "idempotency-key-reused");
    let mut other = here.artifact.clone();
    other.push(0);
    send("one", name, other.clone()).await.expect_problem(422, "idempotency-key-reused");
    // A refusal frees the key.
    send("two", name, other).await.expect_problem(422, "invalid-model");
    assert_eq!(send("two", name, here.artifact.clone()).await.expect_status(201)["version"], 3);
}

#[tokio::test]
async fn what_is_no_model_is_refused_and_leaves_nothing() {
    let here = origin(data::quick()).await;
    let there = App::with(Engine::Sqlite, &["--workers", "0", "--max-artifact-bytes", "200000"]).await;
    let client = there.client();
    let sha256 = here.model["sha256"].as_str().unwrap();
    let wrong = "0".repeat(64);
    import(&client, &format!("?name=m&sha256={wrong}"), here.artifact.clone())
        .await
        .expect_problem(422, "invalid-model");
    for bytes in [Vec::new(), b"PK\x03\x04".to_vec(), here.artifact[..here.artifact.len() - 1].to_vec()] {
        import(&client, "?name=m", bytes).await.expect_problem(422, "invalid-model");
    }
    let problem =
        import(&client, "?nmae=m&sha256=xyz", here.artifact.clone()).await.expect_problem(422, "invalid-request");
    let mut found = places(&problem);
    found.sort();
    assert_eq!(found, ["?name", "?nmae", "?sha256"]);
    import(&client, "?name=m", vec![0; 200_001]).await.expect_problem(413, "payload-too-large");
    let call = client.post("/v1/models?name=m").header("content-type", "application/json").body("{}");
    call.send().await.expect_problem(415, "unsupported-media-type");
    let bare = bare(&here.artifact);
    let problem = import(&client, "?name=m", bare).await.expect_problem(422, "invalid-model");
    assert!(problem["detail"].as_str().unwrap().contains("training and worth"), "{problem}");
    assert_eq!(client.list("/v1/models", "").await, Vec::<Value>::new());
    let upper = sha256.to_uppercase();
    let model = import(&client, &format!("?name=m&sha256={upper}"), here.artifact).await.expect_status(201);
    assert_eq!(model["version"], 1);
}

/// The model without its card.
fn bare(artifact: &[u8]) -> Vec<u8> {
    evenkeel::ml::model::Model::from_bytes(artifact).unwrap().to_bytes().unwrap()
}

#[tokio::test]
async fn a_forged_card_is_refused() {
    let here = origin(data::quick()).await;
    let model = evenkeel::ml::model::Model::from_bytes(&here.artifact).unwrap();
    let card = evenkeel::ml::model::card_of(&here.artifact).unwrap().unwrap();
    let card: Value = serde_json::from_slice(&card).unwrap();
    for (pointer, value, expected) in [
        ("/format_version", json!(2), "version 2"),
        ("/verdict", json!("wonderful"), "cannot be read"),
        ("/report/computed_on", json!("training"), "test rows"),
        ("/report/positives", json!(1_000_000), "more positives than rows"),
        ("/report/prevalence", json!(2.0), "not a share"),
        ("/report/confusion_matrix/tp", json!(u64::MAX), "other rows"),
        ("/report/per_class", json!({}), "other classes"),
        ("/report/metrics", json!({"a": "x".repeat(20_000)}), "more than 10000 characters"),
        ("/training/stopped_by", json!("<script>"), "no known way"),
        ("/training/dropped_columns", json!(vec![""; 300_000]), "more than 200000 items"),
    ] {
        let mut forged = card.clone();
        *forged.pointer_mut(pointer).unwrap() = value;
        let bytes = model.to_bytes_with_card(forged.to_string().as_bytes()).unwrap();
        let problem = import(&here.client, "?name=m", bytes).await.expect_problem(422, "invalid-model");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{pointer}: {problem}");
    }
}

#[tokio::test]
async fn a_model_is_exported_as_onnx_with_a_tag_of_its_own() {
    let here = origin(data::quick()).await;
    let (client, path) = (&here.client, path(&here.model, "artifact?format=onnx"));
    let reply = client.get(&path).send().await;
    reply.expect_bytes();
    let file = evenkeel::ml::onnx::proto::ModelProto::decode(reply.bytes.as_slice()).unwrap();
    let names: Vec<&str> = file.graph.as_ref().unwrap().input.iter().map(|input| input.name()).collect();
    let features = here.model["features"].as_array().unwrap();
    assert_eq!(names, features.iter().map(|feature| feature["name"].as_str().unwrap()).collect::<Vec<_>>());
    let told = file.metadata_props.iter().find(|entry| entry.key() == "evenkeel.artifact_sha256").unwrap();
    assert_eq!(told.value(), format!("{:x}", Sha256::digest(&here.artifact)));
    let id = here.model["id"].as_str().unwrap();
    assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"{id}.onnx\""));
    assert_eq!(reply.header("content-length"), reply.bytes.len().to_string());
    let tag = reply.header("etag");
    assert_ne!(tag, format!("\"{}\"", here.model["sha256"].as_str().unwrap()));
    assert_eq!(client.get(&path).header("if-none-match", &tag).send().await.status, 304);
    client.get(&path.replace("onnx", "pickle")).send().await.expect_problem(422, "invalid-request");
}

#[tokio::test]
async fn to_import_takes_the_scope_to_train() {
    let app = App::with(Engine::Sqlite, &["--require-keys", "--workers", "0"]).await;
    let reply = import(&app.client_with(&app.create_key("read,predict")), "?name=m", "x").await;
    reply.expect_problem(403, "insufficient-scope");
    let reply = import(&app.client_with(&app.create_key("train")), "?name=m", "x").await;
    reply.expect_problem(422, "invalid-model");
}

/// What the command line trains is imported like any other, and exported by it as by the service.
#[tokio::test]
async fn the_command_line_exports_what_it_trained() {
    let scratch = tempfile::tempdir().unwrap();
    let file = |name: &str| scratch.path().join(name).display().to_string();
    std::fs::write(file("rows.csv"), data::csv(240)).unwrap();
    std::fs::write(file("job.json"), data::quick().to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_evenkeel")).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (rows, job, out) = (file("rows.csv"), file("job.json"), file("out"));
    let trained = run(&["train", "--data", &rows, "--config", &job, "--out", &out]);
    assert!(trained.0, "{}", trained.1);
    let exported = run(&["export", "--model", &out, "--out", &file("m.onnx"), "--name", "mine"]);
    assert!(exported.0, "{}", exported.1);
    let here =
        evenkeel::ml::onnx::proto::ModelProto::decode(std::fs::read(file("m.onnx")).unwrap().as_slice()).unwrap();
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let artifact = std::fs::read(file("out/model.safetensors")).unwrap();
    let model = import(&app.client(), "?name=mine", artifact).await.expect_status(201);
    let reply = app.client().get(&path(&model, "artifact?format=onnx")).send().await;
    let there = evenkeel::ml::onnx::proto::ModelProto::decode(reply.bytes.as_slice()).unwrap();
    assert_eq!(here.graph, there.graph);
    let (done, told) = run(&["export", "--model", &out, "--format", "pickle", "--out", &file("m.pickle")]);
    assert!(!done && told.contains("onnx"), "{told}");
    let (done, told) = run(&["export", "--model", &file("nowhere"), "--out", &file("m.onnx")]);
    assert!(!done && told.contains("model.safetensors"), "{told}");
}
