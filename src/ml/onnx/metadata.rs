//! What the file says about itself, for programs and people.

use serde_json::json;

use super::Provenance;
use super::graph::Value;
use super::proto::StringStringEntryProto;
use crate::ml::model::Model;
use crate::ml::preprocess::InputColumn;

/// One sentence for people.
pub(super) fn description(model: &Model) -> String {
    format!(
        "The probability of {:?} against {:?}; {:?} is answered from a probability of {} on.",
        model.classes.positive, model.classes.negative, model.classes.positive, model.threshold
    )
}

/// Everything a program may want to know, under keys that begin with `evenkeel.`.
pub(super) fn entries(
    model: &Model,
    inputs: &[InputColumn],
    [probability, label]: &[Value; 2],
    provenance: &Provenance,
) -> Vec<StringStringEntryProto> {
    let mut entries = vec![
        entry("positive_label", model.classes.positive.clone()),
        entry("negative_label", model.classes.negative.clone()),
        entry("threshold", model.threshold.to_string()),
        entry("artifact_sha256", provenance.sha256.clone()),
        entry("version", provenance.program_version.clone()),
        entry("output.probability", probability.name().to_owned()),
        entry("output.label", label.name().to_owned()),
        entry("missing_markers", json!(model.missing_markers).to_string()),
        entry("inputs", described(inputs)),
    ];
    entries.extend(provenance.name.clone().map(|name| entry("model_name", name)));
    entries.extend(provenance.version.map(|version| entry("model_version", version.to_string())));
    entries
}

/// The columns as JSON: name, type, and what happens to what is missing or was never seen.
fn described(inputs: &[InputColumn]) -> String {
    let columns: Vec<_> = inputs
        .iter()
        .map(|input| {
            json!({
                "name": input.name,
                "type": input.column_type,
                "missing_policy": input.missing_policy,
                "unseen_policy": input.unseen_policy,
            })
        })
        .collect();
    serde_json::Value::Array(columns).to_string()
}

fn entry(key: &str, value: String) -> StringStringEntryProto {
    StringStringEntryProto { key: Some(format!("evenkeel.{key}")), value: Some(value) }
}
