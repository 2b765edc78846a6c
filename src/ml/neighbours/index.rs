//! Blocks of rows, ready for a matrix product: each block's rows less its centre, in f32, feature by feature.
//!
//! Memory: 4 bytes per value of the rows, and a box, a centre and a few numbers per block.

use rayon::prelude::*;

use super::bound::MOST_F32;
use super::order::Tree;
use super::rows::Rows;
use super::space::Space;
use super::{Halt, ask};
use crate::ml::kernel::{Buffer, Extent, Extents, recentre, transpose};
use crate::ml::observe::Stop;

/// Blocks filled between two times that the build may be ended.
const BLOCKS_AT_ONCE: usize = 256;

pub(super) struct Index<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) space: Space,
    pub(super) tree: Tree,
    /// Rows of a block, but for the last one's, which may be fewer.
    pub(super) block_rows: usize,
    /// Places among `rows`, block by block.
    order: Vec<u32>,
    pub(super) extents: Extents,
    heads: Vec<Head>,
    centres: Vec<f64>,
    /// Per block, `block_rows` values of each feature.
    panels: Buffer,
    /// Half the squared norm of each row, less its block's centre.
    halves: Buffer,
    /// The largest norm of a placed row.
    pub(super) spread: f64,
}

#[derive(Clone, Copy, Default)]
struct Head {
    /// The largest norm of a row less the centre; infinite if f32 cannot hold the rows.
    radius: f64,
    spread: f64,
    /// The lowest row.
    first: usize,
}

/// What is needed of a block to score its rows.
pub(super) struct Block<'i> {
    pub(super) centre: &'i [f64],
    pub(super) panel: &'i [f32],
    pub(super) halves: &'i [f32],
    pub(super) order: &'i [u32],
    pub(super) radius: f64,
    pub(super) first: usize,
}

impl<'a> Index<'a> {
    /// With axes, rows are brought into an order in which most blocks can be skipped; without, they stay in theirs,
    /// which is quicker for few queries.
    ///
    /// # Errors
    /// The reason why `halt` ended it.
    pub(super) fn new(rows: Rows<'a>, with_axes: bool, halt: &mut Halt<'_>) -> Result<Self, Stop> {
        let columns = rows.columns();
        let block_rows = if columns <= 256 { 256 } else { 64 };
        let space = Space::new(&rows, with_axes);
        // Rows are counted in 32 bits: four billion of them are beyond every limit on data.
        let mut order: Vec<u32> = (0..rows.count() as u32).collect();
        let tree = match with_axes {
            true => Tree::grow(&rows, &space, block_rows, &mut order, halt)?,
            false => Tree::flat(),
        };
        let blocks = order.len().div_ceil(block_rows);
        let mut index = Self {
            rows,
            space,
            tree,
            block_rows,
            order,
            extents: Extents::new(blocks),
            heads: vec![Head::default(); blocks],
            centres: vec![0.0; blocks * rows.stride()],
            panels: Buffer::zeros(blocks * block_rows * depth(&rows)),
            halves: Buffer::zeros(blocks * block_rows),
            spread: 0.0,
        };
        index.fill(halt)?;
        Ok(index)
    }

    pub(super) fn has_axes(&self) -> bool {
        self.space.has_axes()
    }

    pub(super) fn blocks(&self) -> usize {
        self.extents.count()
    }

    pub(super) fn block(&self, block: usize) -> Block<'_> {
        let (rows, depth, stride) = (self.block_rows, depth(&self.rows), self.rows.stride());
        let end = self.order.len().min((block + 1) * rows);
        Block {
            centre: &self.centres[block * stride..(block + 1) * stride],
            panel: &self.panels[block * rows * depth..(block + 1) * rows * depth],
            halves: &self.halves[block * rows..(block + 1) * rows],
            order: &self.order[block * rows..end],
            radius: self.heads[block].radius,
            first: self.heads[block].first,
        }
    }

    fn fill(&mut self, halt: &mut Halt<'_>) -> Result<(), Stop> {
        let (rows, space) = (&self.rows, &self.space);
        let panels = self.panels.chunks_exact_mut(self.block_rows * depth(rows));
        let halves = self.halves.chunks_exact_mut(self.block_rows);
        let centres = self.centres.chunks_exact_mut(rows.stride());
        let parts = self.order.chunks(self.block_rows).zip(panels).zip(halves).zip(centres).zip(&mut self.heads);
        let mut open: Vec<Open<'_>> = parts
            .map(|((((places, panel), halves), centre), head)| Open {
                places,
                panel,
                halves,
                centre,
                extent: Extent::NOTHING,
                head,
            })
            .collect();
        for part in open.chunks_mut(BLOCKS_AT_ONCE) {
            ask(halt)?;
            part.par_iter_mut().for_each_init(Vec::new, |placed, block| block.fill(rows, space, placed));
        }
        for (number, block) in open.iter().enumerate() {
            self.extents.set(number, &block.extent);
        }
        self.spread = self.heads.iter().map(|head| head.spread).fold(0.0, f64::max);
        Ok(())
    }
}

/// Values of a row in a panel: at least one, so that a panel is never empty.
fn depth(rows: &Rows<'_>) -> usize {
    rows.columns().max(1)
}

/// A block that is being filled.
struct Open<'i> {
    places: &'i [u32],
    panel: &'i mut [f32],
    halves: &'i mut [f32],
    centre: &'i mut [f64],
    extent: Extent,
    head: &'i mut Head,
}

impl Open<'_> {
    fn fill(&mut self, rows: &Rows<'_>, space: &Space, placed: &mut Vec<f64>) {
        let wide = self.centre.len();
        placed.resize(self.places.len() * wide, 0.0);
        self.head.first = self.places.iter().map(|&row| rows.row(row as usize)).min().unwrap_or(usize::MAX);
        for (place, &row) in self.places.iter().enumerate() {
            let placed = &mut placed[place * wide..(place + 1) * wide];
            let norm = space.place(rows.features(row as usize), placed);
            self.head.spread = if norm.is_finite() { self.head.spread.max(norm) } else { f64::INFINITY };
            self.extent.include(&space.along(placed));
        }
        self.settle(placed);
    }

    /// The centre, the rows less it, and their norms.
    fn settle(&mut self, placed: &[f64]) {
        let (wide, stride) = (self.centre.len(), self.halves.len());
        let share = 1.0 / self.places.len() as f64;
        for row in placed.chunks_exact(wide) {
            self.centre.iter_mut().zip(row).for_each(|(mean, value)| *mean += value * share);
        }
        let mut moved = vec![0.0; placed.len()];
        let rows = placed.chunks_exact(wide).zip(moved.chunks_exact_mut(wide));
        let squares: Vec<f64> = rows.map(|(row, to)| recentre(row, self.centre, to)).collect();
        self.head.radius = squares.iter().copied().fold(0.0, f64::max).sqrt() * (1.0 + 1e-12);
        if squares.iter().any(|square| square.is_nan()) || self.head.radius >= MOST_F32 {
            self.head.radius = f64::INFINITY;
            self.centre.fill(0.0);
            return;
        }
        transpose([self.places.len(), self.panel.len() / stride], &moved, wide, self.panel, stride);
        for (half, square) in self.halves.iter_mut().zip(squares) {
            *half = (0.5 * square) as f32;
        }
    }
}
