//! Models to be asked over the Open Inference Protocol, and what `predict` says of the same rows.

use serde_json::{Value, json};

use super::app::App;
use super::client::Client;
use super::data;

/// A model with columns of several types, and one with numeric columns only.
pub(crate) struct Scene {
    pub(crate) app: App,
    pub(crate) client: Client,
    pub(crate) mixed: Value,
    pub(crate) numeric: Value,
}

/// Rows of the mixed model, with what is missing and what was never seen.
pub(crate) fn rows() -> Vec<Value> {
    vec![
        json!({"height": 0.1, "width": 1.7, "colour": "red", "age": 31}),
        json!({"height": 2.75, "width": 0.3, "colour": "green", "age": null}),
        json!({"height": null, "width": 1.0, "colour": null, "age": 44}),
        json!({"height": 1.5, "width": -0.5, "colour": "ultraviolet", "age": 20}),
    ]
}

impl Scene {
    pub(crate) async fn set(flags: &[&str]) -> Self {
        let app = App::with(super::app::Engine::Sqlite, flags).await;
        let client = app.client();
        let dataset = client.upload("?name=garden", data::csv(240)).await;
        let mixed = client.train(&dataset, named("mixed", &json!([]))).await;
        let numeric = client.train(&dataset, named("numeric", &json!(["colour"]))).await;
        Self { app, client, mixed, numeric }
    }

    /// What `predict` says of rows: probabilities, bit for bit, and labels.
    pub(crate) async fn predicted(&self, model: &Value, rows: &[Value]) -> (Vec<u64>, Vec<String>) {
        let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
        let answer = self.client.post(&path).json(&json!({"rows": rows})).send().await.expect_status(200);
        let predictions = answer["predictions"].as_array().unwrap();
        let bits = predictions.iter().map(|one| one["probability"].as_f64().unwrap().to_bits()).collect();
        let labels = predictions.iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect();
        (bits, labels)
    }
}

pub(crate) fn named(name: &str, exclude: &Value) -> Value {
    let mut job = data::quick();
    job["model_name"] = json!(name);
    job["exclude"] = exclude.clone();
    job
}

/// One column of rows as a tensor in JSON.
pub(crate) fn column(rows: &[Value], name: &str, datatype: &str) -> Value {
    let data: Vec<&Value> = rows.iter().map(|row| &row[name]).collect();
    json!({"name": name, "shape": [rows.len()], "datatype": datatype, "data": data})
}

/// The columns of the mixed model, in another order than its own.
pub(crate) fn columns(rows: &[Value]) -> Vec<Value> {
    [("colour", "BYTES"), ("age", "INT64"), ("width", "FP64"), ("height", "FP64")]
        .map(|(name, datatype)| column(rows, name, datatype))
        .into()
}

/// The elements of FP64 in binary.
pub(crate) fn fp64(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The elements of BYTES in binary.
pub(crate) fn texts(texts: &[&str]) -> Vec<u8> {
    let one = |text: &&str| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
    texts.iter().flat_map(one).collect()
}

/// The texts in BYTES in binary.
pub(crate) fn read_texts(mut bytes: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    texts
}

/// The bits of FP64 in binary.
pub(crate) fn read_bits(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
}
