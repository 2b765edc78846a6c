//! What a check says: whether all is well, the number it went by, and if not, what to do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::Code;

/// Columns that a finding names, at most.
pub const MAX_COLUMNS_NAMED: usize = 20;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// Makes the model or its judgement worse than it could be.
    Warning,
    /// The model is of no use, or its judgement is wrong.
    Error,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// One sentence.
    pub title: String,
    /// The numbers that prove it, by name; beside `x`, `x_expected` is what it would be without the trouble or
    /// without any skill.
    pub evidence: Evidence,
    /// The columns it is about, the worst first, at most [`MAX_COLUMNS_NAMED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// A JSON merge patch (RFC 7386) on the job's configuration that does it, where a configuration can.
    pub patch: Option<Value>,
}

/// Finite numbers by name, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(Map<String, Value>);

impl Evidence {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number; one that is not finite is left out.
    pub fn with(mut self, name: &str, value: f64) -> Self {
        if let Some(number) = number(value) {
            self.0.insert(name.to_owned(), Value::Number(number));
        }
        self
    }

    /// Adds a number and, beside it, what would be expected.
    pub fn beside(self, name: &str, value: f64, expected: f64) -> Self {
        self.with(name, value).with(&format!("{name}_expected"), expected)
    }

    /// Adds a count.
    pub fn count(self, name: &str, count: usize) -> Self {
        self.with(name, count as f64)
    }

    /// All of them, in their order.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }
}

/// Whole numbers stay whole.
fn number(value: f64) -> Option<Number> {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < LARGEST_EXACT {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub name: Code,
    /// Whether there is no warning and no error.
    pub passed: bool,
    /// The number that the check went by.
    pub value: Option<f64>,
    /// Where it would have begun to complain.
    pub limit: Option<f64>,
}

/// One check: its number, and what it found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    code: Code,
    value: f64,
    limit: f64,
    finding: Option<Finding>,
}

impl Checked {
    /// A check that went by `value`, and complains beyond `limit`.
    pub(super) fn new(code: Code, value: f64, limit: f64) -> Self {
        Self { code, value, limit, finding: None }
    }

    /// Adds what was found, if `holds`.
    pub(super) fn found_if(self, holds: bool, finding: impl FnOnce() -> Told) -> Self {
        if !holds {
            return self;
        }
        let Told { severity, title, evidence, columns, remedy, patch } = finding();
        let code = self.code;
        let columns = columns.into_iter().take(MAX_COLUMNS_NAMED).collect();
        let finding = Finding { code, severity, title, evidence, columns, remedy: remedy.to_owned(), patch };
        Self { finding: Some(finding), ..self }
    }

    pub fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    pub(super) fn into_parts(self) -> (Check, Option<Finding>) {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let passed = self.finding.as_ref().is_none_or(|finding| finding.severity == Severity::Info);
        let check = Check { name: self.code, passed, value: finite(self.value), limit: finite(self.limit) };
        (check, self.finding)
    }
}

/// A finding without its code.
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) evidence: Evidence,
    pub(super) columns: Vec<String>,
    pub(super) remedy: &'static str,
    pub(super) patch: Option<Value>,
}

impl Told {
    pub(super) fn new(severity: Severity, title: String, evidence: Evidence, remedy: &'static str) -> Self {
        Self { severity, title, evidence, columns: Vec::new(), remedy, patch: None }
    }

    pub(super) fn info(title: String, evidence: Evidence, remedy: &'static str) -> Self {
        Self::new(Severity::Info, title, evidence, remedy)
    }

    pub(super) fn warning(title: String, evidence: Evidence, remedy: &'static str) -> Self {
        Self::new(Severity::Warning, title, evidence, remedy)
    }

    pub(super) fn error(title: String, evidence: Evidence, remedy: &'static str) -> Self {
        Self::new(Severity::Error, title, evidence, remedy)
    }

    pub(super) fn columns(self, columns: Vec<String>) -> Self {
        Self { columns, ..self }
    }

    pub(super) fn patch(self, patch: Value) -> Self {
        Self { patch: Some(patch), ..self }
    }

    pub(super) fn maybe_patch(self, patch: Option<Value>) -> Self {
        Self { patch, ..self }
    }
}

/// A share as people read it: `2.3 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent != 0.0 && percent.abs() < 0.1 { format!("{percent:.2e} %") } else { format!("{percent:.1} %") }
}

/// The columns in a sentence: the first few by name.
pub(super) fn named(columns: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = columns.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    let more = columns.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
