//! Records for the tests of this folder.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::ml::config::ThresholdRule;
use crate::ml::labels::{ClassCounts, ClassNames};
use crate::ml::metrics::{ConfusionMatrix, Curves, Report};
use crate::ml::pipeline::StageCounts;
use crate::ml::table::ColumnType;
use crate::records::{ModelFeature, ModelRecord, TrainingSummary, Verdict};

/// A model with one numeric and one categorical feature.
pub(super) fn sample_model() -> ModelRecord {
    ModelRecord {
        id: "01890a5d-ac96-7c3e-9c2d-1f0e8f6a7b01".parse().unwrap(),
        name: "mammography".to_owned(),
        version: 3,
        created_at: Timestamp::from_micros(1_700_000_000_000_000),
        job_id: "01890a5d-ac96-7ab2-80e2-4536629c90de".parse().ok(),
        dataset_id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().ok(),
        sha256: "cd".repeat(32),
        size_bytes: 4_096,
        classes: ClassNames { positive: "1".to_owned(), negative: "0".to_owned() },
        threshold_rule: ThresholdRule::MaxFBeta { beta: 1.0 },
        threshold: 0.31,
        threshold_basis: None,
        dossier_sha256: None,
        features: vec![
            feature("area", ColumnType::Numeric, None),
            feature("ward", ColumnType::Categorical, Some(vec!["east".to_owned(), "west".to_owned()])),
        ],
        training: TrainingSummary {
            epochs_run: 40,
            best_epoch: 20,
            stopped_by: "early_stopping".to_owned(),
            examples_per_second: Some(12_345.0),
            resampling: vec![],
            class_counts: vec![StageCounts {
                stage: "train".to_owned(),
                counts: ClassCounts { positive: 30, negative: 570 },
                notes: Vec::new(),
            }],
            dropped_columns: Vec::new(),
            unlabelled_rows: 0,
            threshold_note: None,
        },
        verdict: Verdict::Ok,
        report: sample_report(),
    }
}

fn feature(name: &str, column_type: ColumnType, categories: Option<Vec<String>>) -> ModelFeature {
    let unseen_policy = categories.as_ref().map(|_| "counts as a rare category".to_owned());
    let missing_policy = "replaced by the median of the training rows".to_owned();
    ModelFeature { name: name.to_owned(), column_type, categories, missing_policy, unseen_policy, picture: None }
}

fn sample_report() -> Report {
    Report {
        computed_on: "test".to_owned(),
        rows: 200,
        positives: 10,
        prevalence: 0.05,
        threshold: 0.31,
        confusion_matrix: ConfusionMatrix { tp: 7, fp: 4, fn_: 3, tn: 186 },
        per_class: BTreeMap::new(),
        metrics: BTreeMap::new(),
        curves: Curves::default(),
        strength_search: None,
        calibration: None,
        cross_validation: None,
    }
}
