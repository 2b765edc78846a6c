//! What a training run left, as the checks go by it.

use crate::ml::baseline::Baseline;
use crate::ml::metrics::{Report, average_precision, base_rate_entropy, log_loss, roc_auc};
use crate::ml::observe::{EpochLog, StoppedBy};

/// A run that left a model.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// Of the first network; one line for a convex model.
    pub curves: &'a [EpochLog],
    pub epochs_run: usize,
    pub best_epoch: usize,
    pub stopped_by: StoppedBy,
    /// Columns after preprocessing.
    pub features: usize,
    /// Training rows as they were collected, a sample where they are many.
    pub train: Scores,
    pub validation: Scores,
    pub test: Scores,
    pub baselines: &'a [Baseline],
    /// On the test rows.
    pub report: &'a Report,
}

/// Rows with what the model says of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    pub labels: Vec<bool>,
    /// As the model gives them, before calibration.
    pub logits: Vec<f64>,
    /// At the natural prevalence, as far as calibration makes them so.
    pub probabilities: Vec<f64>,
}

impl Scores {
    pub fn rows(&self) -> f64 {
        self.labels.len() as f64
    }

    pub fn positives(&self) -> f64 {
        self.labels.iter().filter(|&&label| label).count() as f64
    }

    /// 0 without rows.
    pub fn prevalence(&self) -> f64 {
        self.positives() / self.rows().max(1.0)
    }

    pub fn entropy(&self) -> f64 {
        base_rate_entropy(self.prevalence())
    }

    pub fn auc(&self) -> Option<f64> {
        roc_auc(&self.labels, &self.probabilities)
    }

    pub fn average_precision(&self) -> Option<f64> {
        average_precision(&self.labels, &self.probabilities)
    }

    /// Log loss over that of the best constant: 1 is nothing learnt, above is worse than that.
    pub fn relative_loss(&self) -> Option<f64> {
        let entropy = self.entropy();
        let loss = log_loss(&self.labels, &self.probabilities).ok()?;
        (entropy > 0.0).then(|| loss / entropy)
    }

    /// The mean probability over the prevalence, 1 where probabilities are right on average.
    pub fn inflation(&self) -> Option<f64> {
        (self.positives() > 0.0).then(|| self.mean_probability() / self.prevalence())
    }

    pub fn mean_probability(&self) -> f64 {
        self.probabilities.iter().sum::<f64>() / self.rows().max(1.0)
    }

    /// The standard deviation of the probabilities.
    pub fn spread(&self) -> f64 {
        let mean = self.mean_probability();
        let squares: f64 = self.probabilities.iter().map(|p| (p - mean).powi(2)).sum();
        (squares / self.rows().max(1.0)).sqrt()
    }

    /// The share of rows with a probability above 1/2.
    pub fn share_above_half(&self) -> f64 {
        self.probabilities.iter().filter(|&&p| p > 0.5).count() as f64 / self.rows().max(1.0)
    }

    /// The share of rows with a logit beyond any doubt.
    pub fn saturated(&self) -> f64 {
        const BEYOND_DOUBT: f64 = 15.0;
        // NaN is beyond doubt, too.
        self.logits.iter().filter(|logit| logit.is_nan() || logit.abs() > BEYOND_DOUBT).count() as f64
            / self.rows().max(1.0)
    }
}

impl Run<'_> {
    /// The least relative loss of the baselines; `None` where the test rows are too few to tell models apart by.
    pub(super) fn best_baseline(&self) -> Option<f64> {
        const LEAST_OF_CLASS: f64 = 20.0;
        if self.test.positives().min(self.test.rows() - self.test.positives()) < LEAST_OF_CLASS {
            return None;
        }
        self.baselines.iter().filter_map(|baseline| baseline.relative_log_loss).min_by(f64::total_cmp)
    }

    /// The validation loss over that of the best constant, epoch by epoch.
    pub(super) fn relative_curve(&self) -> Vec<f64> {
        let entropy = self.validation.entropy();
        self.curves.iter().filter_map(|log| log.validation_loss).map(|loss| loss / entropy).collect()
    }

    /// How fast a loss falls at its end: the mean relative drop per epoch over the last three steps.
    pub(super) fn final_slope(losses: &[f64]) -> Option<f64> {
        let [.., first, _, _, last] = losses else { return None };
        (*first > 0.0).then(|| (first - last) / (3.0 * first))
    }

    pub(super) fn train_losses(&self) -> Vec<f64> {
        self.curves.iter().filter_map(|log| log.train_loss).collect()
    }
}
