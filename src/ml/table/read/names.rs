//! Column names as files have them.

use std::collections::HashSet;

use super::error::Problems;
use super::options::TableLimits;
use crate::ml::table::cell::shown;

/// The row that a problem with a name is reported in.
const HEADER_ROW: u64 = 0;

/// Checks the names of all columns and reports every mistake.
pub(super) fn check_names(names: &[String], limits: &TableLimits, problems: &mut Problems) {
    if names.len() > limits.max_columns {
        let detail = format!("{} columns; at most {} are allowed", names.len(), limits.max_columns);
        return problems.push(HEADER_ROW, None, detail);
    }
    if names.is_empty() {
        problems.push(HEADER_ROW, None, "there are no columns");
    }
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        check_name(index, name, limits, problems);
        if !name.is_empty() && !seen.insert(name) {
            problems.push(HEADER_ROW, Some(&short(name)), "two columns have this name");
        }
    }
}

fn check_name(index: usize, name: &str, limits: &TableLimits, problems: &mut Problems) {
    if name.is_empty() {
        problems.push(HEADER_ROW, None, format!("column {} has no name", index + 1));
    }
    if name.contains('\0') {
        let detail = format!("the name of column {}, {}, has a NUL character", index + 1, shown(name));
        problems.push(HEADER_ROW, None, detail);
    }
    let chars = name.chars().count();
    if chars > limits.max_name_chars {
        let detail = format!(
            "the name of column {}, {}, has {chars} characters; at most {} are allowed",
            index + 1,
            shown(name),
            limits.max_name_chars
        );
        problems.push(HEADER_ROW, None, detail);
    }
}

/// A name that is short enough to be repeated in an error.
fn short(name: &str) -> String {
    name.chars().take(60).collect()
}
