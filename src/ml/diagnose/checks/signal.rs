//! Whether there is anything to learn.

use super::super::finding::{Evidence, Told};
use super::super::statistics::{auc_error, normal_quantile};
use super::super::{Checked, Code, Run, Survey};
use crate::ml::baseline::{Baseline, BaselineKind};
use crate::ml::labels::ClassCounts;

pub(super) fn of(survey: &Survey, baselines: &[Baseline], test: ClassCounts, model: Option<f64>) -> Vec<Checked> {
    /// The chance that the best of all columns seems to tell something where none does.
    const BY_CHANCE: f64 = 0.01;
    let columns = survey.columns.len().max(1) as f64;
    let limit = normal_quantile(1.0 - BY_CHANCE / 2.0 / columns);
    let best_column = survey.columns.iter().map(|column| column.z).fold(0.0, f64::max);
    let learnt = baselines.iter().filter(|baseline| baseline.name != BaselineKind::Constant);
    let areas: Vec<f64> = learnt.filter_map(|baseline| baseline.roc_auc).chain(model).collect();
    let best_area = areas.iter().copied().fold(0.5, f64::max);
    let error = auc_error(0.5, test.positive as f64, test.negative as f64);
    // Two standard errors for each of a few models that all look at the same rows.
    let is_chance = error.is_finite() && areas.iter().all(|area| (area - 0.5).abs() < 2.0 * error);
    let found = best_column < limit && is_chance;
    vec![Checked::new(Code::NoSignal, best_column, limit).found_if(found, || {
        Told::error(
            "Nothing in the columns is shown to go with the labels: no column by itself, and none of the models."
                .to_owned(),
            Evidence::new()
                .beside("z_of_the_best_column", best_column, limit)
                .beside("best_roc_auc", best_area, 0.5)
                .with("roc_auc_standard_error", error),
            "Check how labels and columns were joined and whether one of them was shuffled; if all is right, other \
             columns or more rows are needed, and no training will help.",
        )
    })]
}

pub(super) fn of_run(run: &Run<'_>) -> Vec<Checked> {
    /// Standard errors below 1/2.
    const ERRORS: f64 = 3.0;
    /// A model that learnt nothing ranks by chance, and may rank the wrong way round.
    const LEARNT: f64 = 0.6;
    let (Some(area), Some(taught)) = (run.test.auc(), run.train.auc()) else { return Vec::new() };
    let error = auc_error(area, run.test.positives(), run.test.rows() - run.test.positives());
    vec![Checked::new(Code::InvertedRanking, area, 0.5).found_if(
        taught > LEARNT && area < 0.5 - ERRORS * error,
        || {
            Told::error(
                "The model ranks negatives above positives: it was taught the opposite of what it is judged by."
                    .to_owned(),
                Evidence::new().beside("roc_auc", area, 0.5).with("roc_auc_standard_error", error).beside(
                    "train_roc_auc",
                    taught,
                    0.5,
                ),
                "Check that labels mean the same in all parts, and which label is the positive one.",
            )
        },
    )]
}
