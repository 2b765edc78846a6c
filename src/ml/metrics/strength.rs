//! What each strength of a penalty was worth in cross-validation.

use serde::{Deserialize, Serialize};

/// How a strength was chosen: on the training rows alone, by rows that the fits had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrengthSearch {
    /// The one with the least mean loss, the stronger one of equals; it multiplies `l1` and `l2`.
    pub strength: f64,
    pub folds: usize,
    /// From the strongest to the weakest.
    pub path: Vec<StrengthLoss>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StrengthLoss {
    pub strength: f64,
    /// Mean log loss over the rows of all folds, each scored by the fit that had not seen it, in nats; `null` where
    /// it is not finite.
    pub mean_log_loss: Option<f64>,
    /// Standard error of the mean over the folds.
    pub standard_error: Option<f64>,
}

impl StrengthSearch {
    /// Chooses from the mean losses of the folds: for each strength, from the strongest on, one loss per fold.
    /// `rows` are the rows of each fold. `None` if no strength has a finite loss.
    pub fn choose(strengths: &[f64], losses: &[Vec<f64>], rows: &[usize]) -> Option<Self> {
        let path: Vec<StrengthLoss> =
            strengths.iter().zip(losses).map(|(&strength, losses)| StrengthLoss::of(strength, losses, rows)).collect();
        let mut best: Option<(f64, f64)> = None;
        for point in &path {
            let Some(loss) = point.mean_log_loss else { continue };
            if best.is_none_or(|(_, least)| loss < least) {
                best = Some((point.strength, loss));
            }
        }
        best.map(|(strength, _)| Self { strength, folds: rows.len(), path })
    }
}

impl StrengthLoss {
    fn of(strength: f64, losses: &[f64], rows: &[usize]) -> Self {
        let total: usize = rows.iter().sum();
        let sum: f64 = losses.iter().zip(rows).map(|(loss, &rows)| loss * rows as f64).sum();
        let mean = sum / total as f64;
        let folds = losses.len() as f64;
        let centre = losses.iter().sum::<f64>() / folds;
        let square: f64 = losses.iter().map(|loss| (loss - centre) * (loss - centre)).sum();
        let error = (square / (folds - 1.0) / folds).sqrt();
        let finite = |value: f64| value.is_finite().then_some(value);
        Self { strength, mean_log_loss: finite(mean), standard_error: finite(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::StrengthSearch;

    #[test]
    fn the_least_mean_loss_wins_and_the_stronger_of_equals() {
        let losses = [vec![0.7, 0.7], vec![0.3, 0.5], vec![0.5, 0.3], vec![f64::INFINITY, 0.1]];
        let search = StrengthSearch::choose(&[8.0, 4.0, 2.0, 1.0], &losses, &[10, 10]).unwrap();
        assert_eq!((search.strength, search.folds), (4.0, 2));
        let chosen = search.path[1];
        assert!((chosen.mean_log_loss.unwrap() - 0.4).abs() < 1e-15);
        // numpy.std([.3, .5], ddof=1) / numpy.sqrt(2)
        assert!((chosen.standard_error.unwrap() - 0.1).abs() < 1e-15);
        assert_eq!(search.path[3].mean_log_loss, None);
        assert_eq!(StrengthSearch::choose(&[1.0], &[vec![f64::NAN, 0.0]], &[1, 1]), None);
    }

    #[test]
    fn folds_of_unequal_size_count_by_their_rows() {
        let search = StrengthSearch::choose(&[1.0], &[vec![1.0, 0.0]], &[3, 1]).unwrap();
        assert_eq!(search.path[0].mean_log_loss, Some(0.75));
    }
}
