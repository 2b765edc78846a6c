//! The part of a calibration that is fitted to rows which the model has not learnt from.

use serde::{Deserialize, Serialize};

use super::isotonic::Knots;
use crate::ml::logit::{logit, sigmoid, softplus};

/// From log-odds to log-odds; never falling, so that no two rows change places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum CalibrationMap {
    Identity,
    /// `slope · z + intercept` (Platt 1999).
    Platt {
        slope: f64,
        intercept: f64,
    },
    /// `z / temperature` (Guo et al. 2017).
    Temperature {
        temperature: f64,
    },
    /// `c + a ln p - b ln(1 - p)` with `p` the sigmoid of the log-odds (Kull et al. 2017).
    Beta {
        a: f64,
        b: f64,
        c: f64,
    },
    /// A rising curve of straight pieces in the log-odds, level beyond its ends (Zadrozny & Elkan 2002).
    Isotonic {
        /// Kept as tensors, not in the manifest.
        #[serde(skip)]
        knots: Knots,
    },
}

impl CalibrationMap {
    /// The name in configurations and reports.
    pub fn name(&self) -> &'static str {
        match self {
            CalibrationMap::Identity => "identity",
            CalibrationMap::Platt { .. } => "platt",
            CalibrationMap::Temperature { .. } => "temperature",
            CalibrationMap::Beta { .. } => "beta",
            CalibrationMap::Isotonic { .. } => "isotonic",
        }
    }

    /// The log-odds that come out; infinite where an isotonic map is sure.
    pub fn log_odds(&self, natural: f64) -> f64 {
        match self {
            CalibrationMap::Identity => natural,
            CalibrationMap::Platt { slope, intercept } => slope * natural + intercept,
            CalibrationMap::Temperature { temperature } => natural / temperature,
            CalibrationMap::Beta { a, b, c } => c - a * softplus(-natural) + b * softplus(natural),
            CalibrationMap::Isotonic { knots } => logit(knots.at(natural)),
        }
    }

    /// Slope and intercept of [`CalibrationMap::log_odds`] where it is a straight line.
    pub fn affine(&self) -> Option<(f64, f64)> {
        match *self {
            CalibrationMap::Identity => Some((1.0, 0.0)),
            CalibrationMap::Platt { slope, intercept } => Some((slope, intercept)),
            CalibrationMap::Temperature { temperature } => Some((temperature.recip(), 0.0)),
            CalibrationMap::Beta { .. } | CalibrationMap::Isotonic { .. } => None,
        }
    }

    /// The probability that comes out.
    pub fn probability(&self, natural: f64) -> f64 {
        match self {
            CalibrationMap::Isotonic { knots } => knots.at(natural),
            other => sigmoid(other.log_odds(natural)),
        }
    }

    /// Whether a map that was read from somewhere can be used.
    pub fn is_valid(&self) -> bool {
        let rises = |slope: f64| slope > 0.0 && slope.is_finite();
        match self {
            CalibrationMap::Identity => true,
            CalibrationMap::Platt { slope, intercept } => rises(*slope) && intercept.is_finite(),
            CalibrationMap::Temperature { temperature } => rises(*temperature) && rises(temperature.recip()),
            CalibrationMap::Beta { a, b, c } => *a >= 0.0 && *b >= 0.0 && rises(a + b) && c.is_finite(),
            CalibrationMap::Isotonic { knots } => knots.is_valid(),
        }
    }
}
