//! A diagnosis as the API shows it.

use serde::Serialize;

use crate::ml::baseline::Baseline;
use crate::ml::diagnose::{Check, Diagnosis, Finding};
use crate::records::Verdict;

/// What is wrong, what was looked at, what simple models reach.
#[derive(Debug, Serialize)]
pub(super) struct DiagnosisView {
    /// Null where there is no model.
    verdict: Option<Verdict>,
    findings: Vec<Finding>,
    checks: Vec<Check>,
    baselines: Vec<Baseline>,
}

impl DiagnosisView {
    pub(super) fn new(verdict: Option<Verdict>, diagnosis: Diagnosis) -> Self {
        let Diagnosis { findings, checks, baselines } = diagnosis;
        Self { verdict, findings, checks, baselines }
    }
}

/// [`DiagnosisView`] as a document.
pub fn diagnosis_document(verdict: Option<Verdict>, diagnosis: Diagnosis) -> serde_json::Value {
    serde_json::to_value(DiagnosisView::new(verdict, diagnosis)).unwrap_or_default()
}
