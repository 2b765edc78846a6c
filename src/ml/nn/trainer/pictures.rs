//! The pictures of a batch, as a network reads them: as they are, or each disturbed by a chance of its own.

use rayon::prelude::*;

use super::super::rows::Rows;
use super::NetworkTask;
use crate::ml::augment::{AugmentScratch, PictureAugmenter, PictureChance};
use crate::ml::config::BatchKind;
use crate::ml::kernel::threads;
use crate::ml::picture::PictureSet;

/// Turns the pictures of a batch into what a network reads.
pub(super) fn read_pictures(pictures: &PictureSet, rows: &[u32], to: &mut Rows) {
    let stride = to.stride();
    let read = |(to, &row): (&mut [f32], &u32)| pictures.normalized(row as usize, to);
    let to = to.front_mut(rows.len());
    if threads() > 1 {
        to.par_chunks_exact_mut(stride).zip(rows).for_each(read);
    } else {
        to.chunks_exact_mut(stride).zip(rows).for_each(read);
    }
}

/// What disturbs the pictures of a task.
pub(super) fn disturber(task: &NetworkTask<'_>, pictures: &PictureSet) -> PictureAugmenter {
    let balanced = task.training.batches == BatchKind::Balanced;
    PictureAugmenter::new(task.augment, pictures.shape(), task.minority_is_positive).with_partners(
        &pictures.pictures,
        &task.train.labels,
        balanced,
    )
}

/// The pictures of a batch, each disturbed by a chance of its own.
pub(super) struct Drawn<'a> {
    pub(super) disturber: &'a PictureAugmenter,
    pub(super) pictures: &'a PictureSet,
    pub(super) rows: &'a [u32],
    pub(super) labels: &'a [bool],
    pub(super) chance: PictureChance,
    /// The place of the batch in the epoch.
    pub(super) first: usize,
}

impl Drawn<'_> {
    pub(super) fn write(&self, to: &mut Rows) {
        let (stride, shape) = (to.stride(), self.pictures.shape());
        let draw = |scratch: &mut AugmentScratch, (place, to): (usize, &mut [f32])| {
            let row = self.rows.get(place).copied().unwrap_or_default() as usize;
            let label = self.labels.get(place).copied().unwrap_or_default();
            let mut rng = self.chance.at(self.first + place);
            // What is beyond the picture is padding.
            let to = to.get_mut(..shape.values()).unwrap_or_default();
            self.disturber.draw(self.pictures, row, label, &mut rng, scratch, to);
        };
        let to = to.front_mut(self.rows.len());
        if threads() > 1 {
            to.par_chunks_exact_mut(stride).enumerate().for_each_init(|| AugmentScratch::new(shape), draw);
        } else {
            let mut scratch = AugmentScratch::new(shape);
            to.chunks_exact_mut(stride).enumerate().for_each(|some| draw(&mut scratch, some));
        }
    }
}
