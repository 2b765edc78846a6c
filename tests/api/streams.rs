//! Predictions that flow back while rows still arrive.

use std::io::Write;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::formats::{ARROW, CSV, JSON, NDJSON, Rows, Trained, found, trained};
use crate::support::client::places;
use crate::support::raw::Raw;

/// Far more than any answer of these tests needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request whose body is written as the test goes on.
struct Open {
    rows: Option<mpsc::UnboundedSender<Result<Vec<u8>, std::io::Error>>>,
    answer: tokio::task::JoinHandle<reqwest::Response>,
}

impl Open {
    fn new(trained: &Trained, media: &str, accept: &str) -> Self {
        let (rows, sent) = mpsc::unbounded_channel();
        let request = reqwest::Client::new()
            .post(format!("http://{}{}", trained.app.address(), trained.path))
            .header("content-type", media)
            .header("accept", accept)
            .body(reqwest::Body::wrap_stream(UnboundedReceiverStream::new(sent)));
        let answer = tokio::spawn(async move { request.send().await.unwrap() });
        Self { rows: Some(rows), answer }
    }

    fn write(&self, text: impl Into<Vec<u8>>) {
        self.rows.as_ref().unwrap().send(Ok(text.into())).unwrap();
    }
}

fn line(height: f64) -> String {
    format!("{{\"height\":{height},\"width\":1,\"colour\":\"red\",\"age\":3}}\n")
}

#[tokio::test]
async fn a_row_is_answered_before_the_next_one_is_sent() {
    let trained = trained(&[]).await;
    let mut open = Open::new(&trained, NDJSON, NDJSON);
    open.write(line(0.5));
    let answer = tokio::time::timeout(PATIENCE, &mut open.answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let mut pieces = answer.bytes_stream();
    let mut read = String::new();
    for number in 1..5_usize {
        while read.lines().count() < number {
            let piece = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap().unwrap().unwrap();
            read.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert_eq!(read.lines().count(), number);
        // Half a row is no row yet.
        let next = line(number as f64);
        open.write(&next[..10]);
        open.write(&next[10..]);
    }
    open.rows = None;
    while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap() {
        read.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
    }
    assert_eq!(read.lines().count(), 5);
}

#[tokio::test]
async fn a_mistake_after_the_first_rows_ends_the_answer_early() {
    let trained = trained(&[]).await;
    let good: String = (0..40_000).map(|row| line(f64::from(row))).collect();
    let body = format!("{good}{}", "{\"height\":\"tall\",\"width\":1,\"colour\":\"red\",\"age\":3}\n");
    let call = trained.client.post(&trained.path).header("content-type", NDJSON);
    let reply = call.body(body).send().await;
    assert_eq!(reply.status, 200);
    let text = reply.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["code"], &last["error"]["status"]), (&json!("invalid-rows"), &json!(422)));
    assert_eq!(last["error"]["request_id"], reply.header("x-request-id"));
    assert_eq!(places(&last["error"]), ["40001:height"]);
    let predicted = text.lines().count() - 1;
    assert!((1..40_000).contains(&predicted), "{predicted}");
    // In the other formats, nobody takes what has come for all of it.
    let rows = Rows::new(30_000);
    let mut body = rows.body(CSV);
    body.extend_from_slice(b"n,red,old,1,1\n");
    for accept in [CSV, ARROW] {
        let url = format!("http://{}{}", trained.app.address(), trained.path);
        let request = reqwest::Client::new().post(url).header("content-type", CSV).header("accept", accept);
        let response = request.body(body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.bytes().await.is_err(), "the answer in {accept} breaks off");
    }
}

#[tokio::test]
async fn mistakes_in_the_first_rows_are_refused_as_ever() {
    let trained = trained(&[]).await;
    let good: String = (0..40_000).map(|row| line(f64::from(row))).collect();
    let body = format!("{{\"height\":1}}\n{good}");
    let problem = trained.client.post(&trained.path).header("content-type", NDJSON).body(body).send().await;
    let problem = problem.expect_problem(422, "invalid-rows");
    assert!(places(&problem).iter().all(|place| place.starts_with("1:")), "{problem:#}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_until_it_has_sent_all_is_answered() {
    let trained = trained(&[]).await;
    let rows = Rows::new(200_000);
    let body = rows.body(CSV);
    let mut raw = Raw::connect(trained.app.address()).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/csv\r\nAccept: text/csv\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        trained.path,
        trained.app.address(),
        body.len()
    );
    raw.write(&head).await;
    tokio::time::timeout(PATIENCE, raw.write(std::str::from_utf8(&body).unwrap())).await.expect("the server reads on");
    let answer = raw.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..200]);
    assert_eq!(answer.matches("\nyes,").count() + answer.matches("\nno,").count(), rows.len());
}

#[tokio::test]
async fn every_limit_of_streams_holds() {
    let flags = ["--max-streamed-rows", "20000", "--max-prediction-streams", "1", "--max-batch-bytes", "30000"];
    let trained = trained(&flags).await;
    let many: String = (0..25_000).map(|row| line(f64::from(row))).collect();
    let call = trained.client.post(&trained.path).header("content-type", NDJSON);
    let text = call.body(many).send().await.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "too-many-rows");
    assert!(last["error"]["detail"].as_str().unwrap().contains("20000"), "{last:#}");
    // A short body may have as many rows as a long one.
    let short = "height,width,colour,age\n".to_owned() + &"1,1,a,1\n".repeat(20_001);
    let call = trained.client.post(&trained.path).header("content-type", CSV).header("accept", CSV);
    call.body(short).send().await.expect_problem(413, "too-many-rows");
    let call = trained.client.post(&trained.path).header("content-type", ARROW);
    let problem = call.body(Rows::new(1_000).body(ARROW)).send().await.expect_problem(413, "payload-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("30000"), "{problem:#}");
    let mut open = Open::new(&trained, NDJSON, CSV);
    open.write(line(1.0));
    let first = tokio::time::timeout(PATIENCE, &mut open.answer).await.unwrap().unwrap();
    let second = trained.client.post(&trained.path).header("content-type", NDJSON);
    let second = second.body(reqwest::Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>(line(1.0))])));
    second.send().await.expect_problem(429, "too-many-requests");
    drop(open);
    first.bytes().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_stops_coming_is_given_up() {
    let trained = trained(&["--body-idle-seconds", "1"]).await;
    let mut open = Open::new(&trained, NDJSON, NDJSON);
    open.write(line(1.0));
    let answer = tokio::time::timeout(PATIENCE, &mut open.answer).await.unwrap().unwrap();
    let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((text.lines().count(), &last["error"]["code"]), (2, &json!("malformed-request")));
    let silent = Open::new(&trained, NDJSON, NDJSON);
    let answer = tokio::time::timeout(PATIENCE, silent.answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn compressed_rows_are_streamed_too_and_bombs_are_not() {
    let trained = trained(&["--max-decompressed-bytes", "3000000"]).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let rows = Rows::new(2_000);
    let ask = |body: Vec<u8>| {
        let call = trained.client.post(&trained.path).header("content-type", NDJSON);
        call.header("content-encoding", "gzip").body(body).send()
    };
    let plain = trained.client.post(&trained.path).header("content-type", JSON).body(rows.body(JSON)).send().await;
    assert!(found(NDJSON, &ask(gzip(&rows.body(NDJSON))).await.bytes) == found(JSON, &plain.bytes));
    let bomb: String = (0..100_000).map(|_| line(1.0)).collect();
    let text = ask(gzip(bomb.as_bytes())).await.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "decompressed-too-large");
}
