//! imbalanced-learn's rows. `tests/data/make_resampling_cases.py` writes them; a label of 1 is the positive class.

use std::collections::HashMap;

use evenkeel::ml::config::{ConfigLimits, ResampleStep, check_resample_steps};
use evenkeel::ml::resample::apply;
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{FeatureKinds, Origin, TrainSet};
use ndarray::{Array2, ArrayView2};
use serde::Deserialize;
use serde_json::{Value, json};

use super::methods::{go, source};

#[derive(Deserialize)]
struct Reference {
    data: HashMap<String, Data>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "X")]
    features: Vec<Vec<f64>>,
    y: Vec<u8>,
    #[serde(default)]
    categorical: Vec<usize>,
}

#[derive(Deserialize)]
struct Case {
    data: String,
    step: Value,
    indices: Option<Vec<usize>>,
    added: Option<Vec<Vec<f64>>>,
    added_label: Option<u8>,
    rows: Option<Vec<Vec<f64>>>,
    labels: Option<Vec<u8>>,
    raises: Option<String>,
}

impl Data {
    fn set(&self) -> TrainSet {
        let features = matrix(&self.features);
        let kinds = FeatureKinds {
            categories: self.categorical.iter().map(|&column| column..column + 1).collect(),
            whole: Vec::new(),
        };
        let labels = self.y.iter().map(|&label| label == 1).collect();
        TrainSet { kinds, ..TrainSet::new(features, labels) }
    }
}

/// The step with the defaults for what it leaves out, as a job has them, and NumPy's generator.
fn read_step(value: &Value) -> ResampleStep {
    let mut value = value.clone();
    if value.get("seed").is_none() {
        value["seed"] = json!(0);
        value["rng"] = json!("numpy");
    }
    check_resample_steps(&json!([value]), &ConfigLimits::STANDARD, None).unwrap().remove(0)
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), columns), rows.concat()).unwrap()
}

fn assert_rows(found: ArrayView2<'_, f64>, expected: &[Vec<f64>], name: &str) {
    assert_eq!(found.nrows(), expected.len(), "{name}");
    for (found, expected) in found.rows().into_iter().zip(expected) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12, "{name}: {found} where {expected} was expected");
        }
    }
}

#[test]
fn rows_are_imbalanced_learns() {
    let reference: Reference = serde_json::from_str(include_str!("../../data/resampling-cases.json")).unwrap();
    assert!(reference.cases.len() > 800, "the reference file is not whole");
    for case in &reference.cases {
        let name = format!("{} on {}", case.step, case.data);
        let set = reference.data[&case.data].set();
        let rows = set.rows();
        let step = read_step(&case.step);
        let made = apply(0, &step, set, Seed(0), &mut go).unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(expected) = &case.indices {
            let found: Vec<usize> = made.set.origins.iter().map(|&origin| source(origin)).collect();
            assert_eq!(&found, expected, "{name}");
        } else if let Some(expected) = &case.added {
            assert_rows(made.set.features.slice(ndarray::s![rows.., ..]), expected, &name);
            let label = case.added_label == Some(1);
            assert!(made.set.labels[rows..].iter().all(|&found| found == label), "{name}");
            assert!(
                made.set.origins[..rows].iter().enumerate().all(|(row, origin)| *origin == Origin::Row(row as u32))
            );
        } else if let (Some(expected), Some(labels)) = (&case.rows, &case.labels) {
            assert_rows(made.set.features.view(), expected, &name);
            assert!(made.set.labels.iter().zip(labels).all(|(&found, &label)| found == (label == 1)), "{name}");
        } else {
            // Where imbalanced-learn raises there is an answer with a note.
            assert!(case.raises.is_some() && !made.notes.is_empty(), "{name}");
        }
    }
}
