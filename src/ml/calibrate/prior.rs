//! Undoing the change of prevalence that resampling and class weights make.

use serde::{Deserialize, Serialize};

use crate::ml::labels::{ClassCounts, ClassWeights};

/// By how much training moved the log-odds of the positive class.
///
/// The correction is exact where rows were drawn at random within each class (random over- and under-sampling,
/// class weights). Steps that make rows or choose them by their place (SMOTE, Tomek links, NearMiss) also change
/// the classes themselves; of those it undoes the change of prevalence only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PriorShift {
    /// Log-odds seen by training minus log-odds of the training part; 0 is no shift.
    pub log_odds: f64,
}

/// Counts or weights that have no log-odds.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PriorError {
    #[error(
        "a prior correction needs rows of both classes {stage} resampling; there are {positive} positive and \
         {negative} negative"
    )]
    OneClass { stage: &'static str, positive: usize, negative: usize },
    #[error("a prior correction needs positive, finite class weights; found {positive} and {negative}")]
    Weights { positive: f64, negative: f64 },
}

impl PriorShift {
    /// `before` are the rows of the training part, `after` those that were learnt from
    /// (Elkan 2001, theorem 2; Saerens et al. 2002, equation 4).
    ///
    /// # Errors
    /// If a class is empty, or a weight is not positive and finite.
    pub fn between(before: ClassCounts, after: ClassCounts, weights: ClassWeights) -> Result<Self, PriorError> {
        let ClassWeights { positive, negative } = weights;
        if !(positive > 0.0 && negative > 0.0 && positive.is_finite() && negative.is_finite()) {
            return Err(PriorError::Weights { positive, negative });
        }
        let weighted = log_odds(after, "after")? + positive.ln() - negative.ln();
        Ok(Self { log_odds: weighted - log_odds(before, "before")? })
    }
}

fn log_odds(counts: ClassCounts, stage: &'static str) -> Result<f64, PriorError> {
    let ClassCounts { positive, negative } = counts;
    if positive == 0 || negative == 0 {
        return Err(PriorError::OneClass { stage, positive, negative });
    }
    Ok((positive as f64).ln() - (negative as f64).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: ClassCounts = ClassCounts { positive: 10, negative: 990 };

    #[test]
    fn nothing_done_is_no_shift() {
        assert_eq!(PriorShift::between(BEFORE, BEFORE, ClassWeights::EQUAL), Ok(PriorShift { log_odds: 0.0 }));
    }

    #[test]
    fn balancing_by_rows_or_by_weights_shifts_by_the_odds() {
        let balanced = ClassCounts { positive: 990, negative: 990 };
        let by_rows = PriorShift::between(BEFORE, balanced, ClassWeights::EQUAL).unwrap();
        let weights = ClassWeights { positive: 99.0, negative: 1.0 };
        let by_weights = PriorShift::between(BEFORE, BEFORE, weights).unwrap();
        assert!((by_rows.log_odds - 99.0_f64.ln()).abs() < 1e-12);
        assert!((by_weights.log_odds - by_rows.log_odds).abs() < 1e-12);
    }

    #[test]
    fn what_has_no_odds_is_refused() {
        let empty = ClassCounts { positive: 0, negative: 5 };
        let error = PriorShift::between(BEFORE, empty, ClassWeights::EQUAL).unwrap_err();
        assert_eq!(error, PriorError::OneClass { stage: "after", positive: 0, negative: 5 });
        let weights = ClassWeights { positive: 0.0, negative: 1.0 };
        assert!(matches!(PriorShift::between(BEFORE, BEFORE, weights), Err(PriorError::Weights { .. })));
    }
}
