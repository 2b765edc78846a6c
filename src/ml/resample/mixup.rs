//! Mixup of the class that lacks rows: weighted means of two of its rows.
//!
//! `x = λ a + (1 − λ) b`, `λ ~ Beta(alpha, alpha)`, a and b drawn: H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz,
//! "mixup: beyond empirical risk minimization", ICLR 2018, within one class, so that labels stay labels. A small alpha
//! gives rows near one of the two. Unlike SMOTE the two need not be near each other: new rows fill the hull of the class,
//! which is right for one cloud and wrong for several.
//!
//! Categories are those of the row with the larger weight.

use super::lines::{Line, Lines, extend};
use super::{Outcome, ResampleError, Task, rows_of};
use crate::ml::sets::TrainSet;

pub(super) fn apply(task: &mut Task<'_>, set: TrainSet, alpha: f64) -> Result<Outcome, ResampleError> {
    let (class, count) = task.rows_to_add(&set)?;
    let members = rows_of(&set.labels, class);
    let groups = set.kinds.categories.len();
    let drawn = task.draw(count, |draws, _| {
        let [from, to] = [(); 2].map(|()| members[draws.below(members.len())]);
        Line { from, to, at: draws.beta(alpha, alpha) }
    })?;
    let takes = drawn.iter().flat_map(|line| std::iter::repeat_n(line.nearer(), groups)).collect();
    let lines = Lines { lines: drawn, takes };
    Ok(Outcome::grown(extend(task, set, class, &lines)?))
}
