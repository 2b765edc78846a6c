//! The answer over REST: JSON, and after it the outputs that are wanted in binary.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::binary::JSON_LENGTH;
use super::raw;
use super::request::{Output, OutputKind};
use crate::http::error::ApiError;

/// An answer as bytes.
#[derive(Debug)]
pub(super) struct Written {
    bytes: Vec<u8>,
    /// How many of them are JSON, if there are others.
    json_length: Option<usize>,
}

#[derive(Debug, Serialize)]
struct AnswerView<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    parameters: &'a Map<String, Value>,
    outputs: Vec<OutputView<'a>>,
}

#[derive(Debug, Serialize)]
struct OutputView<'a> {
    name: &'static str,
    shape: [usize; 1],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Debug, Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Numbers(&'a [f64]),
    Texts(&'a [&'a str]),
}

/// # Errors
/// 500 if JSON cannot be written, which does not happen.
pub(super) fn write(answer: &Answer<'_>) -> Result<Written, ApiError> {
    let mut binary = Vec::new();
    let view = AnswerView {
        model_name: answer.model_name,
        model_version: &answer.model_version,
        id: answer.id,
        parameters: &answer.parameters,
        outputs: answer.outputs.iter().map(|output| view(*output, answer, &mut binary)).collect(),
    };
    let mut bytes = serde_json::to_vec(&view).map_err(ApiError::internal)?;
    let json_length = answer.outputs.iter().any(|output| output.binary).then_some(bytes.len());
    bytes.append(&mut binary);
    Ok(Written { bytes, json_length })
}

fn view<'a>(output: Output, answer: &'a Answer<'_>, binary: &mut Vec<u8>) -> OutputView<'a> {
    let start = binary.len();
    let data = match (output.kind, output.binary) {
        (OutputKind::Probability, false) => Some(Data::Numbers(answer.probabilities)),
        (OutputKind::Label, false) => Some(Data::Texts(&answer.labels)),
        (OutputKind::Probability, true) => {
            raw::write_numbers(answer.probabilities, binary);
            None
        }
        (OutputKind::Label, true) => {
            raw::write_texts(answer.labels.iter().copied(), binary);
            None
        }
    };
    OutputView {
        name: output.kind.name(),
        shape: [answer.probabilities.len()],
        datatype: output.kind.datatype().name(),
        parameters: output.binary.then(|| BinarySize { binary_data_size: binary.len() - start }),
        data,
    }
}

impl Written {
    pub(super) fn response(self) -> Response {
        let media_type = match self.json_length {
            Some(_) => "application/octet-stream",
            None => "application/json",
        };
        let mut response = Response::new(Body::from(self.bytes));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(length) = self.json_length {
            headers.insert(JSON_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(binary: [bool; 2]) -> Written {
        let outputs: Vec<Output> =
            OutputKind::ALL.into_iter().zip(binary).map(|(kind, binary)| Output { kind, binary }).collect();
        let answer = Answer {
            model_name: "m",
            model_version: "3".to_owned(),
            id: Some("7"),
            parameters: Map::from_iter([("threshold".to_owned(), json!(0.5))]),
            outputs: &outputs,
            probabilities: &[0.1, 0.75],
            labels: vec!["no", "yes"],
        };
        write(&answer).unwrap()
    }

    #[test]
    fn an_answer_in_json_has_its_data_in_it() {
        let written = written([false, false]);
        assert_eq!(written.json_length, None);
        let expected = json!({
            "model_name": "m", "model_version": "3", "id": "7", "parameters": {"threshold": 0.5},
            "outputs": [
                {"name": "probability", "shape": [2], "datatype": "FP64", "data": [0.1, 0.75]},
                {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["no", "yes"]},
            ],
        });
        assert_eq!(serde_json::from_slice::<Value>(&written.bytes).unwrap(), expected);
    }

    #[test]
    fn an_answer_in_binary_has_its_data_after_it() {
        let written = written([true, true]);
        let (json, data) = written.bytes.split_at(written.json_length.unwrap());
        let json: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(json["outputs"][0]["parameters"], json!({"binary_data_size": 16}));
        assert_eq!(json["outputs"][1]["parameters"], json!({"binary_data_size": 13}));
        assert!(json["outputs"][0].get("data").is_none());
        let expected = [&0.1_f64.to_le_bytes()[..], &0.75_f64.to_le_bytes(), b"\x02\0\0\0no\x03\0\0\0yes"].concat();
        assert_eq!(data, expected);
        assert_eq!(written.response().headers()["content-type"], "application/octet-stream");
    }

    #[test]
    fn one_output_may_be_binary_and_the_other_not() {
        let written = written([false, true]);
        let (json, data) = written.bytes.split_at(written.json_length.unwrap());
        assert_eq!(serde_json::from_slice::<Value>(json).unwrap()["outputs"][0]["data"], json!([0.1, 0.75]));
        assert_eq!(data.len(), 13);
    }
}
