//! A model as the API shows it.

use serde::Serialize;

use super::threshold_view::ThresholdView;
use crate::clock::Timestamp;
use crate::records::{DatasetId, JobId, ModelFeature, ModelId, ModelOrigin, ModelRecord, TrainingSummary, Verdict};

/// One model version; its report has a place of its own.
#[derive(Debug, Serialize)]
pub(super) struct ModelView<'a> {
    id: ModelId,
    name: &'a str,
    version: u32,
    created_at: Timestamp,
    origin: ModelOrigin,
    job_id: Option<JobId>,
    dataset_id: Option<DatasetId>,
    sha256: &'a str,
    size_bytes: u64,
    positive_label: &'a str,
    negative_label: &'a str,
    threshold: ThresholdView<'a>,
    features: &'a [ModelFeature],
    training: &'a TrainingSummary,
    verdict: Verdict,
}

impl<'a> From<&'a ModelRecord> for ModelView<'a> {
    fn from(model: &'a ModelRecord) -> Self {
        // Taken apart whole, so that a member added to the record is shown or left out on purpose.
        let ModelRecord {
            id,
            name,
            version,
            created_at,
            job_id,
            dataset_id,
            sha256,
            size_bytes,
            classes,
            threshold_rule,
            threshold,
            threshold_basis,
            dossier_sha256: _,
            features,
            training,
            verdict,
            report: _,
        } = model;
        Self {
            id: *id,
            name,
            version: *version,
            created_at: *created_at,
            origin: model.origin(),
            job_id: *job_id,
            dataset_id: *dataset_id,
            sha256,
            size_bytes: *size_bytes,
            positive_label: &classes.positive,
            negative_label: &classes.negative,
            threshold: ThresholdView::new(threshold_rule, *threshold, threshold_basis.as_ref()),
            features,
            training,
            verdict: *verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::models::samples::sample_model;
    use crate::ml::config::ThresholdRule;

    #[test]
    fn a_model_has_exactly_the_members_of_the_contract() {
        let value = serde_json::to_value(ModelView::from(&sample_model())).unwrap();
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "id",
            "name",
            "version",
            "created_at",
            "origin",
            "job_id",
            "dataset_id",
            "sha256",
            "size_bytes",
            "positive_label",
            "negative_label",
            "threshold",
            "features",
            "training",
            "verdict",
        ];
        assert_eq!(members, expected);
        assert_eq!((&value["positive_label"], &value["negative_label"]), (&json!("1"), &json!("0")));
        assert_eq!(value["threshold"], json!({"rule": "max_f_beta", "beta": 1.0, "value": 0.31}));
        assert_eq!(value["features"][0]["type"], "numeric");
        assert_eq!(value["training"]["stopped_by"], "early_stopping");
        let counts = json!({"stage": "train", "positive": 30, "negative": 570, "notes": []});
        assert_eq!(value["training"]["class_counts"][0], counts);
        assert_eq!(value["verdict"], "ok");
    }

    #[test]
    fn a_fixed_threshold_shows_its_value_once() {
        let mut model = sample_model();
        model.threshold_rule = ThresholdRule::Fixed { value: 0.25 };
        model.threshold = 0.25;
        let text = serde_json::to_string(&ModelView::from(&model)).unwrap();
        assert!(text.contains(r#""threshold":{"rule":"fixed","value":0.25}"#), "{text}");
    }
}
