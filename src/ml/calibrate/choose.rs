//! Which map a model gets: the one that was asked for, if it is shown to help.
//!
//! A map is fitted to parts of the rows and scored on the part left out. It is taken only if that loss is lower than
//! the loss without a map: with few rows a map adds more noise than it removes.

use serde::{Deserialize, Serialize};

use super::sigmoid_maps::{fit_beta, fit_platt, fit_temperature};
use super::{CalibrationMap, Knots};
use crate::ml::config::CalibrationMethod;
use crate::ml::labels::ClassCounts;
use crate::ml::metrics::log_loss;
use crate::ml::seed::Seed;
use crate::ml::split::stratified_folds;

/// Parts of the rows that a map is judged on.
pub const CROSS_FIT_FOLDS: usize = 5;
/// Rows of the rarer class from which `auto` tries each map, the richest first; isotonic regression also needs
/// [`ISOTONIC_ROWS`].
const AUTO_STEPS: [(usize, CalibrationMethod); 3] =
    [(300, CalibrationMethod::Isotonic), (100, CalibrationMethod::Beta), (10, CalibrationMethod::Platt)];
const ISOTONIC_ROWS: usize = 1_000;

/// Why there is no map.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Unfitted {
    #[error("{positive} positive and {negative} negative rows are too few to fit and judge it; both need {needed}")]
    TooFew { positive: usize, negative: usize, needed: usize },
    #[error("a score is not a finite number")]
    NotFinite,
    #[error(
        "the {method} map does not rise (slope {slope:.4}): on these rows the scores rank the classes no better than chance"
    )]
    NotRising { method: &'static str, slope: f64 },
    #[error(
        "the isotonic map gives all rows one probability: on these rows the scores rank the classes no better than chance"
    )]
    Level,
    #[error("the cross-fitted log loss with the {method} map is {fitted:.6}, without it {base:.6}")]
    NoBetter { method: &'static str, fitted: f64, base: f64 },
}

/// What came of the wish for a calibration, as the report shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationOutcome {
    /// What was asked for: `none`, `prior`, `auto` or a map.
    pub method: String,
    /// What the model has: `none`, `prior`, or the map on top of it.
    pub used: String,
    /// Why it is not the map that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a map was fitted to: `validation` or `out_of_fold`; `null` if none was tried.
    pub on: Option<String>,
    pub rows: Option<usize>,
    pub positives: Option<usize>,
    /// Mean log loss over those rows in nats, without a map.
    pub base_log_loss: Option<f64>,
    /// The same with the map, each row scored by a map that had not seen it.
    pub cross_fitted_log_loss: Option<f64>,
    /// The share of positives among the training rows, at which probabilities hold unless another was given.
    pub prevalence: f64,
    /// The share of positives that the job said the model will meet.
    pub deployment_prevalence: Option<f64>,
}

/// A map, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub map: Result<CalibrationMap, Unfitted>,
    /// The map that was tried.
    pub tried: CalibrationMethod,
    pub base_log_loss: Option<f64>,
    pub cross_fitted_log_loss: Option<f64>,
}

/// The map that `auto` tries on rows with these counts, if any.
pub fn auto_method(counts: ClassCounts) -> Option<CalibrationMethod> {
    let rarer = counts.positive.min(counts.negative);
    let fits = |&&(needed, method): &&(usize, CalibrationMethod)| {
        rarer >= needed && (method != CalibrationMethod::Isotonic || counts.total() > ISOTONIC_ROWS)
    };
    AUTO_STEPS.iter().find(fits).map(|(_, method)| *method)
}

/// Fits the map to all rows and judges it by cross-fitting. `log_odds` are the corrected ones, one per label.
/// `None` if `method` has no map, or `auto` finds the rows too few for any.
pub fn judge(method: CalibrationMethod, log_odds: &[f64], labels: &[bool], seed: Seed) -> Option<Judged> {
    let counts = ClassCounts::of(labels);
    let tried = match method {
        CalibrationMethod::None | CalibrationMethod::Prior => return None,
        CalibrationMethod::Auto => auto_method(counts)?,
        map => map,
    };
    let base_log_loss = loss(&CalibrationMap::Identity, log_odds, labels);
    let cross_fitted = cross_fitted_loss(tried, log_odds, labels, seed);
    let map = match (cross_fitted, base_log_loss) {
        (Err(reason), _) => Err(reason),
        (Ok(fitted), Some(base)) if fitted < base => fit_map(tried, log_odds, labels),
        (Ok(fitted), base) => Err(Unfitted::NoBetter { method: tried.name(), fitted, base: base.unwrap_or(f64::NAN) }),
    };
    Some(Judged { map, tried, base_log_loss, cross_fitted_log_loss: cross_fitted.ok() })
}

/// Fits one kind of map to log-odds and labels, one for the other.
///
/// # Errors
/// If a class has no row, a score is not finite, or the map would not rise.
pub fn fit_map(method: CalibrationMethod, log_odds: &[f64], labels: &[bool]) -> Result<CalibrationMap, Unfitted> {
    let ClassCounts { positive, negative } = ClassCounts::of(labels);
    if positive == 0 || negative == 0 {
        return Err(Unfitted::TooFew { positive, negative, needed: 1 });
    }
    if log_odds.iter().any(|value| !value.is_finite()) {
        return Err(Unfitted::NotFinite);
    }
    match method {
        CalibrationMethod::None | CalibrationMethod::Prior | CalibrationMethod::Auto => Ok(CalibrationMap::Identity),
        CalibrationMethod::Platt => fit_platt(log_odds, labels),
        CalibrationMethod::Temperature => fit_temperature(log_odds, labels),
        CalibrationMethod::Beta => fit_beta(log_odds, labels),
        CalibrationMethod::Isotonic => {
            let knots = Knots::fit(log_odds, labels).filter(|knots| !knots.is_level()).ok_or(Unfitted::Level)?;
            Ok(CalibrationMap::Isotonic { knots })
        }
    }
}

/// The mean loss where each row is scored by a map that was fitted to the other folds.
fn cross_fitted_loss(
    method: CalibrationMethod,
    log_odds: &[f64],
    labels: &[bool],
    seed: Seed,
) -> Result<f64, Unfitted> {
    let ClassCounts { positive, negative } = ClassCounts::of(labels);
    let folds = positive.min(negative).min(CROSS_FIT_FOLDS);
    if folds < 2 {
        return Err(Unfitted::TooFew { positive, negative, needed: 2 });
    }
    let fold_of = stratified_folds(labels, folds, seed.derive("cross-fit"));
    let mut sum = 0.0;
    for fold in 0..folds {
        let rows = |held_out: bool| {
            let of = (0..labels.len()).filter(|&row| (fold_of[row] == fold) == held_out);
            of.map(|row| (log_odds[row], labels[row])).unzip::<f64, bool, Vec<f64>, Vec<bool>>()
        };
        let (kept, kept_labels) = rows(false);
        let (held_out, held_out_labels) = rows(true);
        let map = fit_map(method, &kept, &kept_labels)?;
        sum += loss(&map, &held_out, &held_out_labels).unwrap_or(0.0) * held_out.len() as f64;
    }
    Ok(sum / labels.len() as f64)
}

fn loss(map: &CalibrationMap, log_odds: &[f64], labels: &[bool]) -> Option<f64> {
    let probabilities: Vec<f64> = log_odds.iter().map(|&natural| map.probability(natural)).collect();
    log_loss(labels, &probabilities).ok().filter(|loss| loss.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Log-odds that are `stretch` times as far from `-1` as they should be.
    fn stretched(rows: usize, stretch: f64) -> (Vec<f64>, Vec<bool>) {
        use rand::Rng as _;
        let mut chance = Seed(3).stream("stretched");
        let truth: Vec<f64> = (0..rows).map(|_| chance.random_range(-4.0..2.0)).collect();
        let labels = truth.iter().map(|&z| chance.random_bool(crate::ml::logit::sigmoid(z))).collect();
        (truth.into_iter().map(|z| -1.0 + (z + 1.0) * stretch).collect(), labels)
    }

    const MAPS: [CalibrationMethod; 4] = [
        CalibrationMethod::Platt,
        CalibrationMethod::Temperature,
        CalibrationMethod::Beta,
        CalibrationMethod::Isotonic,
    ];

    #[test]
    fn over_confidence_is_mended_by_every_map_and_what_is_right_is_left_alone() {
        let (log_odds, labels) = stretched(4_000, 3.0);
        for method in MAPS {
            let judged = judge(method, &log_odds, &labels, Seed(1)).unwrap();
            assert_eq!(judged.map.unwrap().name(), method.name());
            assert!(judged.cross_fitted_log_loss < judged.base_log_loss);
        }
        let (log_odds, labels) = stretched(300, 1.0);
        let judged = judge(CalibrationMethod::Isotonic, &log_odds, &labels, Seed(1)).unwrap();
        assert!(matches!(judged.map, Err(Unfitted::NoBetter { .. })), "{judged:?}");
    }

    #[test]
    fn scores_that_rank_against_the_labels_get_no_map_and_a_reason() {
        let (log_odds, labels) = stretched(1_000, 1.0);
        let reversed: Vec<f64> = log_odds.iter().map(|z| -z).collect();
        for method in MAPS {
            let reason = judge(method, &reversed, &labels, Seed(1)).unwrap().map.unwrap_err();
            let expected = matches!(reason, Unfitted::NotRising { .. } | Unfitted::Level | Unfitted::NoBetter { .. });
            assert!(expected && reason.to_string().len() > 40, "{method:?}: {reason}");
        }
    }

    #[test]
    fn auto_goes_by_the_rarer_class_and_tiny_classes_keep_what_they_have() {
        let auto = |positive, negative| auto_method(ClassCounts { positive, negative });
        assert_eq!(auto(9, 10_000), None);
        assert_eq!(auto(10_000, 10), Some(CalibrationMethod::Platt));
        assert_eq!(auto(100, 100), Some(CalibrationMethod::Beta));
        assert_eq!(auto(300, 400), Some(CalibrationMethod::Beta));
        assert_eq!(auto(300, 701), Some(CalibrationMethod::Isotonic));
        let one = judge(CalibrationMethod::Platt, &[0.0, 1.0], &[false, true], Seed(1)).unwrap();
        assert_eq!(one.map, Err(Unfitted::TooFew { positive: 1, negative: 1, needed: 2 }));
    }
}
