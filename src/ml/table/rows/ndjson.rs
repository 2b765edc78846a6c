//! Lines of JSON objects, each a row as `rows` has them.

use super::errors::Errors;
use super::exact_json::from_json_rows;
use super::quick_json::quick_ndjson;
use super::{CellError, InputRows, Inputs};
use crate::ml::json::{self, Json};
use crate::ml::table::TableLimits;
use serde_json::Value;

/// From whole lines, of which blank ones do not count. A byte order mark is for whoever cuts the lines out of a body.
///
/// # Errors
/// Every mistake, up to `limits.max_errors` and one more that says so. That there are no rows is none.
pub fn read_ndjson(bytes: &[u8], inputs: &Inputs, limits: &TableLimits) -> Result<InputRows, Vec<CellError>> {
    if let Some(rows) = quick_ndjson(bytes, inputs, limits) {
        return Ok(rows);
    }
    let mut errors = Errors::new(limits);
    let (mut values, mut unreadable) = (Vec::new(), vec![]);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let row = values.len();
        let value = read_line(line, row, limits, &mut errors);
        if value.is_none() {
            unreadable.push(row as u64);
        }
        values.push(value.unwrap_or(Value::Null));
    }
    if !values.is_empty() && unreadable.len() == values.len() {
        // Without any row that can be read, every column would seem to be missing.
        return Err(errors.finish());
    }
    match from_json_rows(&values, inputs, limits) {
        Ok(parsed) if errors.is_empty() => return Ok(parsed.into()),
        Ok(_) => {}
        // What is no JSON is no object either, but that has been said.
        Err(mut found) => {
            found.retain(|error| error.row.is_none_or(|row| unreadable.binary_search(&row).is_err()));
            errors.add(found);
        }
    }
    Err(errors.finish())
}

fn read_line(line: &[u8], row: usize, limits: &TableLimits, errors: &mut Errors) -> Option<Value> {
    if line.len() > limits.max_row_bytes {
        let detail = format!("more than {} bytes in one line, which is the limit", limits.max_row_bytes);
        errors.push(Some(row), None, detail);
        return None;
    }
    match json::parse(line) {
        Ok(Json { value, repeated }) => {
            for name in repeated.iter().filter_map(|pointer| pointer.strip_prefix('/')) {
                let name = name.replace("~1", "/").replace("~0", "~");
                errors.push(Some(row), Some(&name), "the member appears twice".to_owned());
            }
            Some(value)
        }
        Err(error) => {
            errors.push(Some(row), None, format!("not valid JSON: {error}"));
            None
        }
    }
}
