//! Predictions in every format, both ways: the same rows give the same numbers to the last bit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::Float64Type;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::client::{Client, Reply, places};
use crate::support::data;

pub(crate) const CSV: &str = "text/csv";
pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const ARROW: &str = "application/vnd.apache.arrow.stream";
pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";
const MEDIA: [&str; 5] = [JSON, CSV, NDJSON, ARROW, PARQUET];

/// A server with a model.
pub(crate) struct Trained {
    pub(crate) app: App,
    pub(crate) client: Client,
    pub(crate) path: String,
    pub(crate) model: Value,
}

pub(crate) async fn trained(flags: &[&str]) -> Trained {
    let app = App::with(crate::support::app::Engine::Sqlite, flags).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(240)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    Trained { app, client, path, model }
}

/// Rows as columns, so that every format can be made of them.
pub(crate) struct Rows {
    height: Vec<f64>,
    width: Vec<f64>,
    colour: Vec<Option<&'static str>>,
    age: Vec<Option<f64>>,
}

impl Rows {
    pub(crate) fn new(count: usize) -> Self {
        let spread = |row: usize, step: f64| (row as f64 * step).fract() * 3.0;
        Self {
            height: (0..count).map(|row| spread(row, 0.618_033_988_749)).collect(),
            width: (0..count).map(|row| spread(row, 0.414_213_562_373) / 3e5).collect(),
            colour: (0..count).map(|row| [Some("red"), Some("blue"), None, Some("never, \"seen\"")][row % 4]).collect(),
            age: (0..count).map(|row| (row % 3 > 0).then_some(row as f64 + 0.5)).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.height.len()
    }

    fn objects(&self) -> impl Iterator<Item = Value> {
        (0..self.len()).map(|row| {
            json!({"age": self.age[row], "note": "n", "width": self.width[row], "colour": self.colour[row], "height": self.height[row]})
        })
    }

    pub(crate) fn body(&self, media: &str) -> Vec<u8> {
        match media {
            JSON => json!({"rows": self.objects().collect::<Vec<_>>()}).to_string().into_bytes(),
            NDJSON => self.objects().map(|row| format!("{row}\n")).collect::<String>().into_bytes(),
            CSV => {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(["note", "colour", "age", "width", "height"]).unwrap();
                for row in 0..self.len() {
                    let age = self.age[row].map_or(String::new(), |age| age.to_string());
                    let (width, height) = (self.width[row].to_string(), self.height[row].to_string());
                    writer.write_record(["n", self.colour[row].unwrap_or(""), &age, &width, &height]).unwrap();
                }
                writer.into_inner().unwrap()
            }
            ARROW => {
                let batch = self.batch();
                let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                for start in (0..self.len()).step_by(1_000) {
                    writer.write(&batch.slice(start, 1_000.min(self.len() - start))).unwrap();
                }
                writer.into_inner().unwrap()
            }
            _ => {
                let batch = self.batch();
                let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
                writer.write(&batch).unwrap();
                writer.into_inner().unwrap()
            }
        }
    }

    fn batch(&self) -> RecordBatch {
        let columns: [(&str, ArrayRef); 5] = [
            ("colour", Arc::new(StringArray::from(self.colour.clone()))),
            ("height", Arc::new(Float64Array::from(self.height.clone()))),
            ("note", Arc::new(StringArray::from(vec!["n"; self.len()]))),
            ("width", Arc::new(Float64Array::from(self.width.clone()))),
            ("age", Arc::new(Float64Array::from(self.age.clone()))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }
}

/// Labels and the bits of probabilities.
pub(crate) type Found = Vec<(String, u64)>;

/// What an answer says, in whatever format.
pub(crate) fn found(media: &str, bytes: &[u8]) -> Found {
    let of_value =
        |row: &Value| (row["label"].as_str().unwrap().to_owned(), row["probability"].as_f64().unwrap().to_bits());
    match media {
        JSON => serde_json::from_slice::<Value>(bytes).unwrap()["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(of_value)
            .collect(),
        NDJSON => {
            let lines = std::str::from_utf8(bytes).unwrap().lines();
            lines.map(|line| of_value(&serde_json::from_str(line).unwrap())).collect()
        }
        CSV => {
            let mut reader = csv::Reader::from_reader(bytes);
            assert_eq!(reader.headers().unwrap(), vec!["label", "probability"]);
            let rows = reader.records().map(|row| row.unwrap());
            rows.map(|row| (row[0].to_owned(), row[1].parse::<f64>().unwrap().to_bits())).collect()
        }
        ARROW => StreamReader::try_new(bytes, None).unwrap().flat_map(|batch| of_batch(&batch.unwrap())).collect(),
        _ => {
            let bytes = bytes::Bytes::copy_from_slice(bytes);
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            reader.build().unwrap().flat_map(|batch| of_batch(&batch.unwrap())).collect()
        }
    }
}

fn of_batch(batch: &RecordBatch) -> Found {
    let labels = batch.column_by_name("label").unwrap().as_string::<i32>().clone();
    let probabilities = batch.column_by_name("probability").unwrap().as_primitive::<Float64Type>().clone();
    assert_eq!((labels.null_count(), probabilities.null_count()), (0, 0));
    labels.iter().zip(probabilities.values()).map(|(label, p)| (label.unwrap().to_owned(), p.to_bits())).collect()
}

async fn ask(trained: &Trained, rows: &Rows, media: &str, accept: Option<&str>) -> Reply {
    let mut call = trained.client.post(&trained.path).header("content-type", media);
    if let Some(accept) = accept {
        call = call.header("accept", accept);
    }
    call.body(rows.body(media)).send().await
}

#[tokio::test]
async fn the_same_rows_give_the_same_bits_whichever_way_they_come_and_go() {
    let trained = trained(&[]).await;
    let rows = Rows::new(37);
    let expected = found(JSON, &ask(&trained, &rows, JSON, None).await.bytes);
    assert_eq!(expected.len(), rows.len());
    assert!(expected.iter().any(|(label, _)| label == "yes") && expected.iter().any(|(label, _)| label == "no"));
    for sent in MEDIA {
        for wanted in MEDIA {
            let reply = ask(&trained, &rows, sent, Some(wanted)).await;
            assert_eq!((reply.status, reply.header("content-type").as_str()), (200, wanted), "{sent}");
            assert_eq!(found(wanted, &reply.bytes), expected, "{sent} answered in {wanted}");
        }
    }
}

#[tokio::test]
async fn rows_that_are_streamed_are_those_that_are_read_whole() {
    let trained = trained(&["--max-predict-rows", "100000"]).await;
    let rows = Rows::new(30_000);
    let expected = found(JSON, &ask(&trained, &rows, JSON, None).await.bytes);
    for sent in [CSV, NDJSON, ARROW] {
        for wanted in [CSV, NDJSON, ARROW, PARQUET] {
            let reply = ask(&trained, &rows, sent, Some(wanted)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert!(!reply.headers.contains_key("content-length"), "{sent} to {wanted} is streamed");
            assert!(found(wanted, &reply.bytes) == expected, "{sent} answered in {wanted}");
        }
    }
}

#[tokio::test]
async fn who_says_nothing_is_answered_sensibly() {
    let trained = trained(&[]).await;
    let rows = Rows::new(3);
    for (sent, expected) in [(JSON, JSON), (CSV, JSON), (NDJSON, NDJSON), (ARROW, ARROW), (PARQUET, PARQUET)] {
        assert_eq!(ask(&trained, &rows, sent, None).await.header("content-type"), expected);
        assert_eq!(ask(&trained, &rows, sent, Some("*/*")).await.header("content-type"), expected);
    }
    let accept = "text/html, application/*;q=0.2, text/csv;q=0.9";
    assert_eq!(ask(&trained, &rows, ARROW, Some(accept)).await.header("content-type"), CSV);
    ask(&trained, &rows, CSV, Some("text/html")).await.expect_problem(406, "not-acceptable");
    let call = trained.client.post(&trained.path).header("content-type", "application/xml");
    call.body("<rows/>").send().await.expect_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn what_json_says_is_in_headers_and_in_metadata() {
    let trained = trained(&[]).await;
    let rows = Rows::new(3);
    let path = format!("{}?threshold=0.25&prevalence=0.125", trained.path);
    for sent in [CSV, NDJSON, ARROW, PARQUET] {
        let call = trained.client.post(&path).header("content-type", sent).header("accept", ARROW);
        let reply = call.body(rows.body(sent)).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let said = |name: &str| reply.header(&format!("evenkeel-{name}"));
        assert_eq!(said("model-id"), trained.model["id"].as_str().unwrap());
        assert_eq!((said("model-version"), said("positive-label")), ("1".to_owned(), "yes".to_owned()));
        assert_eq!((said("threshold"), said("prevalence")), ("0.25".to_owned(), "0.125".to_owned()));
        assert_eq!(said("ignored-columns"), "note");
        let reader = StreamReader::try_new(reply.bytes.as_slice(), None).unwrap();
        let metadata = reader.schema().metadata().clone();
        assert_eq!(metadata["evenkeel.model_id"], trained.model["id"].as_str().unwrap());
        assert_eq!(
            (metadata["evenkeel.threshold"].as_str(), metadata["evenkeel.ignored_columns"].as_str()),
            ("0.25", "[\"note\"]")
        );
        assert!(found(ARROW, &reply.bytes).iter().all(|(label, p)| (label == "yes") == (f64::from_bits(*p) >= 0.25)));
    }
    let body = json!({"rows": [data::row(1.0, 1.0)], "threshold": 0.25, "prevalence": 0.125});
    let by_json = trained.client.post(&trained.path).json(&body).send().await.expect_status(200);
    assert_eq!((by_json["threshold"].as_f64(), by_json["prevalence"].as_f64()), (Some(0.25), Some(0.125)));
}

#[tokio::test]
async fn mistakes_have_rows_and_columns_in_every_format() {
    let trained = trained(&[]).await;
    let ask = async |media: &str, body: Vec<u8>| {
        let call = trained.client.post(&trained.path).header("content-type", media).header("accept", CSV);
        places(&call.body(body).send().await.expect_problem(422, "invalid-rows"))
    };
    let lines =
        "{\"height\":\"tall\",\"width\":1,\"colour\":\"red\",\"age\":3}\n{\"width\":1,\"colour\":\"red\",\"age\":3}\n";
    assert_eq!(ask(NDJSON, lines.into()).await, ["1:height", "2:height"]);
    assert_eq!(ask(CSV, "height,width,colour,age\n1,wide,red,3\n1,1,red\n".into()).await, ["1:width", "2:-"]);
    for (media, empty) in [(CSV, ""), (CSV, "height,width,colour,age\n"), (NDJSON, ""), (NDJSON, "\n\n")] {
        assert_eq!(ask(media, empty.into()).await, ["null:-"], "{media} {empty:?}");
    }
    let narrow: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let batch = RecordBatch::try_from_iter([("height", narrow)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let mut missing = ask(ARROW, writer.into_inner().unwrap()).await;
    missing.sort();
    assert_eq!(missing, ["null:age", "null:colour", "null:width"]);
    for media in [ARROW, PARQUET] {
        assert_eq!(ask(media, b"no table at all".to_vec()).await, ["null:-"], "{media}");
    }
}

#[tokio::test]
async fn only_json_answers_explain() {
    let trained = trained(&[]).await;
    let rows = Rows::new(2);
    let path = format!("{}?explain=true", trained.path);
    for sent in MEDIA {
        let call = trained.client.post(&path).header("content-type", sent).header("accept", JSON);
        let reply = call.body(rows.body(sent)).send().await.expect_status(200);
        assert_eq!(reply["predictions"][1]["explanation"]["contributions"].as_array().map(Vec::len), Some(4), "{sent}");
    }
    let call = trained.client.post(&path).header("content-type", CSV).header("accept", CSV);
    let problem = call.body(rows.body(CSV)).send().await.expect_problem(422, "invalid-request");
    assert_eq!(places(&problem), ["?explain"]);
}

#[tokio::test]
async fn a_change_holds_for_the_next_prediction() {
    let trained = trained(&["--model-trust-seconds", "3600"]).await;
    let ask = || trained.client.post(&trained.path).json(&json!({"rows": [data::row(1.0, 1.0)]})).send();
    let before = ask().await.expect_status(200);
    let threshold = format!("/v1/models/{}/threshold", trained.model["id"].as_str().unwrap());
    let set = trained.client.call("put", &threshold).header("if-match", "*").json(&json!({"value": 0.123}));
    set.send().await.expect_status(200);
    let after = ask().await.expect_status(200);
    assert_ne!(before["threshold"], after["threshold"]);
    assert_eq!(after["threshold"].as_f64(), Some(0.123));
    trained
        .client
        .delete(&format!("/v1/models/{}", trained.model["id"].as_str().unwrap()))
        .send()
        .await
        .expect_status(204);
    ask().await.expect_problem(404, "not-found");
}
