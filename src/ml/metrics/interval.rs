//! How sure a metric is: percentile intervals of the stratified bootstrap.

use std::ops::ControlFlow;

use rand::Rng as _;
use rayon::prelude::*;

use super::headline::{ScoredRows, Statistic, Values};
use crate::ml::config::Evaluation;
use crate::ml::observe::Stop;
use crate::ml::seed::{Rng, Seed};

/// About this many rows are drawn between two calls of `step`, so that a cancelled job ends within a second.
const ROWS_PER_STEP: usize = 4_000_000;
/// The most replicates between two calls of `step`.
const MAX_REPLICATES_PER_STEP: usize = 64;

/// An interval per [`Statistic`], in the order of [`Statistic::ALL`].
pub type Intervals = [Option<[f64; 2]>; Statistic::ALL.len()];

/// Draws `evaluation.bootstrap` samples with replacement, each class from its own rows and as many as it has
/// (so the prevalence stays), and takes the central `evaluation.confidence` of each statistic over them
/// (Efron & Tibshirani 1993, chapter 13). All statistics come from the same samples.
///
/// A statistic has no interval if the bootstrap is off or if it is undefined in more of the samples than the
/// interval leaves out. The bootstrap of `ece` is biased upward: its interval may lie above the value.
/// Sample i has a stream of its own, so that the number of threads changes nothing.
///
/// # Errors
/// If `step`, which is told the share of the samples that are drawn, ends the run.
pub fn intervals(
    rows: &ScoredRows,
    evaluation: &Evaluation,
    seed: Seed,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Intervals, Stop> {
    let classes = Classes::of(rows.ranking().labels());
    let block = (ROWS_PER_STEP / rows.ranking().rows().max(1)).clamp(1, MAX_REPLICATES_PER_STEP);
    let block = block.max(rayon::current_num_threads());
    let mut samples: Vec<Values> = Vec::with_capacity(evaluation.bootstrap);
    while samples.len() < evaluation.bootstrap {
        let end = (samples.len() + block).min(evaluation.bootstrap);
        let drawn = (samples.len()..end).into_par_iter().map_init(
            || vec![0_u32; rows.ranking().rows()],
            |counts, replicate| {
                classes.draw(counts, &mut seed.stream(&format!("bootstrap {replicate}")));
                rows.values_of(counts)
            },
        );
        samples.par_extend(drawn);
        if let ControlFlow::Break(stop) = step(samples.len() as f64 / evaluation.bootstrap as f64) {
            return Err(stop);
        }
    }
    Ok(Statistic::ALL.map(|statistic| central(&samples, statistic, evaluation.confidence)))
}

/// The sorted rows of each class.
struct Classes([Vec<usize>; 2]);

impl Classes {
    fn of(labels: &[bool]) -> Self {
        let of_class = |class: bool| (0..labels.len()).filter(|&row| labels[row] == class).collect();
        Self([of_class(false), of_class(true)])
    }

    /// Overwrites `counts` with how often each row is drawn.
    fn draw(&self, counts: &mut [u32], rng: &mut Rng) {
        counts.fill(0);
        for rows in &self.0 {
            for _ in 0..rows.len() {
                counts[rows[rng.random_range(0..rows.len())]] += 1;
            }
        }
    }
}

fn central(samples: &[Values], statistic: Statistic, confidence: f64) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = samples.iter().filter_map(|sample| sample[statistic as usize].ok()).collect();
    let undefined = (samples.len() - values.len()) as f64;
    if values.is_empty() || undefined > (1.0 - confidence) * samples.len() as f64 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some([quantile(&values, tail), quantile(&values, 1.0 - tail)])
}

/// Linear interpolation between order statistics, as NumPy's default; `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - position.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVALUATION: Evaluation = Evaluation { bootstrap: 400, confidence: 0.9 };

    fn rows() -> ScoredRows {
        let labels: Vec<bool> = (0..300).map(|row| row % 10 == 0).collect();
        let score = |row: usize| ((row * 7919) % 1000) as f64 / 1500.0 + if row.is_multiple_of(10) { 0.2 } else { 0.0 };
        ScoredRows::new(&labels, &(0..300).map(score).collect::<Vec<_>>(), 0.6).unwrap()
    }

    fn run(threads: usize, evaluation: &Evaluation) -> Intervals {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| intervals(&rows(), evaluation, Seed(1), &mut |_| ControlFlow::Continue(()))).unwrap()
    }

    #[test]
    fn threads_change_nothing() {
        assert_eq!(run(1, &EVALUATION), run(3, &EVALUATION));
    }

    #[test]
    fn the_interval_of_recall_is_the_binomial_one() {
        // Recall over 30 positives is a binomial share: its interval is near the normal one.
        let recall = rows().values()[Statistic::Recall as usize].unwrap();
        let [low, high] = run(2, &EVALUATION)[Statistic::Recall as usize].unwrap();
        let half = 1.645 * (recall * (1.0 - recall) / 30.0).sqrt();
        assert!((recall - half - low).abs() < 0.04 && (recall + half - high).abs() < 0.04, "{low} {recall} {high}");
    }

    #[test]
    fn no_bootstrap_no_interval() {
        assert!(run(1, &Evaluation { bootstrap: 0, confidence: 0.95 }).iter().all(Option::is_none));
    }

    #[test]
    fn a_statistic_that_is_often_undefined_has_no_interval() {
        // The one row that is predicted positive is missed by more than a third of the samples.
        let labels: Vec<bool> = (0..50).map(|row| row % 2 == 0).collect();
        let scores: Vec<f64> = (0..50).map(|row| f64::from(row) / 50.0).collect();
        let rows = ScoredRows::new(&labels, &scores, 0.97).unwrap();
        let found = intervals(&rows, &EVALUATION, Seed(1), &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(found[Statistic::Precision as usize], None);
        assert!(found[Statistic::RocAuc as usize].is_some());
    }

    #[test]
    fn a_stop_ends_it() {
        let mut asked = 0;
        let mut stop_at_second = |_: f64| {
            asked += 1;
            if asked == 2 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
        };
        assert_eq!(intervals(&rows(), &EVALUATION, Seed(1), &mut stop_at_second), Err(Stop::Cancelled));
        assert_eq!(asked, 2);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // np.quantile([1, 2, 4, 8], [0.1, 0.5, 0.95])
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.1, 1.3), (0.5, 3.0), (0.95, 7.4)] {
            assert!((quantile(&sorted, share) - expected).abs() < 1e-12);
        }
    }
}
