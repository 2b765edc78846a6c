//! The order in which rows lie in an index: near rows together, block by block.
//!
//! A k-d tree over the leading axes, all of whose leaves are full blocks: J. L. Bentley, "Multidimensional binary
//! search trees used for associative searching", CACM 18(9), 1975. Nodes are numbered in pre-order, so that the
//! children of node i over blocks `first..end` are i + 1 and i + twice the number of blocks of the first.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::Rows;
use super::space::Space;
use super::{Halt, ask};
use crate::ml::kernel::AXES;
use crate::ml::observe::Stop;

/// Rows placed between two times that the build may be ended.
const ROWS_AT_ONCE: usize = 1 << 16;
/// Rows of a node whose values decide along which axis it is divided.
const JUDGED: usize = 128;

/// Where a node is divided: below the value to the first child.
#[derive(Clone, Copy, Default)]
struct Split {
    axis: usize,
    value: f64,
}

pub(super) struct Tree {
    splits: Vec<Split>,
    blocks: usize,
}

/// One node while the tree grows: its number, its blocks and its rows.
struct Node<'o> {
    number: usize,
    blocks: Range<usize>,
    rows: &'o mut [u32],
}

impl Tree {
    /// All rows in their own order, for an index without axes.
    pub(super) fn flat() -> Self {
        Self { splits: Vec::new(), blocks: 1 }
    }

    /// Brings `order`, the places of all rows, into the tree's order, level by level.
    pub(super) fn grow(
        rows: &Rows<'_>,
        space: &Space,
        block_rows: usize,
        order: &mut [u32],
        halt: &mut Halt<'_>,
    ) -> Result<Self, Stop> {
        let keys = keys(rows, space, halt)?;
        let blocks = order.len().div_ceil(block_rows).max(1);
        let mut splits = vec![Split::default(); 2 * blocks - 1];
        let mut level = vec![Node { number: 0, blocks: 0..blocks, rows: order }];
        while !level.is_empty() {
            ask(halt)?;
            let divided: Vec<_> = level.into_par_iter().filter_map(|node| node.divide(&keys, block_rows)).collect();
            level = Vec::with_capacity(2 * divided.len());
            for (number, split, children) in divided {
                splits[number] = split;
                level.extend(children);
            }
        }
        Ok(Self { splits, blocks })
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The block in which a row at this place along the axes would lie.
    pub(super) fn home(&self, along: &[f64; AXES]) -> usize {
        let (mut number, mut blocks) = (0, 0..self.blocks);
        while blocks.len() > 1 {
            let middle = middle(&blocks);
            let split = self.splits[number];
            if along[split.axis] < split.value {
                (number, blocks) = (number + 1, blocks.start..middle);
            } else {
                (number, blocks) = (number + 2 * (middle - blocks.start), middle..blocks.end);
            }
        }
        blocks.start
    }
}

impl<'o> Node<'o> {
    /// Its number, its split and its children; nothing for a leaf.
    fn divide(self, keys: &[[f32; AXES]], block_rows: usize) -> Option<(usize, Split, [Node<'o>; 2])> {
        let Node { number, blocks, rows } = self;
        if blocks.len() < 2 {
            return None;
        }
        let middle = middle(&blocks);
        let at = (middle - blocks.start) * block_rows;
        let axis = widest(rows, keys);
        // Sorting numbers, rather than rows by their values, never waits for memory.
        let mut sortable: Vec<u64> =
            rows.iter().map(|&row| u64::from(ordered(keys[row as usize][axis])) << 32 | u64::from(row)).collect();
        sortable.select_nth_unstable(at);
        rows.iter_mut().zip(&sortable).for_each(|(row, key)| *row = *key as u32);
        let value = f64::from(keys[rows[at] as usize][axis]);
        let (first, second) = rows.split_at_mut(at);
        let children = [
            Node { number: number + 1, blocks: blocks.start..middle, rows: first },
            Node { number: number + 2 * (middle - blocks.start), blocks: middle..blocks.end, rows: second },
        ];
        Some((number, Split { axis, value }, children))
    }
}

fn middle(blocks: &Range<usize>) -> usize {
    blocks.start + blocks.len() / 2
}

/// Where each row lies along the axes, rounded: it only decides which rows lie together.
fn keys(rows: &Rows<'_>, space: &Space, halt: &mut Halt<'_>) -> Result<Vec<[f32; AXES]>, Stop> {
    let mut keys = vec![[0.0_f32; AXES]; rows.count()];
    for (part, keys) in keys.chunks_mut(ROWS_AT_ONCE).enumerate() {
        ask(halt)?;
        let placed = || vec![0.0; rows.stride()];
        keys.par_iter_mut().enumerate().with_min_len(256).for_each_init(placed, |placed, (place, key)| {
            space.place(rows.features(part * ROWS_AT_ONCE + place), placed);
            *key = space.along(placed).map(|value| value as f32);
        });
    }
    Ok(keys)
}

/// The axis along which the rows vary most, judged by some of them.
fn widest(rows: &[u32], keys: &[[f32; AXES]]) -> usize {
    let count = rows.len().min(JUDGED);
    let judged = || (0..count).map(|place| &keys[rows[place * rows.len() / count] as usize]);
    let variance = |axis: usize| {
        let mean = judged().map(|key| f64::from(key[axis])).sum::<f64>() / count as f64;
        judged().map(|key| (f64::from(key[axis]) - mean).powi(2)).sum::<f64>()
    };
    let variances: [f64; AXES] = std::array::from_fn(variance);
    (0..AXES).max_by(|&a, &b| variances[a].total_cmp(&variances[b])).unwrap_or(0)
}

/// A number whose order is that of the values.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn the_order_of_numbers_is_that_of_values() {
        let values = [f32::NEG_INFINITY, -2.5, -1e-40, -0.0, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(values.map(ordered).is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn rows_are_where_the_tree_looks_for_them() {
        let features = Array2::from_shape_fn((1_000, 3), |(row, column)| ((row * (7 + column)) % 997) as f64);
        let rows = Rows::all(features.view());
        let space = Space::new(&rows, true);
        let mut order: Vec<u32> = (0..1_000).collect();
        let tree = Tree::grow(&rows, &space, 64, &mut order, &mut || std::ops::ControlFlow::Continue(())).unwrap();
        let mut placed = vec![0.0; rows.stride()];
        for (place, &row) in order.iter().enumerate() {
            space.place(features.row(row as usize), &mut placed);
            assert_eq!(tree.home(&space.along(&placed).map(|value| f64::from(value as f32))), place / 64);
        }
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1_000));
    }
}
