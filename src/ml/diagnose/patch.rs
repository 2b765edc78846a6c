//! How the JSON merge patches of several findings become one.

use serde_json::{Map, Value, json};

use super::{Code, Finding};
use crate::ml::config::TrainConfig;

/// The codes asked for that no finding with a patch has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be applied: the diagnosis has no such finding with a patch", .codes.join(", "))]
pub struct NoPatch {
    pub codes: Vec<String>,
}

/// One patch that does what the findings with these codes ask for, in the order in which they are told. Where two of
/// them list columns to exclude, the patch excludes the columns of both; of two that set the same member otherwise,
/// the later wins.
///
/// # Errors
/// If a code is not that of a finding with a patch.
pub fn patch_of(findings: &[Finding], codes: &[Code]) -> Result<Value, NoPatch> {
    let patched = |code: &Code| findings.iter().any(|finding| finding.code == *code && finding.patch.is_some());
    let missing: Vec<String> =
        codes.iter().filter(|code| !patched(code)).map(|code| code.as_str().to_owned()).collect();
    if !missing.is_empty() {
        return Err(NoPatch { codes: missing });
    }
    let chosen = findings.iter().filter(|finding| codes.contains(&finding.code));
    let patches = chosen.filter_map(|finding| finding.patch.as_ref());
    Ok(patches.fold(Value::Object(Map::new()), |all, patch| joined(&all, patch)))
}

/// Both patches in one. Unlike [`merge_patch`](crate::ml::json_patch::merge_patch), a `null` of the second is kept, for it has yet to remove something.
fn joined(first: &Value, second: &Value) -> Value {
    let (Value::Object(mut all), Value::Object(more)) = (first.clone(), second.clone()) else { return second.clone() };
    for (name, change) in more {
        let both = match all.get(&name) {
            Some(Value::Array(names)) if name == "exclude" => united(names, &change),
            Some(before) => joined(before, &change),
            None => change,
        };
        all.insert(name, both);
    }
    Value::Object(all)
}

fn united(names: &[Value], others: &Value) -> Value {
    let mut all = names.to_vec();
    all.extend(others.as_array().into_iter().flatten().filter(|name| !names.contains(name)).cloned());
    Value::Array(all)
}

/// Excludes these columns besides those that the job excludes already.
pub(super) fn exclude(config: &TrainConfig, columns: &[String]) -> Value {
    let mut all = config.exclude.clone();
    all.extend(columns.iter().filter(|column| !config.exclude.contains(column)).cloned());
    json!({ "exclude": all })
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, Severity};
    use super::*;

    fn finding(code: Code, patch: Option<Value>) -> Finding {
        Finding {
            code,
            severity: Severity::Warning,
            title: String::new(),
            evidence: Evidence::new(),
            columns: Vec::new(),
            remedy: String::new(),
            patch,
        }
    }

    #[test]
    fn several_findings_have_one_patch() {
        let findings = [
            finding(Code::ConstantColumns, Some(json!({"exclude": ["a", "b"]}))),
            finding(Code::IdentifierColumns, Some(json!({"exclude": ["a", "c"]}))),
            finding(Code::DoubleCorrection, Some(json!({"loss": {"class_weight": null}}))),
            finding(Code::StrongLabelSmoothing, Some(json!({"loss": {"label_smoothing": 0.0}}))),
            finding(Code::NoSignal, None),
        ];
        let all = [Code::ConstantColumns, Code::IdentifierColumns, Code::DoubleCorrection, Code::StrongLabelSmoothing];
        let expected = json!({"exclude": ["a", "b", "c"], "loss": {"class_weight": null, "label_smoothing": 0.0}});
        assert_eq!(patch_of(&findings, &all).unwrap(), expected);
        assert_eq!(patch_of(&findings, &[]).unwrap(), json!({}));
        let error = patch_of(&findings, &[Code::NoSignal, Code::Outliers, Code::ConstantColumns]).unwrap_err();
        assert_eq!(error.codes, ["no-signal", "outliers"]);
    }
}
