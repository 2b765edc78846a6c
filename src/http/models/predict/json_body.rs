//! Reads the JSON body of a prediction: which of the two forms it has, its threshold, how many rows.

use serde_json::Value;

use super::score::Instead;
use crate::ml::config::{FieldError, ObjectReader, Range};

/// A checked body; the cells of its rows are checked against the model later.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PredictBody {
    pub(super) rows: PredictRows,
    /// Instead of the model's own.
    pub(super) instead: Instead,
}

/// The two forms of rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PredictRows {
    /// One object per row, by column name.
    Objects(Vec<Value>),
    /// One array per row, in the order of `columns`.
    Arrays { columns: Vec<String>, data: Vec<Vec<Value>> },
}

impl PredictRows {
    pub(super) fn len(&self) -> usize {
        match self {
            PredictRows::Objects(rows) => rows.len(),
            PredictRows::Arrays { data, .. } => data.len(),
        }
    }
}

/// What a threshold may be: a probability.
pub(super) const THRESHOLD: Range = Range::Closed(0.0, 1.0);
/// What a prevalence may be.
pub(super) const PREVALENCE: Range = Range::Open(0.0, 1.0);

/// Takes the body apart, so that its cells, of which there may be millions, are never copied.
///
/// # Errors
/// Every mistake in the body outside its cells, each with its JSON pointer.
pub(super) fn read_predict_body(mut body: Value) -> Result<PredictBody, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(&body, "", &mut errors);
    if !body.is_object() {
        return Err(errors);
    }
    let instead = Instead {
        threshold: reader.optional_number("threshold", THRESHOLD, &mut errors),
        prevalence: reader.optional_number("prevalence", PREVALENCE, &mut errors),
        views: None,
    };
    let form = check_form(&mut reader, &mut errors);
    reader.finish(&mut errors);
    match form {
        Some(form) if errors.is_empty() => Ok(PredictBody { rows: take_rows(&mut body, form), instead }),
        _ => Err(errors),
    }
}

/// Which members hold the rows.
#[derive(Clone, Copy)]
enum Form {
    Rows,
    ColumnsAndData,
}

fn check_form(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Option<Form> {
    let rows = reader.present("rows").is_some();
    let [columns, data] = ["columns", "data"].map(|name| reader.present(name).is_some());
    match (rows, columns || data) {
        (true, false) => {
            check_array(reader, "rows", errors);
            Some(Form::Rows)
        }
        (false, true) => {
            check_strings(reader, errors);
            check_arrays(reader, errors);
            Some(Form::ColumnsAndData)
        }
        (true, true) => {
            reader.error("rows", "expected either \"rows\" or \"columns\" with \"data\", found both", errors);
            None
        }
        (false, false) => {
            reader.error("rows", "expected \"rows\", or \"columns\" with \"data\"; found neither", errors);
            None
        }
    }
}

/// The elements of an array that must be there; reported where it is not.
fn check_array<'a>(reader: &mut ObjectReader<'a>, name: &'static str, errors: &mut Vec<FieldError>) -> &'a [Value] {
    let items = reader.present(name).and_then(Value::as_array);
    if items.is_none() {
        reader.error(name, "expected an array", errors);
    }
    items.map_or(&[], Vec::as_slice)
}

/// Columns are named by strings. That no name comes twice is checked with the cells.
fn check_strings(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) {
    for (index, _) in check_array(reader, "columns", errors).iter().enumerate().filter(|(_, name)| !name.is_string()) {
        let detail = "expected the name of a column, a string".to_owned();
        errors.push(FieldError { pointer: format!("/columns/{index}"), detail });
    }
}

fn check_arrays(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) {
    for (index, _) in check_array(reader, "data", errors).iter().enumerate().filter(|(_, row)| !row.is_array()) {
        let detail = "expected an array with one value for each column".to_owned();
        errors.push(FieldError { pointer: format!("/data/{index}"), detail });
    }
}

/// Moves the rows out of a body that has been checked.
fn take_rows(body: &mut Value, form: Form) -> PredictRows {
    match form {
        Form::Rows => PredictRows::Objects(take_array(body, "rows")),
        Form::ColumnsAndData => PredictRows::Arrays {
            columns: take_array(body, "columns").into_iter().filter_map(text).collect(),
            data: take_array(body, "data").into_iter().filter_map(array).collect(),
        },
    }
}

fn take_array(body: &mut Value, name: &str) -> Vec<Value> {
    body.get_mut(name).map(Value::take).and_then(array).unwrap_or_default()
}

fn array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(items) = value { Some(items) } else { None }
}

fn text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_come_as_objects() {
        let read = json!({"rows": [{"area": 1.5}, {"area": null}], "threshold": 0.2, "prevalence": 0.01});
        let read = read_predict_body(read).unwrap();
        assert_eq!(
            (read.rows.len(), read.instead),
            (2, Instead { threshold: Some(0.2), prevalence: Some(0.01), views: None })
        );
        assert_eq!(read.rows, PredictRows::Objects(vec![json!({"area": 1.5}), json!({"area": null})]));
    }

    #[test]
    fn rows_come_as_arrays_under_named_columns() {
        let read = read_predict_body(json!({"columns": ["area", "ward"], "data": [[1.5, "east"]]})).unwrap();
        let columns = vec!["area".to_owned(), "ward".to_owned()];
        assert_eq!(read.rows, PredictRows::Arrays { columns, data: vec![vec![json!(1.5), json!("east")]] });
        assert_eq!((read.rows.len(), read.instead), (1, Instead::default()));
    }

    #[test]
    fn no_rows_are_rows_too() {
        assert_eq!(read_predict_body(json!({"rows": []})).unwrap().rows.len(), 0);
        assert_eq!(read_predict_body(json!({"columns": [], "data": []})).unwrap().rows.len(), 0);
    }

    #[test]
    fn every_mistake_is_named() {
        let cases = [
            (json!(7), vec![""]),
            (json!({}), vec!["/rows"]),
            (json!({"rows": {}, "threshold": 2, "rwos": []}), vec!["/threshold", "/rows", "/rwos"]),
            (json!({"rows": [], "prevalence": 0}), vec!["/prevalence"]),
            (json!({"rows": [], "prevalence": 1}), vec!["/prevalence"]),
            (json!({"rows": [], "columns": [], "data": []}), vec!["/rows"]),
            (json!({"columns": ["a"]}), vec!["/data"]),
            (json!({"data": [[1]]}), vec!["/columns"]),
            (json!({"columns": ["a", 1], "data": 3}), vec!["/columns/1", "/data"]),
            (json!({"columns": ["a"], "data": [[1], 2, {}]}), vec!["/data/1", "/data/2"]),
        ];
        for (body, expected) in cases {
            let errors = read_predict_body(body.clone()).unwrap_err();
            let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(pointers, expected, "{body}");
        }
    }
}
