//! `GET /v1/datasets/{dataset_id}/rows`: the first rows, as they were understood. Only the parts of the file that
//! they are in are read, however large it is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::find;
use super::parts::PartsSource;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::{Id, Query};
use crate::ml::table::{ColumnType, ReadError, ReadOptions, Table, Values, head};
use crate::records::{DatasetId, DatasetRecord};

const DEFAULT_ROWS: u64 = 20;

#[derive(Debug, Serialize)]
pub(super) struct Rows {
    columns: Vec<String>,
    /// One array per row, in the order of `columns`.
    data: Vec<Vec<Value>>,
    /// Of the whole dataset.
    rows: u64,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<DatasetId>,
    mut query: Query,
) -> Result<Json<Rows>, ApiError> {
    let max = state.config.max_preview_rows.max(1);
    let limit = query.integer("limit", DEFAULT_ROWS.min(max), 1, max) as usize;
    query.finish()?;
    let dataset = find(&state, id).await?;
    let source = PartsSource::new(state.store.blobs().parts(&dataset.sha256).await?);
    let limits = state.config.tables.clone();
    let read = move || {
        let columns: Vec<(String, ColumnType)> =
            dataset.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
        let options = ReadOptions {
            format: &dataset.format,
            missing_markers: &dataset.missing_markers,
            limits: &limits,
            pictures: None,
        };
        head(source, &options, &columns, limit).map(|table| show(&table, &dataset))
    };
    let read: Result<Rows, ReadError> = tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)?;
    read.map(Json).map_err(|error| match error {
        ReadError::Read(_) => ApiError::unavailable(error),
        // The file was read before: what is wrong now is not the client's doing.
        error => ApiError::internal(error),
    })
}

fn show(table: &Table, dataset: &DatasetRecord) -> Rows {
    let cells = |row| table.columns().iter().map(|column| cell(&column.values, row)).collect();
    Rows {
        columns: table.columns().iter().map(|column| column.name.clone()).collect(),
        data: (0..table.rows()).map(cells).collect(),
        rows: dataset.rows,
    }
}

/// A value as JSON; missing is null. Whole numbers are shown without a fraction, as they were most likely written.
fn cell(values: &Values, row: usize) -> Value {
    match values {
        Values::Numeric(numbers) => numbers.get(row).map_or(Value::Null, |number| json_number(*number)),
        Values::Boolean(flags) => flags.get(row).copied().flatten().map_or(Value::Null, Value::Bool),
        // Pixels are not shown.
        Values::Categorical { .. } | Values::Pictures(_) => values.text(row).map_or(Value::Null, Value::String),
    }
}

fn json_number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::from(number as i64)
    } else {
        serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ml::table::MISSING;

    #[test]
    fn cells_keep_their_type_and_missing_is_null() {
        let numbers = Values::Numeric(vec![1.0, 0.5, f64::NAN, -0.0]);
        assert_eq!(
            (0..4).map(|row| cell(&numbers, row)).collect::<Vec<_>>(),
            [json!(1), json!(0.5), json!(null), json!(0)]
        );
        let words = Values::Categorical { codes: vec![0, MISSING], levels: vec!["1".to_owned()] };
        assert_eq!((cell(&words, 0), cell(&words, 1)), (json!("1"), json!(null)));
        assert_eq!(cell(&Values::Boolean(vec![Some(false)]), 0), json!(false));
    }
}
