//! New rows below a matrix, written once.
//!
//! Memory that is filled with zeros first and with values afterwards goes to the processor and back twice; where new rows are
//! all that a method makes, that takes as long as making them.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Rows that one thread makes at a time, at least.
const ROWS_AT_ONCE: usize = 128;

/// Appends `count` rows of `columns` values each, on all threads. `fill` is given the index of a new row among the new
/// ones, all values that were there before, and a row of zeros to write the new one into.
///
/// The vector grows by exactly as much as it needs, if it has to. If `fill` panics, it is as long as before.
pub fn append_rows(
    values: &mut Vec<f64>,
    columns: usize,
    count: usize,
    fill: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) {
    let (known, added) = (values.len(), columns * count);
    if added == 0 {
        return;
    }
    values.reserve_exact(added);
    let start = values.as_mut_ptr();
    // SAFETY: the first slice is what the vector has; the second lies behind it, within the capacity that was reserved, and
    // may hold anything. They do not overlap, and the vector is not touched while they are there.
    let (before, rows) = unsafe {
        let rows = start.add(known).cast::<MaybeUninit<f64>>();
        (std::slice::from_raw_parts(start, known), std::slice::from_raw_parts_mut(rows, added))
    };
    rows.par_chunks_exact_mut(columns).enumerate().with_min_len(ROWS_AT_ONCE).for_each_init(
        || vec![0.0; columns],
        |row, (index, out)| {
            row.fill(0.0);
            fill(index, before, row);
            out.iter_mut().zip(row.iter()).for_each(|(out, &value)| *out = MaybeUninit::new(value));
        },
    );
    // SAFETY: the capacity was reserved, and every one of the new values has been written above: the rows are all of them.
    unsafe { values.set_len(known + added) };
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::append_rows;

    #[test]
    fn rows_follow_those_that_were_there() {
        for (known, columns, count) in [(0, 1, 1), (0, 3, 0), (7, 0, 5), (6, 3, 1), (6, 3, 1_000), (500, 5, 100)] {
            let mut values: Vec<f64> = (0..known).map(f64::from).collect();
            append_rows(&mut values, columns, count, |index, before, out| {
                assert_eq!(before.len(), known as usize);
                assert!(out.iter().all(|value| *value == 0.0), "a row is empty at first");
                // The last value of a row stays as it is.
                let all = out.len() - 1;
                out[..all].iter_mut().enumerate().for_each(|(column, out)| *out = (index * columns + column) as f64);
            });
            let expected = |place: usize| if place % columns == columns - 1 { 0.0 } else { place as f64 };
            let new: Vec<f64> = (0..columns * count).map(expected).collect();
            assert_eq!(values[..known as usize], (0..known).map(f64::from).collect::<Vec<_>>());
            assert_eq!(values[known as usize..], new);
        }
    }

    #[test]
    fn a_panic_leaves_the_rows_that_were_there() {
        let mut values = vec![1.0, 2.0];
        let fail = |_: usize, _: &[f64], _: &mut [f64]| panic!("no row");
        let failed = catch_unwind(AssertUnwindSafe(|| append_rows(&mut values, 2, 3, fail)));
        assert!(failed.is_err());
        assert_eq!(values, [1.0, 2.0]);
    }
}
