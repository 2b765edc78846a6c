//! An archive of pictures whose rows are known, so that only some of its pictures need to be looked at.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::load::{accepted, assemble, of_shape, paths, rest};
use super::plan::{Plan, plan};
use super::stream::{Fault, PictureStream};
use crate::ml::observe::Stop;
use crate::ml::picture::{PictureSpec, Pictures};
use crate::ml::table::read::error::{Problems, ReadError};
use crate::ml::table::read::{PictureLimits, ReadOptions, TableLimits, TableSource};
use crate::ml::table::{ColumnType, Table};

/// The rows of an archive without their pixels.
pub struct UnseenPictures<R> {
    source: R,
    plan: Plan,
    limits: TableLimits,
    /// The rows of the plan whose pictures can be read.
    kept: Vec<usize>,
}

impl<R: TableSource> UnseenPictures<R> {
    /// Opens an archive that was profiled: `unreadable` are the paths of all files that were found to be no rows.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open<'p>(
        source: R,
        options: &ReadOptions<'_>,
        unreadable: impl Iterator<Item = &'p str>,
    ) -> Result<Self, ReadError> {
        let limits = accepted(options.limits);
        let plan = plan(&source, &ReadOptions { limits: &limits, ..*options })?;
        let unreadable: HashSet<&str> = unreadable.collect();
        let rows = 0..plan.listed.entries.len();
        let kept = rows.filter(|&row| !unreadable.contains(plan.path(row))).collect();
        Ok(Self { source, plan, limits, kept })
    }

    /// [`super::super::load()`] with paths in the column of pictures.
    ///
    /// # Errors
    /// As [`super::super::load()`].
    pub fn table(&self, options: &ReadOptions<'_>, columns: &[(String, ColumnType)]) -> Result<Table, ReadError> {
        let options = &ReadOptions { limits: &self.limits, ..*options };
        let rest = rest(&self.plan, options, columns, &self.kept)?;
        let paths = || paths(&self.plan, &self.kept);
        assemble(columns, paths(), &paths(), rest)
    }

    /// The pictures of some rows of [`UnseenPictures::table`], in the given order. `step` is told how many have been seen.
    ///
    /// # Errors
    /// If one of them cannot be read, or `step` ends the work.
    pub fn read(
        &self,
        rows: &[usize],
        spec: &PictureSpec,
        step: &mut dyn FnMut(u64) -> ControlFlow<Stop>,
    ) -> Result<Pictures, ReadError> {
        let entries: Vec<usize> = rows.iter().filter_map(|&row| self.entry(row)).collect();
        let limits = &PictureLimits::ACCEPTED;
        let stream = PictureStream { source: &self.source, archive: &self.plan.archive, limits, entries: &entries };
        let mut pixels = Vec::with_capacity(entries.len().saturating_mul(spec.shape.values()));
        let mut problems = Problems::new(1);
        let mut take = |row: usize, found: Result<Vec<u8>, Fault>| {
            match found {
                Ok(picture) => pixels.extend_from_slice(&picture),
                Err(fault) => problems.push(row as u64 + 1, None, format!("a picture that was read before: {fault:?}")),
            }
            ControlFlow::Continue(())
        };
        stream.each(&|picture| picture.placed(spec), &mut take, step)?;
        if !problems.is_empty() {
            return Err(problems.into_error(false));
        }
        of_shape(*spec, pixels)
    }

    fn entry(&self, row: usize) -> Option<usize> {
        self.plan.listed.entries.get(*self.kept.get(row)?).copied()
    }
}
