//! What a method is given besides its rows and parameters: chance, counts, and somebody to report to.

use std::ops::{ControlFlow, Range};

use super::categories::Categories;
use super::draws::Draws;
use super::plan::{PlanError, SamplingPlan};
use super::{Note, RESAMPLED_ROWS_MAX, ResampleError, check_size};
use crate::ml::config::RngKind;
use crate::ml::neighbours::Progress;
use crate::ml::observe::Stop;
use crate::ml::sets::TrainSet;

/// What a method needs besides its rows and parameters.
pub(super) struct Task<'a> {
    pub(super) step: u16,
    pub(super) rng: RngKind,
    pub(super) keep_integers: bool,
    pub(super) draws: &'a mut Draws,
    pub(super) plan: SamplingPlan,
    pub(super) notes: &'a mut Vec<Note>,
    pub(super) progress: &'a mut Progress<'a>,
}

impl Task<'_> {
    /// Does a part of the work, which is this stretch of the step's progress.
    pub(super) fn part<T>(&mut self, stretch: Range<f64>, work: impl FnOnce(&mut Task<'_>) -> T) -> T {
        let progress = &mut *self.progress;
        let mut within = |share: f64| progress(stretch.start + (stretch.end - stretch.start) * share);
        work(&mut Task {
            step: self.step,
            rng: self.rng,
            keep_integers: self.keep_integers,
            draws: &mut *self.draws,
            plan: self.plan.clone(),
            notes: &mut *self.notes,
            progress: &mut within,
        })
    }

    /// What is drawn so many times, one after another; such a part has no progress of its own, but can be ended.
    pub(super) fn draw<T>(
        &mut self,
        count: usize,
        mut each: impl FnMut(&mut Draws, usize) -> T,
    ) -> Result<Vec<T>, Stop> {
        const AT_ONCE: usize = 1 << 16;
        let mut drawn = Vec::with_capacity(count);
        for index in 0..count {
            if index % AT_ONCE == AT_ONCE - 1 {
                report(self.progress, 0.0)?;
            }
            drawn.push(each(self.draws, index));
        }
        Ok(drawn)
    }

    /// The categories of all rows, when this share of the task is done.
    pub(super) fn categories(&mut self, set: &TrainSet, done: f64) -> Result<Categories, Stop> {
        Categories::of(set, &mut || (self.progress)(done))
    }

    /// Whether imbalanced-learn's rows are wanted, mistakes included.
    pub(super) fn is_numpy(&self) -> bool {
        self.rng == RngKind::Numpy
    }

    /// Which class the rules about the minority mean. On equal counts imbalanced-learn's methods take the class of the
    /// first row.
    pub(super) fn minority_of(&self, set: &TrainSet) -> bool {
        let counts = set.class_counts();
        let tied = self.is_numpy() && counts.positive == counts.negative;
        if tied { set.labels.first() == Some(&true) } else { self.plan.minority }
    }

    /// `asked` neighbours, or the `most` that `rows` rows allow, which is noted.
    pub(super) fn at_most(&mut self, parameter: &str, asked: usize, most: usize, rows: usize) -> usize {
        if asked <= most {
            return asked;
        }
        self.notes.push(Note::FewerNeighbours { parameter: parameter.to_owned(), asked, used: most, rows });
        most
    }

    /// How many rows to add, and to which class: a step grows one.
    pub(super) fn rows_to_add(&self, set: &TrainSet) -> Result<(bool, usize), ResampleError> {
        let [negative, positive] = self.plan.rows_to_add()?;
        if negative > 0 && positive > 0 {
            return Err(PlanError::BothGrow.into());
        }
        check_size(set.rows(), negative + positive, RESAMPLED_ROWS_MAX)?;
        Ok((positive > 0, negative + positive))
    }
}

pub(super) fn report(progress: &mut Progress<'_>, fraction: f64) -> Result<(), Stop> {
    match progress(fraction) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(stop) => Err(stop),
    }
}
