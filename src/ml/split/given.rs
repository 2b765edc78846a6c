//! The column says for each row which part it is in.

use std::collections::BTreeMap;

use super::{Part, Parts, SplitError};
use crate::ml::table::Values;

/// Unknown values that an error lists at most.
const LISTED_VALUES: usize = 10;
/// Characters of an unknown value that an error shows at most.
const SHOWN_CHARS: usize = 40;

pub(super) fn split(column: &Values) -> Result<Parts, SplitError> {
    let parts: Vec<Option<Part>> = match column {
        Values::Categorical { codes, levels } => {
            let known: Vec<Option<Part>> = levels.iter().map(|level| part(level)).collect();
            codes.iter().map(|&code| known.get(code as usize).copied().flatten()).collect()
        }
        Values::Numeric(_) | Values::Boolean(_) | Values::Pictures(_) => vec![None; column.len()],
    };
    if parts.iter().any(Option::is_none) {
        return Err(unknown(column, &parts));
    }
    Ok(Parts::by_row(parts.len(), |row| parts[row].unwrap_or(Part::Train)))
}

fn part(name: &str) -> Option<Part> {
    Part::ALL.into_iter().find(|part| part.as_str() == name)
}

fn unknown(column: &Values, parts: &[Option<Part>]) -> SplitError {
    let mut found = BTreeMap::new();
    let mut rows = 0;
    for row in (0..parts.len()).filter(|&row| parts[row].is_none()) {
        *found.entry(column.text(row).unwrap_or_default()).or_insert(0_usize) += 1;
        rows += 1;
    }
    let more = found.len().saturating_sub(LISTED_VALUES);
    let shown = |value: String| format!("{:?}", value.chars().take(SHOWN_CHARS).collect::<String>());
    let mut values: Vec<String> = found.into_keys().take(LISTED_VALUES).map(shown).collect();
    if more > 0 {
        values.push(format!("{more} more"));
    }
    SplitError::UnknownParts { values, rows }
}
