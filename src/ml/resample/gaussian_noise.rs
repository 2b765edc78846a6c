//! Copies of drawn rows with normal noise on every number.
//!
//! `x + std · σ ∘ z`, `z ~ N(0, I)`, σ the population standard deviation of each column within the class: S. S. Lee,
//! "Noisy replication in skewed binary classification", Computational Statistics & Data Analysis 34(2), 2000. The width is
//! stated and does not shrink with more rows, as that of a smoothed bootstrap does. Categories are copied.

use super::{Outcome, ResampleError, Task, random_over, rows_of};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, std: f64) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    let widths: Vec<f64> = random_over::spreads(&set.features, &rows_of(&set.labels, class))
        .into_iter()
        .map(|spread| std * spread)
        .collect();
    random_over::smooth(task, set, class, count, &widths)
}
