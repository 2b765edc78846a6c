//! What is answered to an inference request, before a format writes it.

use serde_json::{Map, Value};

use super::request::{Output, Request};
use crate::http::models::Served;
use crate::http::models::predict::Scored;

/// Predictions with what a client should know beside them.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    /// As the request named it.
    pub(super) model_name: &'a str,
    pub(super) model_version: String,
    pub(super) id: Option<&'a str>,
    pub(super) parameters: Map<String, Value>,
    pub(super) outputs: &'a [Output],
    pub(super) probabilities: &'a [f64],
    pub(super) labels: Vec<&'a str>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        model_name: &'a str,
        served: &'a Served,
        request: &'a Request,
        ignored: &[String],
        scored: &'a Scored,
    ) -> Self {
        Self {
            model_name,
            model_version: served.record.version.to_string(),
            id: request.id.as_deref(),
            parameters: parameters(served, ignored, scored),
            outputs: &request.outputs,
            probabilities: &scored.probabilities,
            labels: scored.labels(served).collect(),
        }
    }
}

/// Strings and numbers, as the protocol has no other parameters.
fn parameters(served: &Served, ignored: &[String], scored: &Scored) -> Map<String, Value> {
    let record = &served.record;
    let mut parameters = Map::new();
    parameters.insert("model_id".to_owned(), record.id.to_string().into());
    parameters.insert("positive_label".to_owned(), record.classes.positive.as_str().into());
    parameters.insert("threshold".to_owned(), scored.scale.threshold.into());
    if let Some(prevalence) = scored.scale.prevalence() {
        parameters.insert("prevalence".to_owned(), prevalence.into());
    }
    if !ignored.is_empty() {
        parameters.insert("ignored_columns".to_owned(), ignored.join(", ").into());
    }
    parameters
}
