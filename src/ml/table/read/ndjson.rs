//! NDJSON: one object per line. A member that a line leaves out is missing there; members may be new on any line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::{Map, Value};

use super::batch::{BATCH_BYTES, BATCH_ROWS, Batch, BatchReader, Cells};
use super::error::{Problems, ReadError};
use super::names::check_names;
use super::options::TableLimits;
use crate::ml::json::{self, Json};
use crate::ml::table::cell::shown;

/// Of one row and column; names count without the white space around them.
const MEMBER_TWICE: &str = "the member appears twice";

/// Reads rows of NDJSON.
pub(super) struct NdjsonReader<R> {
    input: BufReader<R>,
    columns: Vec<String>,
    positions: HashMap<String, usize>,
    limits: TableLimits,
    line: Vec<u8>,
    rows: u64,
    ended: bool,
}

impl<R: Read + Send> NdjsonReader<R> {
    pub(super) fn open(input: R, limits: &TableLimits) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 16, input),
            columns: Vec::new(),
            positions: HashMap::new(),
            limits: limits.clone(),
            line: Vec::new(),
            rows: 0,
            ended: false,
        }
    }

    /// Reads the next line that is not blank; false at the end of the file.
    fn advance(&mut self, problems: &mut Problems) -> Result<bool, ReadError> {
        let limit = self.limits.max_row_bytes as u64 + 1;
        loop {
            self.line.clear();
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.line).map_err(ReadError::Read)?;
            if read as u64 == limit {
                let detail = format!("more than {} bytes in one line, which is the limit", limit - 1);
                problems.push(self.rows + 1, None, detail);
            }
            if read == 0 || read as u64 == limit {
                self.ended = true;
                return Ok(false);
            }
            if self.rows == 0 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                self.rows += 1;
                return Ok(true);
            }
        }
    }

    /// The members of the present line, or `None` where it is no object.
    fn members(&self, problems: &mut Problems) -> Option<Map<String, Value>> {
        match json::parse(&self.line) {
            Ok(Json { value: Value::Object(members), repeated }) => {
                // Nested objects are mistakes of their own.
                let repeated = repeated.iter().filter_map(|pointer| pointer.strip_prefix('/'));
                for name in repeated.filter(|name| !name.contains('/')) {
                    let name = name.replace("~1", "/").replace("~0", "~");
                    problems.push(self.rows, Some(&name), MEMBER_TWICE);
                }
                Some(members)
            }
            Ok(_) => {
                problems.push(self.rows, None, "expected a JSON object, found another JSON value");
                None
            }
            Err(error) => {
                problems.push(self.rows, None, format!("not valid JSON: {error}"));
                None
            }
        }
    }

    /// The column of a member, a new one if need be; `None` if there may be no more of them.
    fn position(&mut self, name: &str, problems: &mut Problems) -> Option<usize> {
        let name = name.trim();
        if let Some(&position) = self.positions.get(name) {
            return Some(position);
        }
        if self.columns.len() >= self.limits.max_columns {
            let detail = format!("more than {} columns, which is the limit", self.limits.max_columns);
            problems.push(self.rows, None, detail);
            return None;
        }
        self.columns.push(name.to_owned());
        self.positions.insert(name.to_owned(), self.columns.len() - 1);
        check_names(std::slice::from_ref(&name.to_owned()), &self.limits, problems);
        Some(self.columns.len() - 1)
    }

    fn add_row(
        &mut self,
        members: Map<String, Value>,
        before: usize,
        cells: &mut Vec<Vec<Value>>,
        problems: &mut Problems,
    ) {
        for (name, value) in members {
            let Some(position) = self.position(&name, problems) else { continue };
            while cells.len() <= position {
                cells.push(Vec::new());
            }
            let value = self.scalar(value, position, problems);
            let column = &mut cells[position];
            if column.len() > before {
                problems.push(self.rows, self.columns.get(position).map(String::as_str), MEMBER_TWICE);
                continue;
            }
            column.resize(before, Value::Null);
            column.push(value);
        }
    }

    fn scalar(&self, value: Value, position: usize, problems: &mut Problems) -> Value {
        let column = self.columns.get(position).map(String::as_str);
        match value {
            Value::Array(_) | Value::Object(_) => {
                let detail = "expected a number, a string, true, false or null, found a nested value";
                problems.push(self.rows, column, detail);
                Value::Null
            }
            Value::String(text) if text.len() > self.limits.max_field_bytes => {
                let longest = self.limits.max_field_bytes;
                let detail = format!("{}: {} bytes; at most {longest} are allowed", shown(&text), text.len());
                problems.push(self.rows, column, detail);
                Value::Null
            }
            scalar => scalar,
        }
    }
}

impl<R: Read + Send> BatchReader for NdjsonReader<R> {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_batch(&mut self, problems: &mut Problems) -> Result<Option<Batch>, ReadError> {
        let mut cells: Vec<Vec<Value>> = self.columns.iter().map(|_| Vec::new()).collect();
        let mut row_numbers = Vec::new();
        let mut bytes = 0;
        while row_numbers.len() < BATCH_ROWS && bytes < BATCH_BYTES && !self.ended && !problems.is_full() {
            if !self.advance(problems)? {
                break;
            }
            bytes += self.line.len();
            if let Some(members) = self.members(problems) {
                self.add_row(members, row_numbers.len(), &mut cells, problems);
                row_numbers.push(self.rows);
            }
        }
        if row_numbers.is_empty() {
            return Ok(None);
        }
        let rows = row_numbers.len();
        let columns = cells.into_iter().map(|mut column| {
            column.resize(rows, Value::Null);
            Cells::Values(column)
        });
        let columns = columns.collect();
        Ok(Some(Batch { row_numbers, columns }))
    }
}
