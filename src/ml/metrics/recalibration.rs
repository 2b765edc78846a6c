//! Calibration slope and intercept: a logistic regression of the labels on the log-odds of the probabilities
//! (Cox 1958; Van Calster et al. 2019).

use super::binomial::student_quantile;
use super::ranking::Ranking;
use super::{Areas, Undefined};
use crate::ml::logit::{logit, sigmoid};
use crate::ml::small_logistic::{SmallFit, SmallTask, solve};

/// A variance of the slope that no rows with a slope have.
const FLAT: f64 = 1e6;

/// A number and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    pub value: f64,
    pub error: f64,
}

impl Estimated {
    /// The interval by Student's distribution.
    pub fn interval(self, degrees: f64, confidence: f64) -> Option<[f64; 2]> {
        let half = self.error * student_quantile(degrees, 0.5 + confidence / 2.0);
        half.is_finite().then_some([self.value - half, self.value + half])
    }
}

/// What the probabilities would have to be bent and shifted by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recalibration {
    /// 1 is right; below it the probabilities are too extreme, above it too timid.
    pub slope: Result<Estimated, Undefined>,
    /// With the slope held at 1; 0 is right, below it the probabilities are too high.
    pub intercept: Result<Estimated, Undefined>,
}

impl Recalibration {
    pub fn of(ranking: &Ranking) -> Self {
        let labels = ranking.labels();
        let areas = Areas::of(ranking, &ranking.unit_counts());
        let targets: Vec<f64> = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
        let logits: Vec<f64> = ranking.scores().iter().map(|&score| logit(inside(score))).collect();
        let intercept = areas.roc_auc.and_then(|_| {
            let rows = vec![[1.0]; labels.len()];
            let fit = SmallTask { rows: &rows, targets: &targets, offsets: &logits }.fit([0.0]);
            estimated(&fit, &rows, labels, &logits, 0)
        });
        let slope = areas.roc_auc.and_then(|area| {
            if ranking.distinct() < 2 {
                return Err(Undefined::OneScore);
            }
            if area == 0.0 || area == 1.0 {
                return Err(Undefined::Separated);
            }
            let rows: Vec<[f64; 2]> = logits.iter().map(|&logit| [logit, 1.0]).collect();
            let fit = SmallTask { rows: &rows, targets: &targets, offsets: &[] }.fit([1.0, 0.0]);
            // But for tied scores the classes may be apart: the loss then falls for ever and is flat in the end.
            let variance = solve(fit.information, [1.0, 0.0]).map_or(f64::INFINITY, |[variance, _]| variance);
            if variance > FLAT { Err(Undefined::Separated) } else { estimated(&fit, &rows, labels, &[], 0) }
        });
        Self { slope, intercept }
    }
}

/// Off 0 and 1, as in the log loss.
fn inside(probability: f64) -> f64 {
    probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}

/// A coefficient with its robust standard error (White 1982), the scores of each class about their own mean: the rows of
/// a class vary, how many there are does not.
fn estimated<const N: usize>(
    fit: &SmallFit<N>,
    rows: &[[f64; N]],
    labels: &[bool],
    offsets: &[f64],
    index: usize,
) -> Result<Estimated, Undefined> {
    let mut unit = [0.0; N];
    unit[index] = 1.0;
    let direction = solve(fit.information, unit).ok_or(Undefined::OneScore)?;
    let influence = |row: usize| {
        let logit: f64 = rows[row].iter().zip(&fit.coefficients).map(|(value, weight)| value * weight).sum::<f64>()
            + offsets.get(row).copied().unwrap_or(0.0);
        let residual = f64::from(u8::from(labels[row])) - sigmoid(logit);
        residual * rows[row].iter().zip(&direction).map(|(value, weight)| value * weight).sum::<f64>()
    };
    let mut variance = 0.0;
    for class in [false, true] {
        let of_class: Vec<f64> = (0..labels.len()).filter(|&row| labels[row] == class).map(influence).collect();
        let count = of_class.len() as f64;
        let mean = of_class.iter().sum::<f64>() / count;
        let squares: f64 = of_class.iter().map(|value| (value - mean) * (value - mean)).sum();
        variance += squares * count / (count - 1.0).max(1.0);
    }
    Ok(Estimated { value: fit.coefficients[index], error: variance.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_slope_says_why() {
        let of = |labels: &[bool], scores: &[f64]| Recalibration::of(&Ranking::new(labels, scores).unwrap());
        let constant = of(&[true, false, false, false], &[0.25; 4]);
        assert_eq!(constant.slope, Err(Undefined::OneScore));
        assert!(constant.intercept.unwrap().value.abs() < 1e-12);
        assert_eq!(of(&[true, false], &[0.9, 0.2]).slope, Err(Undefined::Separated));
        assert_eq!(of(&[true, true, false, false], &[0.9, 0.5, 0.5, 0.2]).slope, Err(Undefined::Separated));
        assert_eq!(of(&[true, true], &[0.9, 0.2]).intercept, Err(Undefined::NoNegatives));
    }
}
