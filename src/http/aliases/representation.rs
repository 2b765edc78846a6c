//! An alias as the API shows it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::records::{AliasId, AliasRecord, ModelId, NamedModel};

#[derive(Debug, Serialize)]
pub(super) struct AliasView<'a> {
    id: AliasId,
    name: &'a str,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    updated_by: &'a str,
    /// Where one model answers all requests.
    model_id: Option<ModelId>,
    targets: Vec<TargetView<'a>>,
    shadow: Option<ModelView<'a>>,
    prevalence: Option<f64>,
}

/// A model by all its names.
#[derive(Debug, Serialize)]
pub(super) struct ModelView<'a> {
    model_id: ModelId,
    model_name: &'a str,
    version: u32,
}

#[derive(Debug, Serialize)]
struct TargetView<'a> {
    #[serde(flatten)]
    model: ModelView<'a>,
    weight: u32,
}

impl<'a> From<&'a AliasRecord> for AliasView<'a> {
    fn from(alias: &'a AliasRecord) -> Self {
        // Taken apart whole, so that a member added to the record is shown or left out on purpose.
        let AliasRecord { id, name, revision, created_at, updated_at, updated_by, targets, shadow, prevalence } = alias;
        let model_id = match targets.as_slice() {
            [only] => Some(only.model.id),
            _ => None,
        };
        let target = |target: &'a crate::records::AliasTarget| TargetView {
            model: ModelView::from(&target.model),
            weight: target.weight,
        };
        Self {
            id: *id,
            name,
            revision: *revision,
            created_at: *created_at,
            updated_at: *updated_at,
            updated_by,
            model_id,
            targets: targets.iter().map(target).collect(),
            shadow: shadow.as_ref().map(ModelView::from),
            prevalence: *prevalence,
        }
    }
}

impl<'a> From<&'a NamedModel> for ModelView<'a> {
    fn from(model: &'a NamedModel) -> Self {
        Self { model_id: model.id, model_name: &model.name, version: model.version }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::records::AliasTarget;

    /// An alias of one model.
    pub(in crate::http::aliases) fn sample_alias() -> AliasRecord {
        AliasRecord {
            id: "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b11".parse().unwrap(),
            name: "champion".to_owned(),
            revision: 7,
            created_at: Timestamp::from_micros(1_700_000_000_000_000),
            updated_at: Timestamp::from_micros(1_700_000_001_000_000),
            updated_by: "anyone".to_owned(),
            targets: vec![target(1, 1)],
            shadow: None,
            prevalence: None,
        }
    }

    fn target(version: u32, weight: u32) -> AliasTarget {
        let id = format!("01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b0{version}").parse().unwrap();
        AliasTarget { model: NamedModel { id, name: "fraud".to_owned(), version }, weight }
    }

    #[test]
    fn one_model_is_named_at_the_top() {
        let value = serde_json::to_value(AliasView::from(&sample_alias())).unwrap();
        assert_eq!(value["model_id"], "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b01");
        assert_eq!(value["shadow"], json!(null));
    }

    #[test]
    fn several_are_not() {
        let alias = AliasRecord {
            targets: vec![target(1, 19), target(2, 1)],
            shadow: Some(target(3, 1).model),
            ..sample_alias()
        };
        let value = serde_json::to_value(AliasView::from(&alias)).unwrap();
        assert_eq!(value["model_id"], json!(null));
        let second = json!({"model_id": "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b02", "model_name": "fraud", "version": 2, "weight": 1});
        assert_eq!(value["targets"][1], second);
        assert_eq!(value["shadow"]["version"], 3);
    }
}
