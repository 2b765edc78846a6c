//! What an artifact tells of its model to people: how it was trained and what it is worth. It travels in the same file,
//! so that a model that is carried to another server is not a stranger there.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{ModelRecord, TrainingSummary};
use crate::ml::labels::ClassNames;
use crate::ml::metrics::{Report, ThresholdBasis, Verdict};

/// Changes when an older program would misread a card.
const FORMAT_VERSION: u32 = 1;
/// Texts, lists and numbers of a card end here; those of a training are shorter and smaller.
const MAX_TEXT_CHARS: usize = 10_000;
const MAX_ITEMS: usize = 200_000;
const MAX_NUMBER: f64 = 1e300;
/// Nested lists and objects.
const MAX_DEPTH: usize = 16;

/// The card of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    format_version: u32,
    pub threshold_basis: Option<ThresholdBasis>,
    /// Without `examples_per_second`, which is not the same each time.
    pub training: TrainingSummary,
    pub verdict: Verdict,
    pub report: Report,
}

/// Bytes that are no card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    #[error("the card cannot be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("the card has format version {found}; this program reads {FORMAT_VERSION}")]
    UnknownVersion { found: u64 },
    #[error("the card is not one of this model: {detail}")]
    Inconsistent { detail: String },
}

impl ModelCard {
    pub fn new(
        threshold_basis: Option<ThresholdBasis>,
        training: &TrainingSummary,
        verdict: Verdict,
        report: &Report,
    ) -> Self {
        let training = TrainingSummary { examples_per_second: None, ..training.clone() };
        Self { format_version: FORMAT_VERSION, threshold_basis, training, verdict, report: report.clone() }
    }

    /// The card of a stored model.
    pub fn of(model: &ModelRecord) -> Self {
        Self::new(model.threshold_basis.clone(), &model.training, model.verdict, &model.report)
    }

    /// As it stands in an artifact; the same bytes for the same card.
    ///
    /// # Errors
    /// If it cannot be written, which a training does not lead to.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads a card that nobody vouches for. What it says of the model's worth cannot be checked, only whether it is
    /// something that a training of a model with these classes can have said.
    ///
    /// # Errors
    /// If it is not.
    pub fn from_bytes(bytes: &[u8], classes: &ClassNames) -> Result<Self, CardError> {
        let value: Value = serde_json::from_slice(bytes).map_err(CardError::Unreadable)?;
        let found = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
        if found != u64::from(FORMAT_VERSION) {
            return Err(CardError::UnknownVersion { found });
        }
        let mut mistakes = Vec::new();
        measure(&value, "", 0, &mut mistakes);
        if mistakes.is_empty() {
            let card: Self = serde_json::from_value(value).map_err(CardError::Unreadable)?;
            mistakes = card.contradictions(classes);
            if mistakes.is_empty() {
                return Ok(card);
            }
        }
        Err(CardError::Inconsistent { detail: mistakes.join("; ") })
    }

    fn contradictions(&self, classes: &ClassNames) -> Vec<String> {
        let Self { training, report, threshold_basis, .. } = self;
        let matrix = &report.confusion_matrix;
        let in_matrix = [matrix.tp, matrix.fp, matrix.fn_, matrix.tn];
        let counted = in_matrix.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let mut names: Vec<&str> = report.per_class.keys().map(String::as_str).collect();
        let mut own = [classes.positive.as_str(), classes.negative.as_str()];
        names.sort_unstable();
        own.sort_unstable();
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let known = ["epochs", "early_stopping", "converged"];
        let checks = [
            (report.computed_on == "test", "the report is not on test rows"),
            (names == own, "the report has other classes"),
            (report.positives <= report.rows, "the report has more positives than rows"),
            (share(report.prevalence), "the report's prevalence is not a share"),
            // A report whose probabilities were of no use has an empty matrix.
            (counted == Some(report.rows as u64) || counted == Some(0), "the confusion matrix has other rows"),
            (known.contains(&training.stopped_by.as_str()), "the training ended in no known way"),
            (threshold_basis.as_ref().is_none_or(|basis| basis.computed_on == "validation"), "the threshold's rows"),
        ];
        checks.iter().filter(|(holds, _)| !holds).map(|(_, detail)| (*detail).to_owned()).collect()
    }
}

/// Notes what is longer, larger or deeper than a card has it, by its place.
fn measure(value: &Value, place: &str, depth: usize, mistakes: &mut Vec<String>) {
    let mut note = |what: String| mistakes.push(format!("{} {what}", if place.is_empty() { "/" } else { place }));
    if depth > MAX_DEPTH {
        return note(format!("nests deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::String(text) if text.chars().count() > MAX_TEXT_CHARS => {
            note(format!("has a text of more than {MAX_TEXT_CHARS} characters"));
        }
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() > MAX_NUMBER) => {
            note(format!("has a number beyond {MAX_NUMBER:e}"));
        }
        Value::Array(items) if items.len() > MAX_ITEMS => note(format!("has more than {MAX_ITEMS} items")),
        Value::Object(members) if members.len() > MAX_ITEMS => note(format!("has more than {MAX_ITEMS} members")),
        Value::Array(items) => {
            // One mistake in a list is enough to tell.
            let before = mistakes.len();
            for (index, item) in items.iter().enumerate() {
                measure(item, &format!("{place}/{index}"), depth + 1, mistakes);
                if mistakes.len() > before {
                    break;
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name: String = name.chars().take(60).collect();
                measure(member, &format!("{place}/{name}"), depth + 1, mistakes);
            }
        }
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
    }
}
