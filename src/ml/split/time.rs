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
    let starts = starts(&rank_of, times);
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

/// The block of each row, in `0..blocks`: the earliest rows first, about equally many in each, no time divided. The first
/// block has two times at least, so that it can be divided again.
pub(super) fn blocks(column: &Values, blocks: usize) -> Result<Vec<usize>, SplitError> {
    let (rank_of, times) = ranks(column);
    if times < blocks + 1 {
        return Err(SplitError::TooFewForFolds { found: times, needed: blocks + 1 });
    }
    let starts = starts(&rank_of, times);
    let rows = rank_of.len() as f64;
    let mut bounds: Vec<usize> = Vec::with_capacity(blocks);
    for block in 1..blocks {
        let least = bounds.last().map_or(2, |before| before + 1);
        let wanted = rows * block as f64 / blocks as f64;
        bounds.push(nearest_rank(&starts, wanted, least, times - (blocks - block)));
    }
    Ok(rank_of.iter().map(|&rank| bounds.partition_point(|&bound| bound <= rank)).collect())
}

/// Whether each row is among the latest, which are about this share of all; no time is divided.
pub(super) fn latest(column: &Values, share: f64) -> Result<Vec<bool>, SplitError> {
    let (rank_of, times) = ranks(column);
    if times < 2 {
        return Err(SplitError::TooFewForFolds { found: times, needed: 2 });
    }
    let start = nearest_rank(&starts(&rank_of, times), rank_of.len() as f64 * (1.0 - share), 1, times - 1);
    Ok(rank_of.iter().map(|&rank| rank >= start).collect())
}

/// For each of the times, how many rows come before it.
fn starts(rank_of: &[usize], times: usize) -> Vec<usize> {
    let mut starts = vec![0; times];
    for &rank in rank_of {
        if rank + 1 < times {
            starts[rank + 1] += 1;
        }
    }
    for rank in 1..times {
        starts[rank] += starts[rank - 1];
    }
    starts
}

/// The rank in `least..=most` whose start is nearest to `wanted`; of two equally near, the later.
fn nearest_rank(starts: &[usize], wanted: f64, least: usize, most: usize) -> usize {
    let after = starts.partition_point(|&start| (start as f64) < wanted).clamp(least, most);
    let before = after.saturating_sub(1).max(least);
    let gap = |rank: usize| (starts[rank] as f64 - wanted).abs();
    if gap(before) < gap(after) { before } else { after }
}
