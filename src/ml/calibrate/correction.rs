//! The part of a calibration that is known without any rows to fit it to.

use serde::{Deserialize, Serialize};

use super::LossInverse;

/// From a model's logit to log-odds at the prevalence of its training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Correction {
    /// The logit is taken for the log-odds.
    None,
    /// What the loss did to the logit is undone, then a known shift is subtracted; see [`LossInverse`] and
    /// [`PriorShift`](super::PriorShift).
    Prior { inverse: LossInverse, log_odds: f64 },
}

impl Correction {
    /// The log-odds that a logit stands for; a rising function.
    pub fn natural(self, logit: f64) -> f64 {
        match self {
            Correction::None => logit,
            Correction::Prior { inverse, log_odds } => inverse.natural(logit) - log_odds,
        }
    }

    /// What it adds to a logit, where it does nothing else.
    pub fn offset(self) -> Option<f64> {
        match self {
            Correction::None => Some(0.0),
            Correction::Prior { inverse: LossInverse::Identity, log_odds } => Some(-log_odds),
            Correction::Prior { inverse: LossInverse::Shift { log_odds: lowered }, log_odds } => {
                Some(lowered - log_odds)
            }
            Correction::Prior { .. } => None,
        }
    }

    /// Whether a correction that was read from somewhere can be used.
    pub fn is_valid(self) -> bool {
        match self {
            Correction::None => true,
            Correction::Prior { inverse, log_odds } => log_odds.is_finite() && inverse.is_valid(),
        }
    }
}
