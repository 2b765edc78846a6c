//! Rows of a matrix brought into another order, or some of them kept, within the memory that they have.
//!
//! A copy of some rows has all of them in memory twice, and the system has to hand out the memory of the copy.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::observe::Stop;

/// What may end the moving of rows.
pub type Halt<'a> = dyn FnMut() -> ControlFlow<Stop> + 'a;

/// Rows moved between two times that it may be ended.
const MOVES_AT_ONCE: usize = 1 << 14;

/// One move of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Row { from: usize, to: usize },
    Aside(usize),
    Back(usize),
}

/// The order in which rows move so that the `place`-th is what row `rows[place]` was, none being overwritten before
/// it has moved.
#[derive(Debug, Clone)]
pub struct Moves<'a> {
    rows: &'a [usize],
    /// Whether each row of before is among the rows.
    stays: Vec<bool>,
}

impl<'a> Moves<'a> {
    /// `rows` are some of `count`, in any order; `None` if one of them is named twice.
    pub fn new(rows: &'a [usize], count: usize) -> Option<Self> {
        let mut stays = vec![false; count];
        for &row in rows {
            if std::mem::replace(&mut stays[row], true) {
                return None;
            }
        }
        Some(Self { rows, stays })
    }

    /// Does the moves on rows of `width` values each and cuts off what is left behind them. `halt` is asked every few
    /// thousandths of a second.
    ///
    /// # Errors
    /// The reason why `halt` ended it; the rows are in no order then.
    pub fn apply<T: Copy>(&self, values: &mut Vec<T>, width: usize, halt: &mut Halt<'_>) -> Result<(), Stop> {
        let mut aside: Vec<T> = Vec::with_capacity(width);
        let place = |row: usize| row * width..(row + 1) * width;
        let mut count = 0_usize;
        self.each(&mut |step| {
            match step {
                Move::Row { from, to } => values.copy_within(place(from), to * width),
                Move::Aside(row) => {
                    aside.clear();
                    aside.extend_from_slice(&values[place(row)]);
                }
                Move::Back(row) => values[place(row)].copy_from_slice(&aside),
            }
            count += 1;
            if count.is_multiple_of(MOVES_AT_ONCE) { halt() } else { ControlFlow::Continue(()) }
        })?;
        values.truncate(self.rows.len() * width);
        values.shrink_to_fit();
        Ok(())
    }

    /// First come the chains that begin at a place whose row is not kept, then the circles, whose first row waits aside.
    fn each(&self, visit: &mut dyn FnMut(Move) -> ControlFlow<Stop>) -> Result<(), Stop> {
        let mut visit = |step: Move| match visit(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(stop) => Err(stop),
        };
        let mut filled = vec![false; self.rows.len()];
        for start in (0..self.rows.len()).filter(|&place| !self.stays[place]) {
            let mut to = start;
            while to < self.rows.len() {
                filled[to] = true;
                visit(Move::Row { from: self.rows[to], to })?;
                to = self.rows[to];
            }
        }
        for start in 0..self.rows.len() {
            if filled[start] || self.rows[start] == start {
                continue;
            }
            visit(Move::Aside(start))?;
            let mut to = start;
            while self.rows[to] != start {
                filled[to] = true;
                visit(Move::Row { from: self.rows[to], to })?;
                to = self.rows[to];
            }
            filled[to] = true;
            visit(Move::Back(to))?;
        }
        Ok(())
    }
}

/// The values of a matrix row by row, in the memory that it has if it lies so.
pub fn into_values(matrix: Array2<f64>) -> Vec<f64> {
    let count = matrix.len();
    let mut values = match matrix.is_standard_layout() {
        true => match matrix.into_raw_vec_and_offset() {
            (values, None | Some(0)) => values,
            (mut values, Some(offset)) => values.split_off(offset),
        },
        false => matrix.iter().copied().collect(),
    };
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::{MOVES_AT_ONCE, Moves, into_values};
    use crate::ml::observe::Stop;
    use ndarray::{Array2, s};
    use proptest::prelude::*;
    use std::ops::ControlFlow;

    #[test]
    fn a_row_that_is_named_twice_cannot_be_moved() {
        assert!(Moves::new(&[2, 0, 2], 3).is_none());
        assert!(Moves::new(&[2, 0], 3).is_some());
    }

    #[test]
    fn the_values_of_any_matrix_come_row_by_row() {
        let matrix = Array2::from_shape_fn((4, 3), |(row, column)| (3 * row + column) as f64);
        let part = matrix.clone().slice_move(s![1..3, ..]);
        assert_eq!(into_values(part), (3..9).map(f64::from).collect::<Vec<_>>());
        assert_eq!(into_values(matrix.reversed_axes()), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(f64::from));
        assert_eq!(into_values(Array2::zeros((5, 0))), [0.0; 0]);
    }

    #[test]
    fn moving_ends_when_it_is_told_to() {
        let rows: Vec<usize> = (0..2 * MOVES_AT_ONCE).rev().collect();
        let mut values = rows.clone();
        let ended =
            Moves::new(&rows, rows.len()).unwrap().apply(&mut values, 1, &mut || ControlFlow::Break(Stop::Shutdown));
        assert_eq!(ended, Err(Stop::Shutdown));
    }

    proptest! {
        #[test]
        fn moved_rows_are_those_that_were_asked_for(
            order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
            kept in 0..=40_usize,
            ascending: bool,
            width in 0..4_usize,
        ) {
            let mut rows = order[..kept].to_vec();
            if ascending {
                rows.sort_unstable();
            }
            let before: Vec<usize> = (0..40 * width).collect();
            let mut after = before.clone();
            Moves::new(&rows, 40).unwrap().apply(&mut after, width, &mut || ControlFlow::Continue(())).unwrap();
            let copied: Vec<usize> = rows.iter().flat_map(|row| before[row * width..(row + 1) * width].to_vec()).collect();
            prop_assert_eq!(after, copied);
        }
    }
}
