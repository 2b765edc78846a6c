//! Fitting the maps of one to three numbers: Platt scaling, temperature scaling and beta calibration.

use super::{CalibrationMap, Unfitted};
use crate::ml::logit::softplus;
use crate::ml::small_logistic::SmallTask;

/// The bounds of the logarithm of the slope that scikit-learn's temperature scaling searches in, for two classes.
const LOG_SLOPE: f64 = 10.0 + std::f64::consts::LN_2;

/// Fits `σ(slope · z + intercept)` to labels, with Platt's targets `(N₊ + 1) / (N₊ + 2)` and `1 / (N₋ + 2)` in place
/// of 1 and 0, so that separable rows have a finite fit (Platt 1999, section 2.2).
///
/// # Errors
/// If the slope is not positive: the rows rank against the model, and no rising map helps.
pub(super) fn fit_platt(log_odds: &[f64], labels: &[bool]) -> Result<CalibrationMap, Unfitted> {
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    let targets = [1.0 / (negatives + 2.0), (positives + 1.0) / (positives + 2.0)];
    let targets: Vec<f64> = labels.iter().map(|&label| targets[usize::from(label)]).collect();
    // Centred and scaled, so that the two numbers do not depend on each other much.
    let rows = log_odds.len() as f64;
    let mean = log_odds.iter().sum::<f64>() / rows;
    let spread = (log_odds.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / rows).sqrt();
    let unit = if spread > 0.0 { spread } else { 1.0 };
    let rows: Vec<[f64; 2]> = log_odds.iter().map(|z| [(z - mean) / unit, 1.0]).collect();
    let start = [0.0, (positives + 1.0).ln() - (negatives + 1.0).ln()];
    let [slope, intercept] = SmallTask { rows: &rows, targets: &targets, offsets: &[] }.fit(start).coefficients;
    let slope = slope / unit;
    rising(CalibrationMap::Platt { slope, intercept: intercept - slope * mean }, slope)
}

/// Fits `σ(z / temperature)` to labels, within the bounds of scikit-learn's `_TemperatureScaling`.
///
/// # Errors
/// If the best slope is not positive.
pub(super) fn fit_temperature(log_odds: &[f64], labels: &[bool]) -> Result<CalibrationMap, Unfitted> {
    let rows: Vec<[f64; 1]> = log_odds.iter().map(|&z| [z]).collect();
    let [slope] = SmallTask { rows: &rows, targets: &hard(labels), offsets: &[] }.fit([1.0]).coefficients;
    let bounded = slope.clamp((-LOG_SLOPE).exp(), LOG_SLOPE.exp());
    rising(CalibrationMap::Temperature { temperature: bounded.recip() }, slope)
}

/// Fits `σ(c + a ln p - b ln(1 - p))` to labels with `a, b ≥ 0` (Kull et al. 2017, section 4): where the best of either
/// is negative, the best without it is taken.
///
/// # Errors
/// If neither is positive.
pub(super) fn fit_beta(log_odds: &[f64], labels: &[bool]) -> Result<CalibrationMap, Unfitted> {
    let targets = hard(labels);
    let rows: Vec<[f64; 3]> = log_odds.iter().map(|&z| [-softplus(-z), softplus(z), 1.0]).collect();
    let [mut a, mut b, mut c] =
        SmallTask { rows: &rows, targets: &targets, offsets: &[] }.fit([1.0, 1.0, 0.0]).coefficients;
    if a < 0.0 || b < 0.0 {
        let kept = usize::from(a < 0.0);
        let rows: Vec<[f64; 2]> = rows.iter().map(|row| [row[kept], 1.0]).collect();
        let [slope, intercept] =
            SmallTask { rows: &rows, targets: &targets, offsets: &[] }.fit([1.0, 0.0]).coefficients;
        (a, b, c) = if kept == 0 { (slope, 0.0, intercept) } else { (0.0, slope, intercept) };
    }
    rising(CalibrationMap::Beta { a, b, c }, a.min(b).min(0.0) + a + b)
}

fn hard(labels: &[bool]) -> Vec<f64> {
    labels.iter().map(|&label| f64::from(u8::from(label))).collect()
}

fn rising(map: CalibrationMap, slope: f64) -> Result<CalibrationMap, Unfitted> {
    if map.is_valid() && slope > 0.0 { Ok(map) } else { Err(Unfitted::NotRising { method: map.name(), slope }) }
}
