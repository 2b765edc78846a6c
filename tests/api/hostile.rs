//! Predictions asked for in bad faith or by mistake: parsing without bounds (attack class 6), arithmetic in shapes (7), work
//! without end (8), slow clients (14), values at the edges (15), and what must not leak (16).

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, NullArray};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::formats::{ARROW, CSV, JSON, NDJSON, PARQUET, Rows, Trained, trained};
use crate::support::client::{Reply, places};
use crate::support::data;
use crate::support::raw::Raw;

async fn ask(trained: &Trained, media: &str, body: impl Into<reqwest::Body>) -> Reply {
    trained.client.post(&trained.path).header("content-type", media).header("accept", JSON).body(body).send().await
}

#[tokio::test]
async fn parsing_is_bounded() {
    let trained = trained(&["--max-body-bytes", "4000000", "--max-json-depth", "16"]).await;
    let deep = "[".repeat(1_000_000);
    ask(&trained, JSON, deep.clone()).await.expect_problem(400, "malformed-json");
    ask(&trained, JSON, format!("{{\"rows\":[{{\"height\":{deep}")).await.expect_problem(400, "malformed-json");
    ask(&trained, NDJSON, format!("{{\"height\":{deep}\n")).await.expect_problem(422, "invalid-rows");
    // A number of a hundred thousand digits, and one that no f64 holds.
    let long =
        format!("{{\"rows\":[{{\"height\":0.{},\"width\":1,\"colour\":\"red\",\"age\":1}}]}}", "1".repeat(100_000));
    ask(&trained, JSON, long).await.expect_status(200);
    ask(&trained, JSON, "{\"rows\":[{\"height\":1e400}]}").await.expect_problem(400, "malformed-json");
    let twice = "{\"rows\":[{\"height\":1,\"height\":2,\"width\":1,\"colour\":\"red\",\"age\":1}]}";
    let problem = ask(&trained, JSON, twice).await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["/rows/0/height"]);
    // So many values that to say what is wrong with each would take the memory.
    ask(&trained, JSON, format!("{{\"rows\":[{}1]}}", "1,".repeat(1_990_000)))
        .await
        .expect_problem(413, "too-many-rows");
    ask(&trained, JSON, vec![b' '; 4_000_001]).await.expect_problem(413, "payload-too-large");
    // One field, one line, one header without end.
    let field = format!("height,width,colour,age\n1,1,{},1\n", "x".repeat(200_000));
    ask(&trained, CSV, field).await.expect_problem(422, "invalid-rows");
    let columns = (0..20_000).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    ask(&trained, CSV, format!("{columns}\n1\n")).await.expect_problem(422, "invalid-rows");
    let quote = format!("height,width,colour,age\n1,1,\"{}", "x\n".repeat(1_000_000));
    ask(&trained, CSV, quote).await.expect_problem(422, "invalid-rows");
    for media in [ARROW, PARQUET] {
        let whole = Rows::new(50).body(media);
        for end in [1, 7, 8, whole.len() / 2, whole.len() - 9] {
            ask(&trained, media, whole[..end].to_vec()).await.expect_problem(422, "invalid-rows");
        }
    }
}

#[tokio::test]
async fn a_line_without_end_is_given_up_while_it_comes() {
    let trained = trained(&[]).await;
    // More than the 16 MiB that a row may have, without a length that is known ahead.
    let pieces = futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 20])));
    let call = trained.client.post(&trained.path).header("content-type", NDJSON).header("accept", CSV);
    let problem = call.body(reqwest::Body::wrap_stream(pieces)).send().await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["1:-"]);
}

#[tokio::test]
async fn many_tiny_pieces_are_one_body() {
    let trained = trained(&[]).await;
    let body = Rows::new(20).body(NDJSON);
    let pieces: Vec<_> = body.iter().map(|byte| Ok::<_, std::io::Error>(vec![*byte])).collect();
    let reply = ask(&trained, NDJSON, reqwest::Body::wrap_stream(futures::stream::iter(pieces))).await;
    assert_eq!(reply.expect_status(200)["predictions"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn shapes_that_lie_are_refused() {
    let trained = trained(&[]).await;
    let nulls = || -> ArrayRef { Arc::new(NullArray::new(2_000_000_000)) };
    let columns = ["height", "width", "colour", "age"].map(|name| (name, nulls(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let problem = ask(&trained, ARROW, writer.into_inner().unwrap()).await.expect_problem(422, "invalid-rows");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("rows"), "{problem:#}");
    // Lengths of messages with their highest bits set.
    let whole = Rows::new(5).body(ARROW);
    for at in (0..whole.len() - 4).step_by(4) {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&0x7fff_fff8_u32.to_le_bytes());
        let reply = ask(&trained, ARROW, bytes).await;
        assert!([200, 413, 422].contains(&reply.status), "{at}: {}", reply.text());
    }
    let whole = Rows::new(5).body(PARQUET);
    for at in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        let reply = ask(&trained, PARQUET, bytes).await;
        assert!([200, 413, 422].contains(&reply.status), "{at}: {}", reply.text());
    }
}

#[tokio::test]
async fn work_is_bounded_and_small_requests_pass_large_ones() {
    let trained = trained(&["--max-concurrent-predictions", "2", "--max-predict-rows", "50000"]).await;
    let large = json!({"rows": vec![data::row(1.0, 1.0); 50_000]}).to_string();
    let calls = (0..8).map(|_| ask(&trained, JSON, large.clone()));
    let small = async {
        let mut answered = 0;
        for _ in 0..50 {
            let reply = trained.client.post(&trained.path).json(&json!({"rows": [data::row(1.0, 1.0)]})).send().await;
            answered += usize::from(reply.status == 200);
        }
        answered
    };
    let (replies, answered) = futures::future::join(futures::future::join_all(calls), small).await;
    assert_eq!(answered, 50, "what is tiny is never refused");
    assert!(replies.iter().any(|reply| reply.status == 200));
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        refused.expect_problem(429, "too-many-requests");
        assert_eq!(refused.header("retry-after"), "1");
    }
    ask(&trained, JSON, json!({"rows": vec![data::row(1.0, 1.0); 50_001]}).to_string())
        .await
        .expect_problem(413, "too-many-rows");
}

#[tokio::test]
async fn slow_clients_wait_for_themselves() {
    let trained = trained(&["--body-idle-seconds", "1"]).await;
    let mut raw = Raw::connect(trained.app.address()).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        trained.path,
        trained.app.address()
    );
    raw.write(&head).await;
    // Others are answered meanwhile.
    ask(&trained, JSON, json!({"rows": [data::row(1.0, 1.0)]}).to_string()).await.expect_status(200);
    let answer = raw.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // One that goes away in the middle of its answer leaves nothing behind.
    for _ in 0..20 {
        let mut raw = Raw::connect(trained.app.address()).await;
        let body = Rows::new(5_000).body(CSV);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/csv\r\nAccept: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            trained.path,
            trained.app.address(),
            body.len()
        );
        raw.write(&head).await;
        raw.write(std::str::from_utf8(&body).unwrap()).await;
        drop(raw);
    }
    let reply = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let call = trained.client.post(&trained.path).header("content-type", NDJSON).header("accept", CSV);
            let one = futures::stream::iter([Ok::<_, std::io::Error>(Rows::new(1).body(NDJSON))]);
            let reply = call.body(reqwest::Body::wrap_stream(one)).send().await;
            if reply.status != 429 {
                return reply;
            }
        }
    });
    assert_eq!(reply.await.expect("streams that nobody reads end").status, 200);
}

#[tokio::test]
async fn values_at_the_edges_give_finite_answers_or_refusals() {
    let trained = trained(&[]).await;
    let one = |height: &str, colour: &str| {
        format!("{{\"rows\":[{{\"height\":{height},\"width\":1,\"colour\":{colour},\"age\":1}}]}}")
    };
    let finite = |reply: &Reply| {
        let probability = reply.expect_status(200)["predictions"][0]["probability"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&probability), "{probability}");
    };
    for height in
        ["1e308", "-1.7976931348623157e308", "5e-324", "-0", "9007199254740993", "123456789012345678901234567890"]
    {
        finite(&ask(&trained, JSON, one(height, "\"red\"")).await);
        let csv = format!("\u{feff}height,width,colour,age\n{height},1,red,1\n");
        finite(&ask(&trained, CSV, csv).await);
    }
    for colour in ["\"\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "\"\u{202e}\"", "null", "1", "true"] {
        finite(&ask(&trained, JSON, one("1", colour)).await);
    }
    for wrong in ["NaN", "Infinity", "-Infinity", "1e999", "0x1", "01", "+1"] {
        ask(&trained, JSON, one(wrong, "\"red\"")).await.expect_problem(400, "malformed-json");
    }
    ask(&trained, JSON, one("1", "\"\\ud800\"")).await.expect_problem(400, "malformed-json");
    ask(&trained, JSON, [b"{\"rows\":[{\"height\":\"".as_slice(), b"\xff\"}]}"].concat())
        .await
        .expect_problem(400, "malformed-json");
    for wrong in ["inf", "-inf", "1e999", "0x10", "1,5"] {
        ask(&trained, CSV, format!("height,width,colour,age\n\"{wrong}\",1,red,1\n"))
            .await
            .expect_problem(422, "invalid-rows");
    }
    let twice = "height,height,width,colour,age\n1,1,1,red,1\n";
    let problem = ask(&trained, CSV, twice).await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["null:height"]);
    let call = json!({"columns": ["height", "height", "width", "colour", "age"], "data": [[1, 1, 1, "red", 1]]});
    let problem = ask(&trained, JSON, call.to_string()).await.expect_problem(422, "invalid-rows");
    assert_eq!(places(&problem), ["null:height"]);
}

#[tokio::test]
async fn refusals_repeat_little_and_tell_nothing_of_the_inside() {
    let trained = trained(&[]).await;
    let secret = "4111111111111111".repeat(1_000);
    let body = json!({"rows": [{"height": secret, "width": 1, "colour": "red", "age": 1}]});
    let problem = ask(&trained, JSON, body.to_string()).await.expect_problem(422, "invalid-rows");
    assert!(problem.to_string().len() < 1_000, "{problem:#}");
    for broken in [&b"PAR1garbage"[..], &[0xff; 100]] {
        for media in [ARROW, PARQUET] {
            let problem = ask(&trained, media, broken.to_vec()).await.expect_problem(422, "invalid-rows");
            let text = problem.to_string();
            assert!(!text.contains(".rs") && !text.contains("panic") && !text.contains("/root"), "{text}");
        }
    }
    // Rows of training never come back: an answer has a label and a probability for each row, and no more.
    let reply = ask(&trained, JSON, json!({"rows": [data::row(1.0, 1.0)]}).to_string()).await.expect_status(200);
    let members: Vec<&String> = reply["predictions"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["label", "probability"]);
    assert!(matches!(reply["predictions"], Value::Array(ref all) if all.len() == 1));
}
