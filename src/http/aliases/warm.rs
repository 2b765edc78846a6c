//! Making models ready before they are given requests.

use serde_json::{Map, Value};

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::predict::{Instead, Size, at_turn, score};
use crate::http::models::{Served, find_served};
use crate::ml::table::{Parsed, TableLimits, from_json_rows};
use crate::records::{AliasRecord, ModelId};

/// Loads every model of an alias and asks each about one row.
///
/// # Errors
/// What loading or asking answers.
pub(super) async fn warm_up(state: &AppState, alias: &AliasRecord) -> Result<(), ApiError> {
    for model in alias.models() {
        warm_up_model(state, model.id, alias.prevalence).await?;
    }
    Ok(())
}

/// Loads a model and asks it about a row without values, at the prevalence that it will be asked at.
///
/// # Errors
/// 404 if there is none; 422 if it cannot be moved to the prevalence; else what loading or asking answers.
pub(super) async fn warm_up_model(state: &AppState, id: ModelId, prevalence: Option<f64>) -> Result<(), ApiError> {
    let served = find_served(state, id).await?;
    let asked = served.clone();
    let size = Size { bytes: 0, rows: 1 };
    at_turn(state, &served, size, move || ask(&asked, Instead { threshold: None, prevalence })).await
}

fn ask(served: &Served, instead: Instead) -> Result<(), ApiError> {
    let row: Map<String, Value> = served.inputs.iter().map(|input| (input.name.clone(), Value::Null)).collect();
    let parsed = from_json_rows(&[Value::Object(row)], &served.inputs, &TableLimits::STANDARD);
    let Ok(Parsed { table, .. }) = parsed else {
        return Err(ApiError::internal("a row of missing values does not fit the model's own columns"));
    };
    score(served, &table, instead).map(drop)
}
