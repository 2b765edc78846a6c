//! Making models ready before they are given requests.

use serde_json::{Map, Value};

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::predict::{Instead, Size, at_turn, score};
use crate::http::models::{Served, find_served};
use crate::ml::picture::{PictureSpec, Pictures};
use crate::ml::table::{ColumnType, ExpectedColumn, IMAGE_COLUMN, Parsed, Table, TableLimits, Values, from_json_rows};
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
    at_turn(state, &served, size, move || ask(&asked, Instead { prevalence, ..Instead::default() })).await
}

fn ask(served: &Served, instead: Instead) -> Result<(), ApiError> {
    let row: Map<String, Value> = served.inputs.iter().map(|input| (input.name.clone(), nothing(input))).collect();
    let parsed = from_json_rows(&[Value::Object(row)], &served.inputs, &TableLimits::STANDARD);
    let Ok(Parsed { table, .. }) = parsed else {
        return Err(ApiError::internal("a row of missing values does not fit the model's own columns"));
    };
    let table = match served.model.picture_spec() {
        Some(spec) => with_black_picture(table, spec)?,
        None => table,
    };
    score(served, &table, instead).map(drop)
}

/// No value; a picture needs some text.
fn nothing(input: &ExpectedColumn) -> Value {
    if input.column_type == ColumnType::Image { Value::from("black") } else { Value::Null }
}

/// The row with a picture, which cannot be missing.
fn with_black_picture(table: Table, spec: PictureSpec) -> Result<Table, ApiError> {
    let black = Pictures::new(spec.shape, vec![0; spec.shape.values()]).map_err(ApiError::internal)?;
    let mut columns = table.into_columns();
    for column in columns.iter_mut().filter(|column| column.name == IMAGE_COLUMN) {
        column.values = Values::Pictures(black.clone());
    }
    Table::new(columns).map_err(ApiError::internal)
}
