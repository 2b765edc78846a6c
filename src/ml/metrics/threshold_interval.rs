//! How sure a threshold is: it is chosen again on bootstrap samples of the validation rows.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::interval::{Classes, central_interval};
use super::prevalence::ClassScale;
use super::ranking::Ranking;
use super::threshold::choose_among;
use crate::ml::config::{Evaluation, ThresholdRule};
use crate::ml::observe::Stop;
use crate::ml::seed::Seed;

/// Rows that are drawn for one interval, at most, unless there are so many rows that this would be fewer than
/// [`MIN_REPLICATES`] samples of them.
const MAX_DRAWN_ROWS: usize = 100_000_000;
/// Fewer samples do not show where the ends of an interval are.
const MIN_REPLICATES: usize = 100;
/// Rows drawn between two calls of `step`.
const ROWS_PER_STEP: usize = 4_000_000;

/// As many of the replicates asked for as the number of rows allows.
pub fn affordable(evaluation: &Evaluation, rows: usize) -> Evaluation {
    let allowed = (MAX_DRAWN_ROWS / rows.max(1)).max(MIN_REPLICATES);
    Evaluation { bootstrap: evaluation.bootstrap.min(allowed), ..evaluation.clone() }
}

/// The central `evaluation.confidence` of the thresholds that each rule chooses on stratified bootstrap samples of
/// the rows, each class drawn from its own. Where a rule is not met by a sample, the nearest threshold counts. A
/// fixed threshold, and any without a bootstrap, has no interval.
///
/// Sample i has a stream of its own, so that the number of threads changes nothing.
///
/// # Errors
/// If `step`, which is told the share of the samples that are drawn, ends the run.
pub fn threshold_intervals(
    rules: &[ThresholdRule],
    ranking: &Ranking,
    scale: ClassScale,
    evaluation: &Evaluation,
    seed: Seed,
    step: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Vec<Option<[f64; 2]>>, Stop> {
    let replicates = if rules.iter().all(is_fixed) { 0 } else { evaluation.bootstrap };
    let classes = Classes::of(ranking.labels());
    let block = (ROWS_PER_STEP / ranking.rows().max(1)).clamp(1, 64).max(rayon::current_num_threads());
    let mut samples: Vec<Vec<f64>> = Vec::with_capacity(replicates);
    while samples.len() < replicates {
        let end = (samples.len() + block).min(replicates);
        let drawn = (samples.len()..end).into_par_iter().map_init(
            || vec![0_u32; ranking.rows()],
            |counts, replicate| {
                classes.draw(counts, &mut seed.stream(&format!("threshold {replicate}")));
                let cuts = ranking.cuts_of(counts);
                rules.iter().map(|rule| choose_among(rule, &cuts, scale).value).collect::<Vec<f64>>()
            },
        );
        samples.par_extend(drawn);
        if let ControlFlow::Break(stop) = step(samples.len() as f64 / replicates as f64) {
            return Err(stop);
        }
    }
    let of_rule = |(index, rule): (usize, &ThresholdRule)| {
        let values = samples.iter().map(|sample| sample[index]).collect();
        if is_fixed(rule) { None } else { central_interval(values, evaluation.confidence) }
    };
    Ok(rules.iter().enumerate().map(of_rule).collect())
}

fn is_fixed(rule: &ThresholdRule) -> bool {
    matches!(rule, ThresholdRule::Fixed { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [ThresholdRule; 3] =
        [ThresholdRule::MaxMcc, ThresholdRule::Fixed { value: 0.5 }, ThresholdRule::AlertRate { fraction: 0.1 }];

    fn ranking(rows: usize) -> Ranking {
        let labels: Vec<bool> = (0..rows).map(|row| row % 10 == 0).collect();
        let spread = |row: usize| (row as f64 * 0.618_033_988_749).fract();
        let scores: Vec<f64> = (0..rows).map(|row| spread(row) * 0.6 + if row % 10 == 0 { 0.4 } else { 0.0 }).collect();
        Ranking::of_probabilities(&labels, &scores).unwrap()
    }

    fn run(rows: usize, bootstrap: usize, threads: usize) -> Vec<Option<[f64; 2]>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let evaluation = Evaluation { bootstrap, confidence: 0.95, cross_validation: None };
        let ranking = ranking(rows);
        let intervals = || {
            threshold_intervals(&RULES, &ranking, ClassScale::NATURAL, &evaluation, Seed(3), &mut |_| {
                ControlFlow::Continue(())
            })
        };
        pool.install(intervals).unwrap()
    }

    #[test]
    fn intervals_hold_the_choice_and_narrow_with_more_rows() {
        let width = |rows| {
            let ranking = ranking(rows);
            let [low, high] = run(rows, 200, 2)[2].unwrap();
            let value = choose_among(&RULES[2], &ranking.cuts(), ClassScale::NATURAL).value;
            assert!((low..=high).contains(&value), "{low} {value} {high}");
            high - low
        };
        assert!(width(4_000) < width(100));
    }

    #[test]
    fn threads_change_nothing_and_a_fixed_threshold_has_no_interval() {
        assert_eq!(run(200, 60, 1), run(200, 60, 3));
        assert_eq!(run(200, 60, 1)[1], None);
        assert_eq!(run(200, 0, 1), [None, None, None]);
    }

    #[test]
    fn many_rows_are_drawn_less_often() {
        let asked = Evaluation { bootstrap: 1_000, confidence: 0.95, cross_validation: None };
        let of = |rows| affordable(&asked, rows).bootstrap;
        assert_eq!((of(0), of(10_000), of(500_000), of(5_000_000)), (1_000, 1_000, 200, 100));
    }
}
