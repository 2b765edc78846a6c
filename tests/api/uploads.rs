//! Datasets in every form they come in, and files that are broken.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, places};
use crate::support::data;

async fn post(client: &Client, query: &str, media_type: &str, body: impl Into<reqwest::Body>) -> Value {
    let call = client.post(&format!("/v1/datasets{query}")).header("content-type", media_type).body(body);
    call.send().await.expect_status(201)
}

#[tokio::test]
async fn every_form_of_csv() {
    let app = App::start().await;
    let client = app.client();
    let plain = "a,b,y\n1,\"x, \"\"z\"\"\",0\n2,w,1\n,w,0\n4,NA,1\n";
    let expected = json!([[1.0, "x, \"z\"", 0.0], [2.0, "w", 1.0], [null, "w", 0.0], [4.0, null, 1.0]]);
    let tabbed = "a\tb\ty\n1\t\"x, \"\"z\"\"\"\t0\n2\tw\t1\n\tw\t0\n4\tNA\t1\n";
    let cases = [
        ("", plain.to_owned()),
        ("", format!("\u{feff}{plain}")),
        ("", plain.replace('\n', "\r\n")),
        ("", plain.trim_end().to_owned()),
        ("?delimiter=tab", tabbed.to_owned()),
    ];
    for (query, body) in cases {
        let dataset = post(&client, query, "text/csv", body.clone()).await;
        let path = format!("/v1/datasets/{}/rows", dataset["id"].as_str().unwrap());
        let rows = client.get(&path).send().await.expect_status(200);
        assert_eq!(rows["columns"], json!(["a", "b", "y"]), "{body:?}");
        assert_eq!(as_floats(&rows["data"]), expected, "{body:?}");
    }
    let headless = post(&client, "?header=false", "text/csv", "1,2,0\n3,4,1\n").await;
    let names: Vec<&Value> = headless["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["column_1", "column_2", "column_3"]);
    assert_eq!(headless["rows"], 2);
}

/// `1` and `1.0` are one number; JSON readers differ in which they keep.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_floats).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_encoding_and_multipart_give_the_same_dataset() {
    let app = App::start().await;
    let client = app.client();
    let csv = data::csv(80);
    let plain = post(&client, "?name=same", "text/csv", csv.clone()).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(csv.as_bytes()).unwrap();
    let mut others = Vec::new();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(csv.as_bytes(), 3).unwrap())] {
        let call = client.post("/v1/datasets?name=same").header("content-type", "text/csv");
        others.push(call.header("content-encoding", encoding).body(body).send().await.expect_status(201));
    }
    let part = reqwest::multipart::Part::text(csv).file_name("same.csv").mime_str("text/csv").unwrap();
    let form = reqwest::multipart::Form::new().part("file", part);
    others.push(client.post("/v1/datasets").multipart(form).send().await.expect_status(201));
    for other in others {
        for member in ["name", "sha256", "size_bytes", "columns", "class_counts", "format"] {
            assert_eq!(other[member], plain[member], "{member}");
        }
    }
}

#[tokio::test]
async fn columnar_and_line_formats() {
    let app = App::start().await;
    let client = app.client();
    let lines = "{\"a\": 1.5, \"y\": true}\n{\"a\": null, \"y\": false}\n\n{\"y\": false, \"a\": 2}\n";
    let lines = post(&client, "", "application/x-ndjson", lines).await;
    assert_eq!((&lines["rows"], &lines["columns"][0]["missing"]), (&json!(3), &json!(1)));
    assert_eq!((&lines["columns"][1]["type"], &lines["positive_label"]), (&json!("boolean"), &json!("true")));
    let batch = record_batch();
    let mut stream = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    let stream = post(&client, "", "application/vnd.apache.arrow.stream", stream.into_inner().unwrap()).await;
    let mut parquet = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    let parquet = post(&client, "", "application/vnd.apache.parquet", parquet.into_inner().unwrap()).await;
    for dataset in [&stream, &parquet] {
        assert_eq!(dataset["class_counts"], json!({"no": 3, "yes": 1}));
        assert_eq!(dataset["columns"], stream["columns"]);
        assert_eq!((&dataset["columns"][0]["missing"], &dataset["columns"][0]["mean"]), (&json!(1), &json!(2.0)));
        let content = client.get(&format!("/v1/datasets/{}/content", dataset["id"].as_str().unwrap())).send().await;
        assert_eq!(dataset["size_bytes"], content.bytes.len());
        let rows = client.get(&format!("/v1/datasets/{}/rows?limit=2", dataset["id"].as_str().unwrap())).send().await;
        assert_eq!(rows.expect_status(200)["data"], json!([[1, "no"], [null, "yes"]]));
    }
}

fn record_batch() -> arrow::record_batch::RecordBatch {
    use arrow::array::{ArrayRef, Float64Array, StringArray};
    let x: ArrayRef = std::sync::Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0), Some(3.0)]));
    let y: ArrayRef = std::sync::Arc::new(StringArray::from(vec!["no", "yes", "no", "no"]));
    arrow::record_batch::RecordBatch::try_from_iter([("x", x), ("y", y)]).unwrap()
}

#[tokio::test]
async fn types_come_from_the_whole_column_and_can_be_set() {
    let app = App::start().await;
    let client = app.client();
    let mut csv = String::from("code,flag,y\n");
    for row in 0..3_000 {
        csv.push_str(&format!("{row},{},{}\n", row % 2 == 0, row % 7 == 0));
    }
    csv.push_str("none,true,true\n");
    let inferred = post(&client, "", "text/csv", csv).await;
    let types: Vec<&Value> = inferred["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(types, ["categorical", "boolean", "boolean"], "the last of 3001 rows decides");
    let zip = "zip,y\n01234,0\n99999,1\n";
    let call = client.post("/v1/datasets").query("column_types", r#"{"zip": "categorical"}"#);
    let set = call.header("content-type", "text/csv").body(zip).send().await.expect_status(201);
    assert_eq!(set["columns"][0]["type"], "categorical");
    assert_eq!(set["columns"][0]["top"][0]["value"], "01234", "text stays as it was written");
    let missing = post(&client, "?missing=-99,unknown", "text/csv", "a,y\n-99,0\nunknown,1\n3,1\n4,0\n").await;
    assert_eq!((&missing["columns"][0]["missing"], &missing["columns"][0]["type"]), (&json!(2), &json!("numeric")));
}

#[tokio::test]
async fn broken_files_say_where() {
    let app = App::start().await;
    let client = app.client();
    let refuse = |media_type: &'static str, body: Vec<u8>| {
        client.post("/v1/datasets").header("content-type", media_type).body(body).send()
    };
    let ragged = refuse("text/csv", b"a,b,y\n1,2,0\n1,2\n1,2,1\n1,2,3,4\n".to_vec()).await;
    let problem = ragged.expect_problem(422, "invalid-dataset");
    let rows: Vec<String> = places(&problem).iter().map(|place| place.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(rows, ["2", "4"], "{problem:#}");
    let call = client.post("/v1/datasets").query("column_types", r#"{"a": "numeric"}"#);
    let problem = call.header("content-type", "text/csv").body("a,y\n1,0\nx,1\n2,0\nz,1\n").send().await;
    assert_eq!(places(&problem.expect_problem(422, "invalid-dataset")), ["2:a", "4:a"]);
    let cases: [(&str, &[u8]); 8] = [
        ("text/csv", b""),
        ("text/csv", b"a,y\n"),
        ("text/csv", b"a,a,y\n1,2,0\n3,4,1\n"),
        ("text/csv", b"a,y\n\"open,0\n1,1\n"),
        ("text/csv", b"a,y\n\xff\xfe,0\n1,1\n"),
        ("application/x-ndjson", b"{\"a\": 1, \"y\": 0}\n{\"a\": \n"),
        ("application/vnd.apache.parquet", b"PAR1 and nothing else"),
        ("application/vnd.apache.arrow.stream", b"not arrow"),
    ];
    for (media_type, body) in cases {
        let reply = refuse(media_type, body.to_vec()).await;
        reply.expect_problem(422, "invalid-dataset");
    }
    let listed = client.get("/v1/datasets").send().await.expect_status(200);
    assert_eq!(listed["items"], json!([]), "nothing of a broken file is kept");
}

/// PostgreSQL keeps no NUL in a text; a name or a class with one is refused before it gets there.
#[tokio::test]
async fn nul_is_part_of_no_name() {
    let app = App::start().await;
    let client = app.client();
    let refuse = |media_type: &'static str, body: &'static str| {
        client.post("/v1/datasets").header("content-type", media_type).body(body).send()
    };
    let cases = [
        ("text/csv", "a,y\0\n1,0\n2,1\n"),
        ("text/csv", "a,y\n1,no\0\n2,yes\n"),
        ("text/csv", "a,y\nx\0,0\ny,1\n"),
        ("application/x-ndjson", "{\"a\": 1, \"y\\u0000\": 0}\n{\"a\": 2, \"y\\u0000\": 1}\n"),
        ("application/x-ndjson", "{\"a\": 1, \"y\": \"no\\u0000\"}\n{\"a\": 2, \"y\": \"yes\"}\n"),
    ];
    for (media_type, body) in cases {
        let problem = refuse(media_type, body).await.expect_problem(422, "invalid-dataset");
        assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("NUL"), "{body:?}: {problem:#}");
    }
    for parameter in ["name", "target", "positive_label", "missing"] {
        let call = client.post("/v1/datasets").query(parameter, "a\0").header("content-type", "text/csv");
        let problem = call.body(data::csv(40)).send().await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), [format!("?{parameter}")]);
    }
    let dataset = client.upload("", data::csv(40)).await;
    for member in ["model_name", "target", "positive_label"] {
        let mut job = json!({"dataset_id": dataset["id"]});
        job[member] = json!("a\0");
        let problem = client.post("/v1/jobs").json(&job).send().await.expect_problem(422, "invalid-request");
        assert_eq!(places(&problem), [format!("/{member}")]);
    }
    for path in ["/v1/datasets?name=%00", "/v1/models?name=%00", "/v1/jobs?status=%00", "/v1/jobs?page_token=%00"] {
        client.get(path).send().await.expect_problem(422, "invalid-request");
    }
}

#[tokio::test]
async fn a_preview_reads_the_start_of_a_file_only() {
    let app = App::start().await;
    let client = app.client();
    let dataset = client.upload("", data::csv(80_000)).await;
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    app.damage_blob(dataset["sha256"].as_str().unwrap());
    let rows = client.get(&format!("{path}/rows?limit=2")).send().await.expect_status(200);
    assert_eq!((rows["data"].as_array().map(Vec::len), &rows["rows"]), (Some(2), &json!(80_000)));
    let job = client.finish(&client.queue(&json!({"dataset_id": dataset["id"], "max_attempts": 1})).await).await;
    assert_eq!(job["status"], "failed", "what is learnt from is checked");
}
