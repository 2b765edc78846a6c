//! How sure a metric is: the resamples that intervals are made from.

use std::ops::ControlFlow;

use rand::Rng as _;
use rayon::prelude::*;

use super::headline::{Resampled, ScoredRows, Statistic, Values};
use super::spread::{Spread, quantile};
use crate::ml::config::Evaluation;
use crate::ml::observe::Stop;
use crate::ml::seed::{Rng, Seed};

/// About this many rows are drawn between two calls of `step`, so that a cancelled job ends within a second.
const ROWS_PER_STEP: usize = 4_000_000;
/// The most replicates between two calls of `step`.
const MAX_REPLICATES_PER_STEP: usize = 64;

/// An interval per [`Statistic`], in the order of [`Statistic::ALL`].
pub type Intervals = [Option<[f64; 2]>; Statistic::ALL.len()];

/// Draws `evaluation.bootstrap` samples with replacement, each class from its own rows and as many as it has (so that the
/// prevalence stays), and makes an interval at `evaluation.confidence` of each statistic; see `spread.rs` for how.
/// All statistics come from the same samples. `values` are those of the rows as they are.
///
/// A statistic has no interval if the bootstrap is off, if a class has a single row (but for rates), or if it is undefined
/// in more of the samples than the interval leaves out. Sample i has a stream of its own, so that the number of threads
/// changes nothing.
///
/// # Errors
/// If `step`, which is told the share of the samples that are drawn, ends the run.
pub fn intervals(
    rows: &ScoredRows,
    values: &Values,
    evaluation: &Evaluation,
    seed: Seed,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Intervals, Stop> {
    let classes = Classes::of(rows.ranking().labels());
    let block = (ROWS_PER_STEP / rows.ranking().rows().max(1)).clamp(1, MAX_REPLICATES_PER_STEP);
    let block = block.max(rayon::current_num_threads());
    let mut samples: Vec<Resampled> = Vec::with_capacity(evaluation.bootstrap);
    while samples.len() < evaluation.bootstrap {
        let end = (samples.len() + block).min(evaluation.bootstrap);
        let drawn = (samples.len()..end).into_par_iter().map_init(
            || vec![0_u32; rows.ranking().rows()],
            |counts, replicate| {
                classes.draw(counts, &mut seed.stream(&format!("bootstrap {replicate}")));
                rows.resampled(counts)
            },
        );
        samples.par_extend(drawn);
        if let ControlFlow::Break(stop) = step(samples.len() as f64 / evaluation.bootstrap as f64) {
            return Err(stop);
        }
    }
    if samples.is_empty() {
        return Ok(Statistic::ALL.map(|_| None));
    }
    Ok(Spread { rows, values, samples: &samples, confidence: evaluation.confidence, seed }.intervals())
}

/// The sorted rows of each class.
pub(super) struct Classes([Vec<usize>; 2]);

impl Classes {
    pub(super) fn of(labels: &[bool]) -> Self {
        let of_class = |class: bool| (0..labels.len()).filter(|&row| labels[row] == class).collect();
        Self([of_class(false), of_class(true)])
    }

    /// Overwrites `counts` with how often each row is drawn.
    pub(super) fn draw(&self, counts: &mut [u32], rng: &mut Rng) {
        counts.fill(0);
        for rows in &self.0 {
            for _ in 0..rows.len() {
                counts[rows[rng.random_range(0..rows.len())]] += 1;
            }
        }
    }
}

/// How often each row is drawn in some stratified bootstrap samples, each with a stream of its own.
pub fn row_draws(labels: &[bool], samples: usize, seed: Seed) -> Vec<Vec<u32>> {
    let classes = Classes::of(labels);
    let sample = |sample: usize| {
        let mut counts = vec![0; labels.len()];
        classes.draw(&mut counts, &mut seed.stream(&format!("draw {sample}")));
        counts
    };
    (0..samples).map(sample).collect()
}

/// The central `confidence` of some values; none of no values.
pub fn central_interval(mut values: Vec<f64>, confidence: f64) -> Option<[f64; 2]> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some([quantile(&values, tail), quantile(&values, 1.0 - tail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVALUATION: Evaluation = Evaluation { bootstrap: 400, confidence: 0.9, cross_validation: None };

    fn rows() -> ScoredRows {
        let labels: Vec<bool> = (0..300).map(|row| row % 10 == 0).collect();
        let score = |row: usize| ((row * 7919) % 1000) as f64 / 1500.0 + if row.is_multiple_of(10) { 0.2 } else { 0.0 };
        ScoredRows::new(&labels, &(0..300).map(score).collect::<Vec<_>>(), 0.6).unwrap()
    }

    fn of(
        rows: &ScoredRows,
        evaluation: &Evaluation,
        step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
    ) -> Result<Intervals, Stop> {
        intervals(rows, &rows.values(), evaluation, Seed(1), step)
    }

    fn run(threads: usize, evaluation: &Evaluation) -> Intervals {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| of(&rows(), evaluation, &mut |_| ControlFlow::Continue(()))).unwrap()
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
        assert!(run(1, &Evaluation { bootstrap: 0, ..EVALUATION }).iter().all(Option::is_none));
    }

    #[test]
    fn perfect_scores_of_few_rows_are_not_called_certain() {
        let labels: Vec<bool> = (0..100).map(|row| row < 4).collect();
        let scores: Vec<f64> = labels.iter().map(|&label| if label { 0.9 } else { 0.1 }).collect();
        let rows = ScoredRows::new(&labels, &scores, 0.5).unwrap();
        let found = of(&rows, &EVALUATION, &mut |_| ControlFlow::Continue(())).unwrap();
        for statistic in [Statistic::AveragePrecision, Statistic::RocAuc, Statistic::Recall, Statistic::F1] {
            let [low, high] = found[statistic as usize].unwrap();
            assert!(low < 0.85 && high == 1.0, "{statistic:?}: {low} {high}");
        }
    }

    #[test]
    fn one_row_of_a_class_has_an_interval_of_its_rate_and_of_nothing_else() {
        let labels: Vec<bool> = (0..50).map(|row| row == 7).collect();
        let scores: Vec<f64> = (0..50).map(|row| f64::from(row) / 50.0).collect();
        let rows = ScoredRows::new(&labels, &scores, 0.1).unwrap();
        let found = of(&rows, &EVALUATION, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(found[Statistic::Recall as usize].is_some() && found[Statistic::Mcc as usize].is_some());
        assert_eq!((found[Statistic::RocAuc as usize], found[Statistic::Brier as usize]), (None, None));
    }

    #[test]
    fn a_stop_ends_it() {
        let mut asked = 0;
        let mut stop_at_second = |_: f64| {
            asked += 1;
            if asked == 2 { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
        };
        assert_eq!(of(&rows(), &EVALUATION, &mut stop_at_second), Err(Stop::Cancelled));
        assert_eq!(asked, 2);
    }
}
