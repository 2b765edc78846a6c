//! Answers queries group by group: the rows of a block against the queries of a group in one matrix product, and
//! exact distances for the few pairs whose score passes.
//!
//! A query first visits the block in which it would lie itself, which brings its limit down; then, with its group,
//! every block whose box is not beyond the limit, the nearest first.

use std::ops::Range;

use ndarray::ArrayView1;

use super::Reach;
use super::best::Best;
use super::bound::{Beside, Bound, MOST_F32};
use super::index::{Block, Index};
use super::rows::Queries;
use crate::ml::kernel::{
    Buffer, Extent, Extents, Left, Start, largest_in_lanes, matmul, recentre, rows_that_pass, scores_that_pass,
};

/// Queries in one matrix product: a multiple of its tile, and few enough for the scores to stay in the cache.
const AT_ONCE: usize = 24;
/// What an exact distance and a gap cost, in multiply-adds of the matrix product.
const COST_OF_EXACT: usize = 64;
const COST_OF_GAP: usize = 256;

/// What is asked of every query.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) reach: Reach,
    pub(super) width: usize,
    /// Per query, what only what comes before may be found.
    pub(super) ceilings: Option<&'a [(f64, usize)]>,
    /// Any `width` rows below the ceiling do; they need not be the nearest.
    pub(super) any: bool,
    /// Only the block in which the query lies is searched.
    pub(super) home_only: bool,
}

/// A query, its block and what has been found.
pub(super) struct Member {
    pub(super) query: usize,
    pub(super) home: usize,
    pub(super) best: Best,
    exclude: Option<usize>,
    norm: f64,
    slack: f64,
    /// The limit of what is still asked for, in placed coordinates, and as a squared gap.
    distance: f64,
    gap_limit: f64,
}

/// What one thread uses again for each group.
pub(super) struct Scratch {
    /// Per member its features as they are, and placed.
    points: Vec<f64>,
    placed: Vec<f64>,
    /// Where each member lies along the axes, and where all do.
    extents: Extents,
    all: Extent,
    gaps: Vec<f64>,
    moved: Buffer,
    start: Buffer,
    scores: Buffer,
    active: Vec<Active>,
    candidates: Vec<(f32, usize)>,
    tour: Vec<(f64, f64, usize)>,
}

/// A member that scores the rows of a block.
#[derive(Clone, Copy)]
struct Active {
    member: usize,
    beside: Beside,
}

impl Scratch {
    /// For groups of at most this size.
    pub(super) fn new(index: &Index<'_>, group: usize) -> Self {
        let (columns, stride) = (index.rows.columns(), index.rows.stride());
        Self {
            points: vec![0.0; group * columns],
            placed: vec![0.0; group * stride],
            extents: Extents::new(group),
            all: Extent::NOTHING,
            gaps: vec![0.0; group.max(2 * index.blocks())],
            moved: Buffer::zeros(group * stride),
            start: Buffer::zeros(index.block_rows),
            scores: Buffer::zeros(AT_ONCE * index.block_rows),
            active: Vec::with_capacity(group),
            candidates: Vec::new(),
            tour: Vec::new(),
        }
    }
}

/// A group being answered.
pub(super) struct Group<'g, 'a> {
    index: &'g Index<'a>,
    bound: &'g Bound,
    ask: &'g Ask<'g>,
    members: Vec<Member>,
    scratch: &'g mut Scratch,
    work: usize,
}

fn copy_row(row: ArrayView1<'_, f64>, copy: &mut [f64]) {
    match row.as_slice() {
        Some(row) => copy.copy_from_slice(row),
        None => copy.iter_mut().zip(row).for_each(|(to, value)| *to = *value),
    }
}

impl<'g, 'a> Group<'g, 'a> {
    /// `queries` are as many as the scratch is for, or fewer, each with the block in which it lies, neighbours in the list.
    pub(super) fn new(
        index: &'g Index<'a>,
        bound: &'g Bound,
        ask: &'g Ask<'g>,
        all: Queries<'_>,
        queries: &[(u32, u32)],
        scratch: &'g mut Scratch,
    ) -> Self {
        let (columns, stride) = (index.rows.columns(), index.rows.stride());
        let mut members = Vec::with_capacity(queries.len());
        scratch.all = Extent::NOTHING;
        // Rows lie all over the memory. Fetched one right after another, several are on their way at a time; with the
        // rest of the work in between, each would be waited for.
        for (&(_, query), copy) in queries.iter().zip(scratch.points.chunks_exact_mut(columns.max(1))) {
            copy_row(all.point(query as usize), copy);
        }
        for (place, &(home, query)) in queries.iter().enumerate() {
            let query = query as usize;
            let point = &scratch.points[place * columns..(place + 1) * columns];
            let placed = &mut scratch.placed[place * stride..(place + 1) * stride];
            let norm = index.space.place(ArrayView1::from(point), placed);
            let along = index.space.along(placed);
            let mut extent = Extent::NOTHING;
            extent.include(&along);
            scratch.extents.set(place, &extent);
            scratch.all.include(&along);
            let best = Best::new(ask.width, ask.ceilings.map(|ceilings| ceilings[query]));
            let distance = bound.distance(best.limit());
            members.push(Member {
                query,
                home: home as usize,
                best,
                exclude: all.exclude(query),
                norm,
                slack: bound.slack(norm),
                distance,
                gap_limit: bound.gap_limit(distance, norm),
            });
        }
        Self { index, bound, ask, members, scratch, work: 0 }
    }

    /// The answers, and how much work they were in multiply-adds of a matrix product.
    pub(super) fn answer(mut self) -> (Vec<Member>, usize) {
        // For the farthest, the block of a query is the worst to begin with.
        let homes = self.ask.reach == Reach::Nearest;
        if homes {
            self.visit_homes();
        }
        if !self.ask.home_only {
            self.tour(homes);
        }
        (self.members, self.work)
    }

    fn visit_homes(&mut self) {
        let mut start = 0;
        while start < self.members.len() {
            let home = self.members[start].home;
            let end = start + self.members[start..].iter().take_while(|member| member.home == home).count();
            self.visit(home, start..end, false);
            start = end;
        }
    }

    /// Visits all blocks that may hold an answer.
    fn tour(&mut self, homes_are_done: bool) {
        let all = self.scratch.all;
        let mut middle = Extent::NOTHING;
        middle.include(&std::array::from_fn(|axis| 0.5 * all.lower[axis] + 0.5 * all.upper[axis]));
        let blocks = self.index.blocks();
        let (of_all, of_middle) = self.scratch.gaps.split_at_mut(blocks);
        self.index.extents.gaps(&all, 0, of_all);
        self.index.extents.gaps(&middle, 0, &mut of_middle[..blocks]);
        let most = self.gap_limit();
        let mut tour = std::mem::take(&mut self.scratch.tour);
        tour.clear();
        let (of_all, of_middle) = self.scratch.gaps.split_at(blocks);
        let both = of_all.iter().zip(of_middle).enumerate().map(|(block, (&gap, &middle))| (gap, middle, block));
        tour.extend(both.filter(|&(gap, ..)| gap <= most));
        tour.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        if self.ask.reach == Reach::Farthest {
            tour.reverse();
        }
        self.work += 2 * blocks * COST_OF_GAP;
        for &(gap, _, block) in &tour {
            if gap <= self.gap_limit() {
                self.visit(block, 0..self.members.len(), homes_are_done);
            }
        }
        self.scratch.tour = tour;
    }

    fn gap_limit(&self) -> f64 {
        self.members.iter().map(|member| member.gap_limit).fold(-1.0, f64::max)
    }

    /// Offers the rows of a block to the given members, if need be but to those whose home it is.
    fn visit(&mut self, number: usize, members: Range<usize>, homes_are_done: bool) {
        let block = self.index.block(number);
        self.enlist(number, &block, members, homes_are_done);
        if self.scratch.active.is_empty() {
            return;
        }
        let (columns, stride, width) = (self.index.rows.columns(), self.index.rows.stride(), self.index.block_rows);
        let sign = if self.ask.reach == Reach::Nearest { -1.0 } else { 1.0 };
        let start = &mut self.scratch.start;
        start.iter_mut().zip(block.halves).for_each(|(to, half)| *to = sign * half);
        // The rows that the last block does not have are never found.
        start[block.order.len()..].fill(f32::NEG_INFINITY);
        let active = std::mem::take(&mut self.scratch.active);
        for (part, active) in active.chunks(AT_ONCE).enumerate() {
            let Scratch { moved, start, scores, .. } = &mut *self.scratch;
            let left = Left { values: &moved[part * AT_ONCE * stride..], row_step: stride, depth_step: 1 };
            let sizes = [active.len(), columns, width];
            matmul(sizes, left, block.panel, width, Start::Row(start), scores, width);
            self.work += active.len() * columns * width;
            self.sift(&block, active);
        }
        self.scratch.active = active;
    }

    /// Finds the members that may find something in the block, and moves them to its centre.
    fn enlist(&mut self, number: usize, block: &Block<'_>, members: Range<usize>, homes_are_done: bool) {
        let nearest = self.ask.reach == Reach::Nearest;
        let Scratch { extents, gaps: squared, placed, moved, active, .. } = &mut *self.scratch;
        let (first, stride) = (members.start, self.index.rows.stride());
        if self.index.has_axes() {
            extents.gaps(&self.index.extents.get(number), first, &mut squared[..members.len()]);
            self.work += members.len() * COST_OF_GAP;
        } else {
            squared[..members.len()].fill(0.0);
        }
        active.clear();
        for place in members {
            let member = &self.members[place];
            let too_far = squared[place - first] > member.gap_limit;
            let too_late = nearest && block.first >= member.best.row_limit();
            if too_far || too_late || (homes_are_done && member.home == number) {
                continue;
            }
            let to = &mut moved[active.len() * stride..(active.len() + 1) * stride];
            let mut squared_norm = recentre(&placed[place * stride..(place + 1) * stride], block.centre, to);
            if squared_norm.is_nan() || squared_norm >= MOST_F32 * MOST_F32 {
                squared_norm = f64::INFINITY;
                to.fill(0.0);
            }
            let norm = squared_norm.sqrt();
            let beside = Beside { squared_norm, norm, radius: block.radius, slack: member.slack };
            if !nearest {
                if !self.bound.ball_reaches(member.distance, beside) {
                    continue;
                }
                to.iter_mut().for_each(|value| *value = -*value);
            }
            active.push(Active { member: place, beside });
        }
    }

    /// Measures the rows whose scores pass.
    fn sift(&mut self, block: &Block<'_>, active: &[Active]) {
        let width = self.index.block_rows;
        let mut bars = [f32::INFINITY; AT_ONCE];
        let mut pass = [false; AT_ONCE];
        for (bar, active) in bars.iter_mut().zip(active) {
            *bar = self.bound.bar(self.members[active.member].distance, active.beside);
        }
        rows_that_pass(&self.scratch.scores, width, &bars[..active.len()], &mut pass);
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        for (row, active) in active.iter().enumerate().filter(|&(row, _)| pass[row]) {
            let scores = &self.scratch.scores[row * width..(row + 1) * width];
            let bar = bars[row];
            let high = if bar == f32::NEG_INFINITY { self.high_bar(scores) } else { bar };
            candidates.clear();
            scores_that_pass(scores, high, &mut candidates);
            let bar = self.measure(block, active, bar, &candidates);
            if bar < high {
                let scores = &self.scratch.scores[row * width..(row + 1) * width];
                candidates.clear();
                scores_that_pass(scores, bar, &mut candidates);
                candidates.retain(|&(score, _)| score < high);
                self.measure(block, active, bar, &candidates);
            }
        }
        self.scratch.candidates = candidates;
    }

    /// A bar that enough scores pass to fill the list, but not many more: the largest of different lanes are different
    /// scores.
    fn high_bar(&self, scores: &[f32]) -> f32 {
        let mut most = largest_in_lanes(scores);
        most.sort_unstable_by(|a, b| b.total_cmp(a));
        // One more than are asked for: the query itself may be among them.
        most.get(self.ask.width).copied().unwrap_or(f32::NEG_INFINITY)
    }

    /// Offers the candidates to the member; gives the bar after that.
    fn measure(&mut self, block: &Block<'_>, active: &Active, bar: f32, candidates: &[(f32, usize)]) -> f32 {
        const TOGETHER: usize = 4;
        let member = &mut self.members[active.member];
        let columns = self.index.rows.columns();
        let point = &self.scratch.points[active.member * columns..(active.member + 1) * columns];
        let nearest = self.ask.reach == Reach::Nearest;
        let mut bar = bar;
        let mut candidates = candidates.iter();
        let mut rows = [0; TOGETHER];
        loop {
            let row_limit = if nearest { member.best.row_limit() } else { usize::MAX };
            let mut count = 0;
            for &(score, place) in candidates.by_ref() {
                // The last block has scores without rows.
                let Some(&place) = block.order.get(place) else { continue };
                let row = self.index.rows.row(place as usize);
                if score >= bar && row < row_limit && member.exclude != Some(row) {
                    rows[count] = row;
                    count += 1;
                    if count == TOGETHER {
                        break;
                    }
                }
            }
            if count == 0 {
                break;
            }
            let first = rows[0];
            rows[count..].fill(first);
            self.work += count * COST_OF_EXACT * (columns + 16);
            let squared = self.index.rows.squared_distances(rows, point);
            for (&row, squared) in rows[..count].iter().zip(squared) {
                member.best.offer(if nearest { squared } else { -squared }, row);
            }
            if self.ask.any && member.best.is_full() {
                member.gap_limit = -1.0;
                return f32::INFINITY;
            }
            member.distance = self.bound.distance(member.best.limit());
            bar = self.bound.bar(member.distance, active.beside);
        }
        member.gap_limit = self.bound.gap_limit(member.distance, member.norm);
        bar
    }
}
