//! `POST /v1/models/{model_id}/predict`: rows in, a probability and a class for each out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::dossiers::dossier;
use super::explained::{Explained, ExplanationView, RowExplanation};
use super::predict_body::{Instead, PREVALENCE, THRESHOLD};
use super::rows::{Input, RowLimits, Rows, read_rows};
use super::{find, find_loaded};
use crate::http::AppState;
use crate::http::body;
use crate::http::datasets::parameters::delimiter;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query, media_type, small_body_limits};
use crate::ml::calibrate::Calibrator;
use crate::ml::config::FieldError;
use crate::ml::dossier::Dossier;
use crate::ml::model::Model;
use crate::ml::table::Table;
use crate::records::{ModelId, ModelRecord};

/// Numbers of a block of rows after preprocessing. Categories may become thousands of columns each: a request of
/// some megabytes must not become a matrix of gigabytes.
const BLOCK_CELLS: usize = 4 << 20;
/// Smaller blocks would spend their time on being cut.
const MIN_BLOCK_ROWS: usize = 512;

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
    ignored_columns: Vec<String>,
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

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    mut query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let explain = query.parsed::<bool>("explain", "true or false").unwrap_or(false);
    let parameters = Parameters::read(query, &parts.headers)?;
    // Asked for now, so that a body for no model is not read to its end.
    find(&state, id).await?;
    let bytes = body::collected(&parts.headers, sent, small_body_limits(&state)).await?;
    // Taken only now, so that a slow sender holds up nobody.
    let turn = state.models.turn().await?;
    let (record, model) = find_loaded(&state, id).await?;
    let dossier = match explain {
        true => Some(dossier(&state, &record).await?),
        false => None,
    };
    let limits = RowLimits { max_rows: state.config.max_predict_rows, max_json_depth: state.config.max_json_depth };
    let answer = tokio::task::spawn_blocking(move || {
        // The turn ends with the work, also when nobody waits for it any more.
        let _turn = turn;
        answer(&record, &model, dossier.as_deref(), parameters.input(bytes), limits)
    });
    Ok(json(answer.await.map_err(ApiError::internal)??))
}

/// What the query and the media type say.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Parameters {
    Json,
    Csv { delimiter: char, instead: Instead },
}

impl Parameters {
    /// # Errors
    /// 415 for another media type, 422 for parameters that are wrong or that JSON does not have.
    fn read(mut query: Query, headers: &HeaderMap) -> Result<Self, ApiError> {
        let delimiter = delimiter(&mut query);
        let instead = Instead { threshold: threshold(&mut query), prevalence: prevalence(&mut query) };
        let parameters = match media_type(headers).as_deref() {
            Some("application/json") => {
                for (name, given) in given(delimiter, instead) {
                    if given {
                        query.error(name, "only CSV has it; in JSON, threshold and prevalence are members of the body");
                    }
                }
                Parameters::Json
            }
            Some("text/csv") => Parameters::Csv { delimiter: delimiter.unwrap_or(','), instead },
            _ => return Err(ApiError::new(Code::UnsupportedMediaType, "send application/json or text/csv")),
        };
        query.finish()?;
        Ok(parameters)
    }

    fn input(self, bytes: Bytes) -> Input {
        match self {
            Parameters::Json => Input::Json { bytes },
            Parameters::Csv { delimiter, instead } => Input::Csv { bytes, delimiter, instead },
        }
    }
}

fn threshold(query: &mut Query) -> Option<f64> {
    let expected = format!("a number {THRESHOLD}");
    let number = query.parsed::<f64>("threshold", &expected)?;
    if !(0.0..=1.0).contains(&number) {
        query.error("threshold", format!("expected {expected}, found {number}"));
        return None;
    }
    Some(number)
}

fn prevalence(query: &mut Query) -> Option<f64> {
    let expected = format!("a number {PREVALENCE}");
    let number = query.parsed::<f64>("prevalence", &expected)?;
    if !(number > 0.0 && number < 1.0) {
        query.error("prevalence", format!("expected {expected}, found {number}"));
        return None;
    }
    Some(number)
}

/// Which parameters were given that only CSV has.
fn given(delimiter: Option<char>, instead: Instead) -> [(&'static str, bool); 3] {
    let Instead { threshold, prevalence } = instead;
    [("delimiter", delimiter.is_some()), ("threshold", threshold.is_some()), ("prevalence", prevalence.is_some())]
}

/// The model's calibrator, at another prevalence if one is given.
///
/// # Errors
/// 422 if it is given and the model does not know its own.
fn calibrator(model: &Model, prevalence: Option<f64>) -> Result<Calibrator, ApiError> {
    let Some(prevalence) = prevalence else { return Ok(model.calibrator.clone()) };
    model.calibrator.at_prevalence(prevalence).ok_or_else(|| {
        let detail = "this model was stored without the prevalence of its training rows, from which probabilities would be \
                      moved; train it again";
        ApiError::invalid(vec![FieldError { pointer: "/prevalence".to_owned(), detail: detail.to_owned() }])
    })
}

/// All of the work that needs no waiting, from bytes to bytes. With a dossier, predictions are explained.
fn answer(
    record: &ModelRecord,
    model: &Arc<Model>,
    dossier: Option<&Dossier>,
    input: Input,
    limits: RowLimits,
) -> Result<Vec<u8>, ApiError> {
    let Rows { table, ignored_columns, instead } = read_rows(input, model, limits)?;
    let calibrator = calibrator(model, instead.prevalence)?;
    let explained = dossier
        .filter(|_| table.rows() > 0)
        .map(|dossier| Explained::new(model, &calibrator, dossier, &table))
        .transpose()?;
    let probabilities = probabilities(model, &table, &calibrator)?;
    let threshold = instead.threshold.unwrap_or(record.threshold);
    let mut explanations = explained.iter().flat_map(Explained::rows);
    let prediction = |probability| Prediction {
        label: record.classes.name(probability >= threshold),
        probability,
        explanation: explanations.next(),
    };
    let answer = Predictions {
        model_id: record.id,
        model_name: &record.name,
        version: record.version,
        positive_label: &record.classes.positive,
        threshold,
        prevalence: calibrator.deployment_prevalence.or(calibrator.prevalence),
        ignored_columns,
        explanation: explained.as_ref().map(Explained::view),
        predictions: probabilities.into_iter().map(prediction).collect(),
    };
    serde_json::to_vec(&answer).map_err(ApiError::internal)
}

/// Block by block; a row's probability does not depend on the rows beside it.
fn probabilities(model: &Model, table: &Table, calibrator: &Calibrator) -> Result<Vec<f64>, ApiError> {
    let features = model.preprocessor.feature_names().len().max(1);
    let rows: Vec<usize> = (0..table.rows()).collect();
    let mut probabilities = Vec::with_capacity(rows.len());
    for block in rows.chunks((BLOCK_CELLS / features).max(MIN_BLOCK_ROWS)) {
        // The rows were checked against the model's own columns, so a refusal here is a fault of the program.
        let found = match block.len() == rows.len() {
            true => model.predict_with(table, calibrator),
            false => model.predict_with(&table.select(block), calibrator),
        };
        probabilities.extend(found.map_err(ApiError::internal)?);
    }
    if probabilities.iter().any(|probability| !probability.is_finite()) {
        return Err(ApiError::internal("the model gave a probability that is not finite"));
    }
    Ok(probabilities)
}

fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, media_type: &'static str) -> Result<Parameters, ApiError> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Parameters::read(Query::new(query), &headers)
    }

    #[test]
    fn csv_takes_its_parameters_from_the_query() {
        let parameters = read("threshold=0.25&prevalence=0.01&delimiter=%3B", "text/csv; charset=utf-8").unwrap();
        let instead = Instead { threshold: Some(0.25), prevalence: Some(0.01) };
        assert_eq!(parameters, Parameters::Csv { delimiter: ';', instead });
        assert_eq!(read("", "text/csv").unwrap(), Parameters::Csv { delimiter: ',', instead: Instead::default() });
        assert_eq!(read("", "application/json").unwrap(), Parameters::Json);
    }

    #[test]
    fn a_threshold_is_a_probability() {
        for wrong in ["NaN", "-0.1", "1.1", "inf", "half", ""] {
            let error = read(&format!("threshold={wrong}"), "text/csv").unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("threshold"), "{wrong}");
        }
    }

    #[test]
    fn a_prevalence_lies_between_0_and_1() {
        for wrong in ["NaN", "0", "1", "-0.1", "some"] {
            let error = read(&format!("prevalence={wrong}"), "text/csv").unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("prevalence"), "{wrong}");
        }
    }

    #[test]
    fn json_has_its_threshold_in_the_body() {
        let error = read("threshold=0.5&delimiter=tab&rows=1", "application/json").unwrap_err();
        let names: Vec<&str> = error.errors().iter().filter_map(|error| error.parameter.as_deref()).collect();
        assert_eq!(names, ["delimiter", "threshold", "rows"]);
    }

    #[test]
    fn other_media_types_are_refused() {
        assert_eq!(read("", "application/xml").unwrap_err().code(), Code::UnsupportedMediaType);
        assert_eq!(Parameters::read(Query::new(""), &HeaderMap::new()).unwrap_err().code(), Code::UnsupportedMediaType);
    }
}
