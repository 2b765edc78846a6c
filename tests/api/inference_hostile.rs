//! Inference requests that are wrong: every mistake is told at once, and none is called a fault of the server.

use serde_json::{Value, json};

use crate::support::client::{Client, places};
use crate::support::inference::{Scene, columns, rows};

const PATH: &str = "/v2/models/mixed/infer";

async fn refused(client: &Client, body: &Value) -> Vec<String> {
    let reply = client.post(PATH).json(body).send().await;
    let problem = reply.expect_problem(400, "invalid-inference");
    let said = problem["error"].as_str().unwrap();
    let first = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(said.contains(first), "{said:?} does not say {first:?}");
    let mut places = places(&problem);
    places.sort();
    places
}

fn input(shape: &Value, datatype: &str, data: &Value) -> Value {
    json!({"name": "height", "shape": shape, "datatype": datatype, "data": data})
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let scene = Scene::set(&[]).await;
    let mut inputs = columns(&rows());
    inputs[0]["datatype"] = json!("STRING");
    inputs[1]["shape"] = json!([5]);
    inputs[2]["data"] = json!([1.0, 2.0, "three", 4.0]);
    inputs.remove(3);
    let body = json!({
        "inputs": inputs, "outputs": [{"name": "logit"}], "parameters": {"threshold": 2, "content_type": "csv"}, "extra": 1,
        "model_version": "9",
    });
    let path = "/v2/models/mixed/versions/1/infer";
    let reply = scene.client.post(path).json(&body).send().await;
    let mut found = places(&reply.expect_problem(400, "invalid-inference"));
    found.sort();
    let expected = [
        "/extra",
        "/inputs/0/datatype",
        "/inputs/1/data",
        "/inputs/2/data",
        "/model_version",
        "/outputs/0/name",
        "/parameters/content_type",
        "/parameters/threshold",
        "null:height",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn values_that_do_not_fit_have_their_row_and_column() {
    let scene = Scene::set(&[]).await;
    let mut inputs = columns(&rows());
    inputs[2]["datatype"] = json!("FP32");
    inputs[2]["data"] = json!([1.0, 1e39, 2.0, -1e39]);
    inputs[3] = json!({"name": "height", "shape": [4], "datatype": "BYTES", "data": ["1", "2", "3", "4"]});
    let found = refused(&scene.client, &json!({"inputs": inputs})).await;
    assert_eq!(found, ["/inputs/3/datatype", "2:width", "4:width"]);
}

#[tokio::test]
async fn shapes_cannot_lie() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    for (shape, datatype, data, place) in [
        (json!([-1, 4]), "FP64", json!([1]), "/inputs/0/shape"),
        (json!([4, -1]), "FP64", json!([1]), "/inputs/0/shape"),
        (json!([i64::MIN]), "FP64", json!([1]), "/inputs/0/shape"),
        (json!([4_611_686_018_427_387_904_i64, 4]), "FP64", json!([]), "/inputs/0/shape"),
        (json!([9_223_372_036_854_775_807_i64, 9_223_372_036_854_775_807_i64]), "BYTES", json!([]), "/inputs/0/shape"),
        (json!([18_446_744_073_709_551_615_u64]), "FP64", json!([]), "/inputs/0/shape/0"),
        (json!([1.5]), "FP64", json!([1]), "/inputs/0/shape/0"),
        (json!([]), "FP64", json!([1]), "/inputs/0/shape"),
        (json!([1, 1, 1]), "FP64", json!([1]), "/inputs/0/shape"),
        (json!([2, 2]), "FP64", json!([1, 2, 3]), "/inputs/0/data"),
        (json!([2, 2]), "FP64", json!([[1, 2], [3]]), "/inputs/0/data"),
        (json!([1]), "INT8", json!([300]), "/inputs/0/data"),
        (json!([1]), "FP16", json!([1]), "/inputs/0/datatype"),
    ] {
        let found = refused(client, &json!({"inputs": [input(&shape, datatype, &data)]})).await;
        assert!(found.contains(&place.to_owned()), "{shape} {datatype} {data}: {found:?}");
    }
    // A shape whose product is 0 claims rows without end and has none of them.
    let body = json!({"inputs": [input(&json!([4_611_686_018_427_387_904_i64, 0]), "FP64", &json!([]))]});
    client.post(PATH).json(&body).send().await.expect_problem(413, "too-many-rows");
    client.get("/livez").send().await.expect_status(200);
}

#[tokio::test]
async fn binary_data_cannot_lie() {
    let scene = Scene::set(&[]).await;
    let client = &scene.client;
    let send = |length: String, body: Vec<u8>| {
        let call = client.post(PATH).header("content-type", "application/octet-stream");
        call.header("inference-header-content-length", &length).body(body).send()
    };
    let sized = |datatype: &str, shape: Value, size: Value| json!({"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}]});
    for (json, data) in [
        (sized("FP64", json!([1, 4]), json!(32)), vec![0; 31]),
        (sized("FP64", json!([1, 4]), json!(32)), vec![0; 33]),
        (sized("FP64", json!([1, 4]), json!(31)), vec![0; 31]),
        (sized("FP64", json!([1, 4]), json!(-1)), vec![0; 32]),
        (sized("FP64", json!([1, 4]), json!(18_446_744_073_709_551_615_u64)), vec![0; 32]),
        (sized("FP64", json!([1, 4]), json!("32")), vec![0; 32]),
        (sized("FP64", json!([2_305_843_009_213_693_951_i64, 1]), json!(8)), vec![0; 8]),
        (sized("BYTES", json!([1, 4]), json!(4)), vec![0xff; 4]),
        (sized("BYTES", json!([1, 4]), json!(9)), [&[0xff, 0xff, 0xff, 0x7f][..], b"abcde"].concat()),
        (sized("BYTES", json!([1, 1]), json!(5)), vec![1, 0, 0, 0, 0xff]),
        (sized("BOOL", json!([1, 4]), json!(4)), vec![7; 4]),
    ] {
        let text = json.to_string();
        let reply = send(text.len().to_string(), [text.as_bytes(), &data].concat()).await;
        let problem = reply.expect_problem(400, "invalid-inference");
        assert!(problem["error"].is_string(), "{text}");
    }
    for length in ["-1", "1000000", "two", "0", "99999999999999999999", "1e3", ""] {
        send(length.to_owned(), b"{\"inputs\": []}".to_vec()).await.expect_problem(400, "malformed-request");
    }
    // The JSON ends in the middle.
    send("5".to_owned(), b"{\"inputs\": []}".to_vec()).await.expect_problem(400, "malformed-json");
    client.get("/livez").send().await.expect_status(200);
}

#[tokio::test]
async fn what_is_no_inference_request_is_refused() {
    let scene = Scene::set(&["--max-predict-rows", "3", "--max-body-bytes", "4000"]).await;
    let client = &scene.client;
    let post = |body: String| client.post(PATH).header("content-type", "application/json").body(body).send();
    for body in ["", "{", "nul", "{\"inputs\": [NaN]}", "[1, 2"] {
        post(body.to_owned()).await.expect_problem(400, "malformed-json");
    }
    post("[".repeat(3_000)).await.expect_problem(400, "malformed-json");
    for body in ["7", "[]", "{}", "{\"inputs\": {}}", "{\"inputs\": [[]]}", "{\"inputs\": [], \"inputs\": []}"] {
        post(body.to_owned()).await.expect_problem(400, "invalid-inference");
    }
    post(" ".repeat(4_001)).await.expect_problem(413, "payload-too-large");
    let problem = post(json!({"inputs": columns(&rows())}).to_string()).await.expect_problem(413, "too-many-rows");
    assert_eq!(problem["error"], "4 rows; at most 3 are predicted at once");
    let hostile = json!({"inputs": [{"name": "<script>", "shape": [1], "datatype": "x".repeat(500), "data": [1]}]});
    let problem = post(hostile.to_string()).await.expect_problem(400, "invalid-inference");
    assert!(!problem.to_string().contains("xxxx"), "{problem:#}");
}

#[tokio::test]
async fn shared_memory_and_ranked_classes_are_not_offered() {
    let scene = Scene::set(&[]).await;
    let mut inputs = columns(&rows());
    inputs[0]["parameters"] = json!({"shared_memory_region": "r", "shared_memory_byte_size": 8});
    let body = json!({"inputs": inputs, "outputs": [{"name": "label", "parameters": {"classification": 2}}]});
    let expected = [
        "/inputs/0/parameters/shared_memory_byte_size",
        "/inputs/0/parameters/shared_memory_region",
        "/outputs/0/parameters/classification",
    ];
    assert_eq!(refused(&scene.client, &body).await, expected);
    // What is only a hint is not refused.
    let body = json!({"inputs": columns(&rows()), "parameters": {"priority": 1, "timeout": 100, "headers": "x"}});
    scene.client.post(PATH).json(&body).send().await.expect_status(200);
}
