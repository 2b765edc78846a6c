//! Names that users give to what a job makes.

use crate::ml::config::{FieldError, ObjectReader};

/// Names longer than this are refused.
const MAX_NAME_CHARS: usize = 200;

/// A printable name, or nothing where there is none.
pub(super) fn read_name(
    reader: &mut ObjectReader<'_>,
    member: &'static str,
    errors: &mut Vec<FieldError>,
) -> Option<String> {
    let name = reader.text(member, MAX_NAME_CHARS, errors)?;
    let detail = if name.is_empty() {
        format!("expected 1 to {MAX_NAME_CHARS} characters, found none")
    } else if name.chars().any(char::is_control) {
        "expected printable characters, found a control character".to_owned()
    } else if name.trim() != name {
        "expected no white space at the start or the end".to_owned()
    } else {
        return Some(name);
    };
    reader.error(member, detail, errors);
    None
}
