//! Predictions as they are sent.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;

use super::score::Scored;
use crate::http::error::ApiError;
use crate::http::models::Served;
use crate::http::models::explained::{Explained, ExplanationView, RowExplanation};
use crate::records::ModelId;

/// The answer: one prediction per row, in the rows' order.
#[derive(Debug, Serialize)]
struct Predictions<'a> {
    model_id: ModelId,
    model_name: &'a str,
    version: u32,
    positive_label: &'a str,
    threshold: f64,
    /// The share of positives that the probabilities hold at; `null` if it is not known.
    prevalence: Option<f64>,
    ignored_columns: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ExplanationView>,
    predictions: Vec<Prediction<'a>>,
}

#[derive(Debug, Serialize)]
struct Prediction<'a> {
    label: &'a str,
    /// Of the positive label.
    probability: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<RowExplanation<'a>>,
}

/// Predictions of a model as JSON.
///
/// # Errors
/// 500 if they cannot be written, which does not happen.
pub(super) fn to_json(
    served: &Served,
    scored: &Scored,
    ignored_columns: &[String],
    explained: Option<&Explained>,
) -> Result<Vec<u8>, ApiError> {
    let record = &served.record;
    let mut explanations = explained.into_iter().flat_map(Explained::rows);
    let labelled = scored.labels(served).zip(&scored.probabilities);
    let prediction = |(label, &probability)| Prediction { label, probability, explanation: explanations.next() };
    let answer = Predictions {
        model_id: record.id,
        model_name: &record.name,
        version: record.version,
        positive_label: &record.classes.positive,
        threshold: scored.scale.threshold,
        prevalence: scored.scale.prevalence(),
        ignored_columns,
        explanation: explained.map(Explained::view),
        predictions: labelled.map(prediction).collect(),
    };
    serde_json::to_vec(&answer).map_err(ApiError::internal)
}

pub(super) fn response(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
