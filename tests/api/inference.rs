//! The Open Inference Protocol over REST: the numbers of `predict`, however the rows come and the answers go.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::app::{App, Engine};
use crate::support::client::{Client, Reply};
use crate::support::contract::CONTRACT;
use crate::support::data;
use crate::support::inference::{Scene, column, columns, fp64, named, read_bits, read_texts, rows, texts};

/// The probabilities, bit for bit, and the labels of an answer in JSON.
fn outputs(answer: &Value) -> (Vec<u64>, Vec<String>) {
    let [probability, label] = ["probability", "label"].map(|name| {
        let outputs = answer["outputs"].as_array().unwrap();
        outputs.iter().find(|output| output["name"] == name).unwrap()["data"].as_array().unwrap()
    });
    let bits = probability.iter().map(|probability| probability.as_f64().unwrap().to_bits()).collect();
    (bits, label.iter().map(|label| label.as_str().unwrap().to_owned()).collect())
}

async fn infer(client: &Client, model: &str, body: &Value) -> Reply {
    client.post(&format!("/v2/models/{model}/infer")).json(body).send().await
}

/// JSON with binary data after it.
async fn infer_binary(client: &Client, model: &str, body: &Value, data: &[u8]) -> Reply {
    let json = body.to_string();
    let call = client.post(&format!("/v2/models/{model}/infer")).header("content-type", "application/octet-stream");
    let call = call.header("inference-header-content-length", &json.len().to_string());
    call.body([json.as_bytes(), data].concat()).send().await
}

/// The JSON of an answer, and what comes after it.
fn split(reply: &Reply) -> (Value, Vec<u8>) {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.bytes));
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    let (json, data) = reply.bytes.split_at(reply.header("inference-header-content-length").parse().unwrap());
    (serde_json::from_slice(json).unwrap(), data.to_vec())
}

#[tokio::test]
async fn columns_give_the_numbers_of_predict() {
    let scene = Scene::set(&[]).await;
    let rows = rows();
    let expected = scene.predicted(&scene.mixed, &rows).await;
    let answer = infer(&scene.client, "mixed", &json!({"id": "seven", "inputs": columns(&rows)})).await;
    let answer = answer.expect_status(200);
    assert_eq!(outputs(&answer), expected);
    assert_eq!(
        (&answer["id"], &answer["model_name"], &answer["model_version"]),
        (&json!("seven"), &json!("mixed"), &json!("1"))
    );
    assert_eq!(answer["parameters"]["threshold"], scene.mixed["threshold"]["value"]);
    assert_eq!(answer["parameters"]["model_id"], scene.mixed["id"]);
    // With shapes [N, 1], nested data, the convention of pandas and a column that nobody reads.
    let mut inputs = columns(&rows);
    for input in &mut inputs {
        input["shape"] = json!([4, 1]);
        input["data"] = input["data"].as_array().unwrap().iter().map(|value| json!([value])).collect();
    }
    inputs.push(json!({"name": "mood", "shape": [4], "datatype": "BYTES", "data": ["a", "b", "c", "d"]}));
    let body = json!({"parameters": {"content_type": "pd"}, "inputs": inputs});
    let answer = infer(&scene.client, "mixed", &body).await.expect_status(200);
    assert_eq!((outputs(&answer), &answer["parameters"]["ignored_columns"]), (expected, &json!("mood")));
    assert!(answer.get("id").is_none());
}

#[tokio::test]
async fn a_matrix_gives_the_numbers_of_predict() {
    let scene = Scene::set(&[]).await;
    // Halves and whole numbers are the same in every datatype that has them.
    let rows = [json!({"height": 1.5, "width": 0.5, "age": 31}), json!({"height": -2.0, "width": 3.0, "age": 7})];
    let expected = scene.predicted(&scene.numeric, &rows).await;
    let features = scene.numeric["features"].as_array().unwrap();
    let values: Vec<f64> = rows
        .iter()
        .flat_map(|row| features.iter().map(|feature| row[feature["name"].as_str().unwrap()].as_f64().unwrap()))
        .collect();
    for datatype in ["FP64", "FP32"] {
        let input = json!({"name": "rows", "shape": [2, 3], "datatype": datatype, "data": values});
        let answer = infer(&scene.client, "numeric", &json!({"inputs": [input]})).await.expect_status(200);
        assert_eq!(outputs(&answer), expected, "{datatype}");
    }
    let input = json!({"name": "x", "shape": [2, 3], "datatype": "FP64", "parameters": {"binary_data_size": 48}});
    let reply = infer_binary(&scene.client, "numeric", &json!({"inputs": [input]}), &fp64(&values)).await;
    assert_eq!(outputs(&reply.expect_status(200)), expected);
    let whole = [json!({"height": 1, "width": 0, "age": 1})];
    let expected = scene.predicted(&scene.numeric, &whole).await;
    let ones: Vec<u8> = features.iter().map(|feature| u8::from(feature["name"] != "width")).collect();
    for datatype in ["BOOL", "UINT8", "INT8"] {
        let input = json!({"name": "x", "shape": [1, 3], "datatype": datatype, "parameters": {"binary_data_size": 3}});
        let reply = infer_binary(&scene.client, "numeric", &json!({"inputs": [input]}), &ones).await;
        assert_eq!(outputs(&reply.expect_status(200)), expected, "{datatype}");
    }
}

#[tokio::test]
async fn binary_goes_both_ways() {
    let scene = Scene::set(&[]).await;
    let rows = rows();
    let (bits, labels) = scene.predicted(&scene.mixed, &rows).await;
    let number = |row: &Value, name: &str| row[name].as_f64().unwrap_or(f64::NAN);
    let numbers = |name: &str| fp64(&rows.iter().map(|row| number(row, name)).collect::<Vec<f64>>());
    let colours: Vec<&str> = rows.iter().map(|row| row["colour"].as_str().unwrap_or_default()).collect();
    let parts = [
        ("age", "FP64", numbers("age")),
        ("colour", "BYTES", texts(&colours)),
        ("height", "FP64", numbers("height")),
        ("width", "FP64", numbers("width")),
    ];
    let inputs: Vec<Value> = parts
        .iter()
        .map(|(name, datatype, data)| {
            json!({"name": name, "shape": [4], "datatype": datatype, "parameters": {"binary_data_size": data.len()}})
        })
        .collect();
    let data: Vec<u8> = parts.iter().flat_map(|(_, _, data)| data.clone()).collect();
    let body = json!({"inputs": inputs, "parameters": {"binary_data_output": true}});
    let (answer, sent) = split(&infer_binary(&scene.client, "mixed", &body, &data).await);
    let size = answer["outputs"][0]["parameters"]["binary_data_size"].as_u64().unwrap() as usize;
    assert_eq!((read_bits(&sent[..size]), read_texts(&sent[size..])), (bits.clone(), labels.clone()));
    // One output only, in binary, from a request in JSON.
    let wanted = json!([{"name": "label", "parameters": {"binary_data": true}}]);
    let (answer, sent) =
        split(&infer(&scene.client, "mixed", &json!({"inputs": columns(&rows), "outputs": wanted})).await);
    assert_eq!(answer["outputs"].as_array().map(Vec::len), Some(1));
    assert_eq!(read_texts(&sent), labels);
    // In the order asked for, and only one of them in binary.
    let wanted = json!([{"name": "label"}, {"name": "probability", "parameters": {"binary_data": true}}]);
    let (answer, sent) =
        split(&infer(&scene.client, "mixed", &json!({"inputs": columns(&rows), "outputs": wanted})).await);
    assert_eq!((&answer["outputs"][0]["data"], read_bits(&sent)), (&json!(labels), bits));
}

#[tokio::test]
async fn threshold_and_prevalence_replace_the_models_own() {
    let scene = Scene::set(&[]).await;
    let rows = rows();
    let body = |parameters: Value| json!({"inputs": columns(&rows), "parameters": parameters});
    let answer = infer(&scene.client, "mixed", &body(json!({"threshold": 0}))).await.expect_status(200);
    assert!(outputs(&answer).1.iter().all(|label| label == "yes"));
    assert_eq!(answer["parameters"]["threshold"], 0.0);
    let path = format!("/v1/models/{}/predict", scene.mixed["id"].as_str().unwrap());
    let predict =
        scene.client.post(&path).json(&json!({"rows": rows, "prevalence": 0.01})).send().await.expect_status(200);
    let answer = infer(&scene.client, "mixed", &body(json!({"prevalence": 0.01}))).await.expect_status(200);
    let expected: Vec<u64> = predict["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["probability"].as_f64().unwrap().to_bits())
        .collect();
    assert_eq!((outputs(&answer).0, &answer["parameters"]["prevalence"]), (expected, &json!(0.01)));
}

#[tokio::test]
async fn bodies_come_compressed_and_without_a_media_type() {
    let scene = Scene::set(&[]).await;
    let body = json!({"inputs": columns(&rows())}).to_string();
    let expected = scene.predicted(&scene.mixed, &rows()).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body.as_bytes()).unwrap();
    let path = "/v2/models/mixed/infer";
    let call = scene.client.post(path).header("content-encoding", "gzip").body(gzip.finish().unwrap());
    assert_eq!(outputs(&call.send().await.expect_status(200)), expected);
    let zstd = zstd::encode_all(body.as_bytes(), 3).unwrap();
    let call = scene.client.post(path).header("content-encoding", "zstd").body(zstd);
    assert_eq!(outputs(&call.send().await.expect_status(200)), expected);
    // The length is that of the JSON before it was compressed.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body.as_bytes()).unwrap();
    let call = scene.client.post(path).header("content-encoding", "gzip");
    let call = call.header("inference-header-content-length", &body.len().to_string());
    assert_eq!(outputs(&call.body(gzip.finish().unwrap()).send().await.expect_status(200)), expected);
    let call = scene.client.post(path).header("content-type", "text/csv").body(body);
    let problem = call.send().await.expect_problem(415, "unsupported-media-type");
    assert_eq!(problem["error"], problem["detail"]);
}

#[tokio::test]
async fn no_rows_have_no_predictions() {
    let scene = Scene::set(&[]).await;
    let input = json!({"name": "x", "shape": [0, 3], "datatype": "FP32", "data": []});
    let answer = infer(&scene.client, "numeric", &json!({"inputs": [input]})).await.expect_status(200);
    assert_eq!((&answer["outputs"][0]["shape"], &answer["outputs"][1]["data"]), (&json!([0]), &json!([])));
}

#[tokio::test]
async fn a_name_means_its_newest_version() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    let dataset = client.list("/v1/datasets", "").await.remove(0);
    let second = client.train(&dataset, named("mixed", &json!(["colour"]))).await;
    assert_eq!(second["version"], 2);
    let metadata = client.get("/v2/models/mixed").send().await.expect_status(200);
    assert_eq!((&metadata["versions"], metadata["inputs"].as_array().map(Vec::len)), (&json!(["1", "2"]), Some(3)));
    let first = client.get("/v2/models/mixed/versions/1").send().await.expect_status(200);
    let described: Vec<(&str, &str)> = first["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| (input["name"].as_str().unwrap(), input["datatype"].as_str().unwrap()))
        .collect();
    assert_eq!(described, [("height", "FP64"), ("width", "FP64"), ("colour", "BYTES"), ("age", "FP64")]);
    assert_eq!(first["versions"], json!(["1"]));
    let body = json!({"inputs": [
        column(&rows(), "height", "FP64"), column(&rows(), "width", "FP64"), column(&rows(), "age", "FP64"),
    ]});
    let answer = infer(client, "mixed", &body).await.expect_status(200);
    assert_eq!((&answer["model_version"], &answer["parameters"]["model_id"]), (&json!("2"), &second["id"]));
    let path = "/v2/models/mixed/versions/1/infer";
    let answer = client.post(path).json(&json!({"inputs": columns(&rows())})).send().await.expect_status(200);
    assert_eq!(answer["model_version"], "1");
    for path in ["/v2/models/mixed/ready", "/v2/models/mixed/versions/2/ready"] {
        let ready = client.get(path).send().await.expect_status(200);
        assert_eq!(ready, json!({"name": "mixed", "ready": true}));
    }
    client.delete(&format!("/v1/models/{}", second["id"].as_str().unwrap())).send().await.expect_status(204);
    let answer = infer(client, "mixed", &json!({"inputs": columns(&rows())})).await.expect_status(200);
    assert_eq!(answer["model_version"], "1", "the newest that is left");
    client.get("/v2/models/mixed/versions/2/ready").send().await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn an_alias_is_a_name_too_and_comes_first() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    let point = async |alias: &str, model: &Value| {
        let call = client.call("put", &format!("/v1/aliases/{alias}")).json(&json!({"model_id": model["id"]}));
        call.send().await.expect_status(201);
    };
    let body = json!({"inputs": [
        column(&rows(), "height", "FP64"), column(&rows(), "width", "FP64"), column(&rows(), "age", "FP64"),
    ]});
    infer(client, "champion", &body).await.expect_problem(404, "not-found");
    point("champion", &scene.numeric).await;
    let answer = infer(client, "champion", &body).await.expect_status(200);
    assert_eq!(outputs(&answer), scene.predicted(&scene.numeric, &rows()).await);
    let expected = (&json!("champion"), &json!("1"), &scene.numeric["id"]);
    assert_eq!((&answer["model_name"], &answer["model_version"], &answer["parameters"]["model_id"]), expected);
    let metadata = client.get("/v2/models/champion").send().await.expect_status(200);
    assert_eq!((&metadata["name"], &metadata["versions"]), (&json!("champion"), &json!(["1"])));
    client.get("/v2/models/champion/versions/1").send().await.expect_problem(404, "not-found");
    // One that is called as a model is.
    point("mixed", &scene.numeric).await;
    let answer = infer(client, "mixed", &body).await.expect_status(200);
    assert_eq!(answer["parameters"]["model_id"], scene.numeric["id"]);
    let first = client.post("/v2/models/mixed/versions/1/infer").json(&json!({"inputs": columns(&rows())}));
    assert_eq!(first.send().await.expect_status(200)["parameters"]["model_id"], scene.mixed["id"]);
    // A key that is none is refused where it would decide.
    let call = client.post("/v2/models/champion/infer").header("evenkeel-request-key", "a b").json(&body);
    call.send().await.expect_problem(422, "invalid-request");
}

#[tokio::test]
async fn what_there_is_not_is_not_found() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    for path in ["other", "mixed/versions/9", "mixed/versions/01", "mixed/versions/+1", "mixed/versions/one", "Mixed"] {
        for part in ["", "/ready"] {
            let problem = client.get(&format!("/v2/models/{path}{part}")).send().await.expect_problem(404, "not-found");
            assert_eq!(problem["error"], "there is no model with this name and version");
        }
        let body = json!({"inputs": columns(&rows())});
        client.post(&format!("/v2/models/{path}/infer")).json(&body).send().await.expect_problem(404, "not-found");
    }
    for path in ["/v2/models", "/v2/nothing", "/v2/models/mixed/explain"] {
        let problem = client.get(path).send().await.expect_problem(404, "not-found");
        assert!(problem["error"].is_string(), "{problem:#}");
    }
    let problem = client.get("/v2/models/mixed/infer").send().await.expect_problem(405, "method-not-allowed");
    assert!(problem["error"].is_string());
    let problem = client.get("/v1/nothing").send().await.expect_problem(404, "not-found");
    assert!(problem.get("error").is_none(), "it is a member of this protocol only");
}

#[tokio::test]
async fn the_server_says_what_it_is_and_what_it_has() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    assert_eq!(client.get("/v2/health/live").send().await.expect_status(200), json!({"live": true}));
    assert_eq!(client.get("/v2/health/ready").send().await.expect_status(200), json!({"ready": true}));
    for path in ["/v2", "/v2/"] {
        let server = client.get(path).send().await.expect_status(200);
        assert_eq!((&server["name"], &server["extensions"]), (&json!("evenkeel"), &json!(["binary_tensor_data"])));
    }
    let expected = json!([
        {"name": "mixed", "version": "1", "state": "READY", "reason": ""},
        {"name": "numeric", "version": "1", "state": "READY", "reason": ""},
    ]);
    for body in ["", "{}", "{\"ready\": true}"] {
        let index = client.post("/v2/repository/index").body(body).send().await.expect_status(200);
        assert_eq!(index, expected, "{body}");
    }
    client.post("/v2/repository/index").body("{\"raedy\": 1}").send().await.expect_problem(422, "invalid-request");
}

#[tokio::test]
async fn names_are_read_from_the_path_as_they_are() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(120)).await;
    client.train(&dataset, named("grün & rot/v1?", &json!([]))).await;
    let metadata = client.get("/v2/models/gr%C3%BCn%20%26%20rot%2Fv1%3F").send().await.expect_status(200);
    assert_eq!(metadata["name"], "grün & rot/v1?");
    client.get("/v2/models/gr%FFn").send().await.expect_problem(400, "malformed-request");
}

#[tokio::test]
async fn while_the_server_is_not_ready_it_says_so() {
    use sqlx::Connection;
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let path = app.data_dir().join("evenkeel.db");
    let mut database = sqlx::sqlite::SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    sqlx::query("ALTER TABLE jobs RENAME TO away").execute(&mut database).await.unwrap();
    let reply = app.client().get("/v2/health/ready").send().await;
    let problem = reply.expect_problem(503, "not-ready");
    assert!(problem["error"].is_string() && reply.headers.contains_key("retry-after"));
    app.client().get("/v2/health/live").send().await.expect_status(200);
    sqlx::query("ALTER TABLE away RENAME TO jobs").execute(&mut database).await.unwrap();
    app.client().get("/v2/health/ready").send().await.expect_status(200);
}

#[tokio::test]
async fn a_key_needs_the_scope_predict() {
    let app = App::with(Engine::Sqlite, &["--require-keys"]).await;
    let paths = CONTRACT.operations.iter().filter(|operation| operation.path.starts_with("/v2"));
    let (open, locked): (Vec<_>, Vec<_>) = paths.partition(|operation| operation.scope.is_none());
    assert_eq!((open.len(), locked.len()), (2, 9));
    let nobody = app.client().get("/v2/models/m").send().await.expect_problem(401, "missing-api-key");
    assert!(nobody["error"].is_string());
    let reader = app.client_with(&app.create_key("read"));
    reader.get("/v2/models/m").send().await.expect_problem(403, "insufficient-scope");
    let asker = app.client_with(&app.create_key("predict"));
    asker.get("/v2/models/m").send().await.expect_problem(404, "not-found");
}
