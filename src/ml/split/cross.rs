//! Folds of cross-validation, and the validation rows within each, by the strategy of the split: rows that belong
//! together stay together, and the past never learns from the future.

use rand::seq::SliceRandom;

use super::{SplitError, complete, group, stratified_folds, time};
use crate::ml::config::Split;
use crate::ml::seed::Seed;
use crate::ml::table::Values;

/// Rows to learn from and rows to score, both ascending; none is in both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    pub kept: Vec<usize>,
    pub held_out: Vec<usize>,
}

impl Fold {
    fn new(rows: &[usize], role: impl Fn(usize) -> Option<bool>) -> Self {
        let mut fold = Fold::default();
        for (place, &row) in rows.iter().enumerate() {
            match role(place) {
                Some(true) => fold.held_out.push(row),
                Some(false) => fold.kept.push(row),
                None => {}
            }
        }
        fold
    }
}

/// Divides some rows, given ascending, into folds. Each is scored once by what is learnt from the others; by time
/// (forward chaining), the rows are cut into one block more, each block but the first is scored by what is learnt from
/// those before it, and the first is never scored.
///
/// `labels` and `column` are those of all rows, as in [`split`](super::split).
///
/// # Errors
/// If the column is absent, incomplete or has too few values, or the strategy has no folds.
pub fn folds(
    split: &Split,
    labels: &[bool],
    column: Option<&Values>,
    rows: &[usize],
    folds: usize,
    seed: Seed,
) -> Result<Vec<Fold>, SplitError> {
    let of_rows: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
    let fold_of = match split {
        Split::Stratified { .. } => stratified_folds(&of_rows, folds, seed),
        Split::Group { .. } => {
            let column = complete(column, labels)?.select(rows);
            group::divide(&of_rows, &column, &vec![1.0 / folds as f64; folds], &mut seed.stream("group folds"))?
        }
        Split::Time { .. } => {
            let block_of = time::blocks(&complete(column, labels)?.select(rows), folds + 1)?;
            let role = |fold: usize| {
                let block_of = &block_of;
                move |place: usize| (block_of[place] <= fold + 1).then(|| block_of[place] == fold + 1)
            };
            return Ok((0..folds).map(|fold| Fold::new(rows, role(fold))).collect());
        }
        Split::Column { .. } => return Err(SplitError::NoFolds),
    };
    Ok((0..folds).map(|fold| Fold::new(rows, |place| Some(fold_of[place] == fold))).collect())
}

/// Holds out about this share of some rows, given ascending: drawn by class, whole groups, or the latest. A class with a
/// single row keeps it.
///
/// # Errors
/// As [`folds`].
pub fn hold_out(
    split: &Split,
    labels: &[bool],
    column: Option<&Values>,
    rows: &[usize],
    share: f64,
    seed: Seed,
) -> Result<Fold, SplitError> {
    let of_rows: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
    let held_out: Vec<bool> = match split {
        Split::Stratified { .. } => drawn_by_class(&of_rows, share, seed),
        Split::Group { .. } => {
            let column = complete(column, labels)?.select(rows);
            let part_of = group::divide(&of_rows, &column, &[1.0 - share, share], &mut seed.stream("group hold out"))?;
            part_of.into_iter().map(|part| part == 1).collect()
        }
        Split::Time { .. } => time::latest(&complete(column, labels)?.select(rows), share)?,
        Split::Column { .. } => return Err(SplitError::NoFolds),
    };
    Ok(Fold::new(rows, |place| Some(held_out[place])))
}

fn drawn_by_class(labels: &[bool], share: f64, seed: Seed) -> Vec<bool> {
    let mut chance = seed.stream("hold out");
    let mut held_out = vec![false; labels.len()];
    for class in [true, false] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rows.shuffle(&mut chance);
        let wanted = ((rows.len() as f64 * share).round() as usize).max(1).min(rows.len().saturating_sub(1));
        for row in rows.into_iter().take(wanted) {
            held_out[row] = true;
        }
    }
    held_out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: usize) -> Vec<bool> {
        (0..rows).map(|row| row % 7 == 0).collect()
    }

    fn strategy(name: &str) -> Split {
        let (column, test_fraction, validation_fraction) = ("c".to_owned(), 0.2, 0.2);
        match name {
            "group" => Split::Group { column, test_fraction, validation_fraction },
            "time" => Split::Time { column, test_fraction, validation_fraction },
            _ => Split::Stratified { test_fraction, validation_fraction },
        }
    }

    #[test]
    fn every_row_is_held_out_once_and_groups_are_whole() {
        let labels = labels(210);
        let column = Values::Numeric((0..210).map(|row| f64::from(row % 30)).collect());
        let rows: Vec<usize> = (0..210).filter(|row| row % 5 != 0).collect();
        for name in ["stratified", "group"] {
            let found = folds(&strategy(name), &labels, Some(&column), &rows, 4, Seed(3)).unwrap();
            let mut scored: Vec<usize> = found.iter().flat_map(|fold| fold.held_out.clone()).collect();
            scored.sort_unstable();
            assert_eq!(scored, rows, "{name}");
            for fold in &found {
                assert_eq!(fold.kept.len() + fold.held_out.len(), rows.len());
                assert!(fold.held_out.iter().any(|&row| labels[row]) && fold.held_out.len() > 30, "{name}");
                if name == "group" {
                    assert!(fold.held_out.iter().all(|row| fold.kept.iter().all(|kept| kept % 30 != row % 30)));
                }
            }
            assert_ne!(found, folds(&strategy(name), &labels, Some(&column), &rows, 4, Seed(4)).unwrap());
        }
    }

    #[test]
    fn the_past_never_learns_from_the_future() {
        let labels = labels(120);
        // Twice the same time, in no order.
        let times: Vec<f64> = (0..120).map(|row| f64::from(row * 37 % 120 / 2)).collect();
        let column = Values::Numeric(times.clone());
        let rows: Vec<usize> = (0..120).collect();
        let found = folds(&strategy("time"), &labels, Some(&column), &rows, 3, Seed(3)).unwrap();
        let latest = |rows: &[usize]| rows.iter().map(|&row| times[row]).fold(f64::NEG_INFINITY, f64::max);
        let earliest = |rows: &[usize]| rows.iter().map(|&row| times[row]).fold(f64::INFINITY, f64::min);
        for (index, fold) in found.iter().enumerate() {
            assert_eq!((fold.kept.len(), fold.held_out.len()), (30 * (index + 1), 30));
            assert!(latest(&fold.kept) < earliest(&fold.held_out));
            let inner = hold_out(&strategy("time"), &labels, Some(&column), &fold.kept, 0.25, Seed(1)).unwrap();
            assert!(latest(&inner.kept) < earliest(&inner.held_out));
        }
        let few = Values::Numeric(vec![1.0; 120]);
        let error = folds(&strategy("time"), &labels, Some(&few), &rows, 3, Seed(3)).unwrap_err();
        assert_eq!(error, SplitError::TooFewForFolds { found: 1, needed: 5 });
    }

    #[test]
    fn a_class_with_one_row_learns_from_it() {
        let labels = [true, false, false, false, false, false];
        let rows: Vec<usize> = (0..6).collect();
        let inner = hold_out(&strategy("stratified"), &labels, None, &rows, 0.5, Seed(1)).unwrap();
        assert!(inner.kept.contains(&0) && inner.held_out.len() == 3, "{inner:?}");
    }
}
