//! The latest rows test, those before them validate, the earliest train.
//!
//! Rows of one time are never divided, because what happened at one time often belongs together: a boundary that
//! falls among equal times moves to the nearer end of them.

use super::{Fractions, Part, Parts, SplitError, ranks};
use crate::ml::table::Values;

pub(super) fn split(column: &Values, fractions: Fractions) -> Result<Parts, SplitError> {
    let (rank_of, times) = ranks(column);
    if times < 3 {
        return Err(SplitError::TooFewValues { found: times });
    }
    // starts[rank]: how many rows come before the time of that rank.
    let mut starts = vec![0; times];
    for &rank in &rank_of {
        if rank + 1 < times {
            starts[rank + 1] += 1;
        }
    }
    for rank in 1..times {
        starts[rank] += starts[rank - 1];
    }
    let rows = rank_of.len() as f64;
    let test_start = rows * (1.0 - fractions.test);
    let validation_start = rows * (1.0 - fractions.test - fractions.validation);
    // Each part keeps at least one time.
    let validation = nearest_rank(&starts, validation_start, 1, times - 2);
    let test = nearest_rank(&starts, test_start, validation + 1, times - 1);
    Ok(Parts::by_row(rank_of.len(), |row| match rank_of[row] {
        rank if rank >= test => Part::Test,
        rank if rank >= validation => Part::Validation,
        _ => Part::Train,
    }))
}

/// The rank in `least..=most` whose start is nearest to `wanted`; of two equally near, the later.
fn nearest_rank(starts: &[usize], wanted: f64, least: usize, most: usize) -> usize {
    let after = starts.partition_point(|&start| (start as f64) < wanted).clamp(least, most);
    let before = after.saturating_sub(1).max(least);
    let gap = |rank: usize| (starts[rank] as f64 - wanted).abs();
    if gap(before) < gap(after) { before } else { after }
}
