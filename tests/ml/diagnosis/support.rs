//! Made data, and diagnoses of it.

use std::collections::BTreeMap;

use evenkeel::ml::config::{DatasetFacts, FeatureFacts};
use evenkeel::ml::diagnose::{Code, Diagnosis, Finding, Severity};
use evenkeel::ml::json_patch::merge_patch;
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::pipeline::{Examined, TrainInput, diagnose, examine};
use evenkeel::ml::seed::{Rng, Seed};
use evenkeel::ml::table::{Column, MISSING, Table, Values};
use rand::Rng as _;
use rand_distr::StandardNormal;
use serde_json::{Value, json};

use crate::support::{Data, missing_markers};

/// Columns and labels that become a dataset with the target `y`, whose positive label is `1`.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) columns: Vec<Column>,
    pub(super) labels: Vec<bool>,
}

pub(super) fn normal(rng: &mut Rng) -> f64 {
    rng.sample(StandardNormal)
}

impl Made {
    /// Normal columns `x0`, `x1`, ...; in the first two of them positives, one row in `one_in`, lie higher.
    pub(super) fn new(rows: usize, one_in: usize, seed: u64) -> Self {
        Self::apart(rows, one_in, 1.2, seed)
    }

    /// [`Made::new`] with positives this much higher.
    pub(super) fn apart(rows: usize, one_in: usize, distance: f64, seed: u64) -> Self {
        let mut rng = Seed(seed).stream("made");
        let labels: Vec<bool> = (0..rows).map(|_| rng.random_range(0..one_in) == 0).collect();
        let mut made = Self { columns: Vec::new(), labels };
        for index in 0..6 {
            let higher = if index < 2 { distance } else { 0.0 };
            let value = |label: &bool| normal(&mut rng) + if *label { higher } else { 0.0 };
            let values = made.labels.iter().map(value).collect();
            made = made.with(&format!("x{index}"), Values::Numeric(values));
        }
        made
    }

    pub(super) fn with(mut self, name: &str, values: Values) -> Self {
        self.columns.push(Column { name: name.to_owned(), values });
        self
    }

    /// A numeric column, made from the row's number and label.
    pub(super) fn with_numbers(self, name: &str, value: impl Fn(usize, bool) -> f64) -> Self {
        let values = self.labels.iter().enumerate().map(|(row, &label)| value(row, label)).collect();
        self.with(name, Values::Numeric(values))
    }

    /// A column of categories; the code of each row, `None` for missing.
    pub(super) fn with_codes(self, name: &str, code: impl Fn(usize, bool) -> Option<u32>) -> Self {
        let codes: Vec<u32> =
            self.labels.iter().enumerate().map(|(row, &label)| code(row, label).unwrap_or(MISSING)).collect();
        let most = codes.iter().filter(|code| **code != MISSING).max().copied().unwrap_or(0);
        let levels = (0..=most).map(|level| format!("level {level}")).collect();
        self.with(name, Values::Categorical { codes, levels })
    }

    pub(super) fn numbers_mut(&mut self, column: usize) -> &mut Vec<f64> {
        match &mut self.columns[column].values {
            Values::Numeric(values) => values,
            _ => panic!("column {column} is not numeric"),
        }
    }

    /// The given rows, in the given order.
    pub(super) fn rows(&self, rows: &[usize]) -> Self {
        let table = Table::new(self.columns.clone()).unwrap().select(rows);
        Self { columns: table.columns().to_vec(), labels: rows.iter().map(|&row| self.labels[row]).collect() }
    }

    pub(super) fn data(self) -> Data {
        let target: Vec<f64> = self.labels.iter().map(|&label| f64::from(u8::from(label))).collect();
        let mut columns = self.columns;
        columns.push(Column { name: "y".to_owned(), values: Values::Numeric(target) });
        let positives = self.labels.iter().filter(|&&label| label).count();
        let counts = [("0", self.labels.len() - positives), ("1", positives)];
        let facts = columns.iter().map(|column| FeatureFacts {
            name: column.name.clone(),
            column_type: column.values.column_type(),
            distinct: 2,
            values: None,
        });
        let facts = DatasetFacts {
            rows: self.labels.len(),
            target: "y".to_owned(),
            positive_label: "1".to_owned(),
            columns: facts.collect(),
            class_counts: counts
                .map(|(label, count)| (label.to_owned(), count))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            origin_columns: Vec::new(),
            pictures: None,
        };
        Data { table: Table::new(columns).unwrap(), facts }
    }
}

impl Data {
    fn input(&self) -> TrainInput {
        TrainInput { table: self.table.clone(), missing_markers: missing_markers() }
    }

    pub(super) fn diagnose(&self, request: &Value) -> Diagnosis {
        diagnose(self.input(), &self.config(request), &mut Unobserved).unwrap()
    }

    pub(super) fn examine(&self, request: &Value) -> Examined {
        examine(self.input(), &self.config(request), &mut Unobserved)
    }

    /// The whole configuration of a request with a patch on it, as a job would be posted again.
    pub(super) fn patched(&self, request: &Value, patch: &Value) -> Value {
        merged(&serde_json::to_value(self.config(request)).unwrap(), patch)
    }
}

/// A quick run of a small network, with what the test asks for on top.
pub(super) fn quick(request: Value) -> Value {
    let base = json!({
        "model": {"hidden_layers": [16]},
        "training": {"epochs": 60, "batch_size": 64},
        "evaluation": {"bootstrap": 100}
    });
    merged(&base, &request)
}

/// The finding, or all that there are.
pub(super) fn found(diagnosis: &Diagnosis, code: Code) -> Finding {
    diagnosis.finding(code).cloned().unwrap_or_else(|| panic!("no {} among {}", code.as_str(), told(diagnosis)))
}

pub(super) fn assert_not_found(diagnosis: &Diagnosis, code: Code) {
    assert!(diagnosis.finding(code).is_none(), "{:?}", diagnosis.finding(code));
}

/// The warnings and errors, by name.
pub(super) fn troubles(diagnosis: &Diagnosis) -> Vec<&'static str> {
    let troubled = diagnosis.findings.iter().filter(|finding| finding.severity > Severity::Info);
    troubled.map(|finding| finding.code.as_str()).collect()
}

/// All findings, one a line.
pub(super) fn told(diagnosis: &Diagnosis) -> String {
    let line = |finding: &Finding| {
        let evidence = serde_json::to_string(&finding.evidence).unwrap();
        format!("\n{} {}: {} {evidence}", finding.severity.as_str(), finding.code.as_str(), finding.title)
    };
    let baselines: Vec<String> = diagnosis.baselines.iter().map(|baseline| format!("\n{baseline:?}")).collect();
    diagnosis.findings.iter().map(line).chain(baselines).collect()
}

/// A number of the evidence.
pub(super) fn number(finding: &Finding, name: &str) -> f64 {
    finding.evidence.get(name).unwrap_or_else(|| panic!("{finding:?} has no {name}"))
}

/// `base` with a JSON merge patch applied.
pub(super) fn merged(base: &Value, patch: &Value) -> Value {
    let mut merged = base.clone();
    merge_patch(&mut merged, patch);
    merged
}
