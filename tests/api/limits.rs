//! Every limit holds, and its refusal says what it is.

use std::io::Write;

use serde_json::json;

use crate::support::app::{App, Engine};
use crate::support::data;
use crate::support::raw::Raw;

const NOTHING: &str = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";

async fn small() -> App {
    let flags = [
        "--max-upload-bytes",
        "20000",
        "--max-decompressed-bytes",
        "50000",
        "--max-body-bytes",
        "4000",
        "--max-predict-rows",
        "3",
        "--max-concurrent-uploads",
        "1",
        "--body-idle-seconds",
        "1",
        "--max-json-depth",
        "8",
    ];
    App::with(Engine::Sqlite, &flags).await
}

#[tokio::test]
async fn bodies() {
    let app = small().await;
    let client = app.client();
    let csv = data::csv(5_000);
    let upload = |body: Vec<u8>| client.post("/v1/datasets").header("content-type", "text/csv").body(body);
    let problem = upload(csv.clone().into_bytes()).send().await.expect_problem(413, "payload-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("20000"), "{problem:#}");
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        csv.as_bytes().chunks(1_000).map(|chunk| Ok(chunk.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let call = client.post("/v1/datasets").header("content-type", "text/csv").body(stream);
    call.send().await.expect_problem(413, "payload-too-large");
    let job = json!({"dataset_id": NOTHING, "model_name": "x".repeat(5_000)});
    client.post("/v1/jobs").json(&job).send().await.expect_problem(413, "payload-too-large");
    let listed = client.get("/v1/datasets").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([]), "nothing of a refused upload is kept");
}

#[tokio::test]
async fn compressed_bodies() {
    let app = small().await;
    let client = app.client();
    let bomb = data::csv(10) + &"1,2,red,3,no\n".repeat(100_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bomb.as_bytes()).unwrap();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(bomb.as_bytes(), 19).unwrap())]
    {
        assert!(body.len() < 20_000, "{encoding}: the bomb is small as sent");
        let call = client.post("/v1/datasets").header("content-type", "text/csv").header("content-encoding", encoding);
        let problem = call.body(body).send().await.expect_problem(413, "decompressed-too-large");
        assert!(problem["detail"].as_str().unwrap().contains("50000"), "{problem:#}");
    }
}

#[tokio::test]
async fn rows_of_a_prediction() {
    let app = small().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let rows = |count: usize| json!({"rows": vec![data::row(1.0, 1.0); count]});
    client.post(&path).json(&rows(3)).send().await.expect_status(200);
    client.post(&path).json(&rows(4)).send().await.expect_problem(413, "too-many-rows");
    let csv = "height,width,colour,age\n".to_owned() + &"1,1,red,3\n".repeat(4);
    let call = client.post(&path).header("content-type", "text/csv").body(csv);
    call.send().await.expect_problem(413, "too-many-rows");
}

#[tokio::test]
async fn depth_of_json() {
    let app = small().await;
    let nested = format!("{{\"a\": {}{}}}", "[".repeat(9), "]".repeat(9));
    let call = app.client().post("/v1/jobs").header("content-type", "application/json").body(nested);
    call.send().await.expect_problem(400, "malformed-json");
}

#[tokio::test]
async fn uploads_at_once_and_silence() {
    let app = small().await;
    let mut parked = Raw::park_upload(app.address(), "first").await;
    let call = app.client().post("/v1/datasets").header("content-type", "text/csv").body(data::csv(40));
    call.send().await.expect_problem(429, "too-many-requests");
    // Nothing more is sent: after a second of silence the place is free again.
    let answer = parked.read_until("malformed-request").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    app.client().upload("", data::csv(40)).await;
}

#[tokio::test]
async fn memory_of_a_job() {
    let app = App::with(Engine::Sqlite, &["--max-job-memory-bytes", "1000000"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(400)).await;
    let train = json!({"dataset_id": dataset["id"], "model": {"hidden_layers": [4096, 4096]}});
    let resample = json!({"type": "resample", "dataset_id": dataset["id"], "resample": [{"method": "smote"}]});
    for job in [train, resample] {
        for path in ["/v1/jobs", "/v1/jobs/validate"] {
            let problem = client.post(path).json(&job).send().await.expect_problem(422, "job-too-large");
            assert!(problem["detail"].as_str().unwrap().contains("1000000"), "{problem:#}");
        }
    }
}

#[tokio::test]
async fn length_of_the_queue() {
    let app = App::with(Engine::Sqlite, &["--workers", "0", "--max-queued-jobs", "2"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let job = json!({"dataset_id": dataset["id"]});
    client.queue(&job).await;
    let second = client.queue(&job).await;
    client.post("/v1/jobs").json(&job).send().await.expect_problem(429, "queue-full");
    client.post(&format!("/v1/jobs/{}/cancel", second["id"].as_str().unwrap())).send().await.expect_status(200);
    client.queue(&job).await;
}

#[tokio::test]
async fn event_streams_at_once() {
    let app = App::with(Engine::Sqlite, &["--workers", "0", "--max-event-streams", "2"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let job = client.queue(&json!({"dataset_id": dataset["id"]})).await;
    let id = job["id"].as_str().unwrap();
    let path = format!("/v1/jobs/{id}/events");
    let (_first, second) = (client.follow(id, None).await, client.follow(id, None).await);
    let problem = client.get(&path).send().await.expect_problem(429, "too-many-requests");
    assert!(problem["detail"].as_str().unwrap().contains('2'), "{problem:#}");
    drop(second);
    // The place is free once the server has seen that the listener is gone. What opens it ends with the job.
    client.post(&format!("/v1/jobs/{id}/cancel")).send().await.expect_status(200);
    while client.get(&path).send().await.status == 429 {}
    client.get(&path).send().await;
}

#[tokio::test]
async fn predictions_at_once() {
    let app = App::with(Engine::Sqlite, &["--max-concurrent-predictions", "1"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let body = json!({"rows": vec![data::row(1.0, 1.0); 20_000]});
    let (mut answered, mut refused) = (0, 0);
    // How many of these meet is up to the machine; that some do is certain before long, and each is answered.
    while answered == 0 || refused == 0 {
        let calls = (0..4).map(|_| client.post(&path).json(&body).send());
        for reply in futures::future::join_all(calls).await {
            if reply.status == 200 {
                answered += 1;
            } else {
                let problem = reply.expect_problem(429, "too-many-requests");
                assert_eq!(reply.header("retry-after"), "1");
                assert!(problem["detail"].as_str().unwrap().contains('1'), "{problem:#}");
                refused += 1;
            }
        }
    }
}

/// The pages of a Parquet file are compressed, whatever the body is.
#[tokio::test]
async fn compressed_pages() {
    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use parquet::basic::Compression;

    let app = small().await;
    let rows = 5_000;
    let x: ArrayRef = std::sync::Arc::new(Float64Array::from(vec![0.5; rows]));
    let y: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|row| row % 2)));
    let batch = arrow::record_batch::RecordBatch::try_from_iter([("x", x), ("y", y)]).unwrap();
    for codec in [Compression::SNAPPY, Compression::ZSTD(Default::default()), Compression::GZIP(Default::default())] {
        let properties = parquet::file::properties::WriterProperties::builder();
        let properties = properties.set_compression(codec).set_dictionary_enabled(false).build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let body = writer.into_inner().unwrap();
        assert!(body.len() < 20_000, "{codec}: {} bytes as sent", body.len());
        let call = app.client().post("/v1/datasets").header("content-type", "application/vnd.apache.parquet");
        let problem = call.body(body).send().await.expect_problem(413, "decompressed-too-large");
        assert!(problem["detail"].as_str().unwrap().contains("50000"), "{problem:#}");
    }
    let listed = app.client().get("/v1/datasets").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([]), "nothing of a refused upload is kept");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_says_so_before_it_does() {
    let mut app = App::with(Engine::Sqlite, &["--workers", "0", "--shutdown-delay-seconds", "600"]).await;
    let client = app.client();
    client.get("/readyz").send().await.expect_status(200);
    app.ask_to_stop();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while client.get("/readyz").send().await.status != 503 {
        assert!(std::time::Instant::now() < deadline, "it stays ready");
    }
    client.get("/v1/jobs").send().await.expect_status(200);
    client.get("/livez").send().await.expect_status(200);
    app.kill();
}
