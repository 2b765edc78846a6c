//! Whether probabilities can be believed.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told};
use super::super::statistics::calibration_slope;
use super::super::{Checked, Code, Run, Setting};
use crate::ml::config::CalibrationMethod;

pub(super) fn of_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    let mut checked = Vec::new();
    checked.extend(shifted(setting, run));
    checked.extend(miscalibrated(setting, run));
    checked
}

/// What corrects probabilities and is not in use yet.
fn corrected(setting: &Setting<'_>) -> Option<Value> {
    let method = match setting.config.calibration.method {
        CalibrationMethod::None if setting.config.loss.has_inverse() => "prior",
        CalibrationMethod::None | CalibrationMethod::Prior => "auto",
        CalibrationMethod::Auto
        | CalibrationMethod::Platt
        | CalibrationMethod::Temperature
        | CalibrationMethod::Beta
        | CalibrationMethod::Isotonic => return None,
    };
    Some(json!({"calibration": {"method": method}}))
}

fn shifted(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const LIMIT: f64 = 0.2;
    /// Standard errors of the number of positives.
    const SURE: f64 = 3.0;
    let inflation = run.test.inflation()?;
    let variance: f64 = run.test.probabilities.iter().map(|p| p * (1.0 - p)).sum();
    let z = (run.test.mean_probability() * run.test.rows() - run.test.positives()).abs() / variance.sqrt();
    let size = inflation.ln().abs();
    let found = size > LIMIT && z > SURE;
    Some(Checked::new(Code::ShiftedProbabilities, size, LIMIT).found_if(found, || {
        Told::warning(
            format!("Probabilities are on average {inflation:.1} times the share of positives: resampling, weights or the loss moved them."),
            Evidence::new()
                .beside("mean_probability", run.test.mean_probability(), run.test.prevalence())
                .beside("mean_probability_over_prevalence", inflation, 1.0)
                .beside("z", z, 0.0),
            "Correct them: exactly (prior) where the loss allows it, on validation rows (platt) where not.",
        )
        .maybe_patch(corrected(setting))
    }))
}

fn miscalibrated(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const LOW: f64 = 0.8;
    const HIGH: f64 = 1.25;
    const SURE: f64 = 3.0;
    /// Probabilities nearer to 0 and 1 are taken for these.
    const EDGE: f64 = 1e-12;
    let natural = |p: &f64| {
        let p = p.clamp(EDGE, 1.0 - EDGE);
        (p / (1.0 - p)).ln()
    };
    let logits: Vec<f64> = run.test.probabilities.iter().map(natural).collect();
    let (slope, error) = calibration_slope(&logits, &run.test.labels)?;
    let found = !(LOW..=HIGH).contains(&slope) && (slope - 1.0).abs() > SURE * error;
    Some(Checked::new(Code::Miscalibrated, slope, if slope < 1.0 { LOW } else { HIGH }).found_if(found, || {
        let manner = if slope < 1.0 { "too sure" } else { "not sure enough" };
        Told::warning(
            format!("Probabilities are {manner}: their log-odds should be {slope:.2} times as large."),
            Evidence::new().beside("calibration_slope", slope, 1.0).with("standard_error", error),
            "Recalibrate on validation rows (platt), or learn the training rows less by heart.",
        )
        .maybe_patch(corrected(setting))
    }))
}
