//! Augmentation of pictures: each picture is disturbed anew whenever it is learnt from.
//!
//! Pictures are disturbed as values from 0 to 1, before they are scaled. Steps that move pixels and follow each other are
//! drawn as one, so that a picture that is turned, enlarged and moved is interpolated once.

mod blur;
mod mixup;
mod place;
#[cfg(test)]
mod reference_tests;
mod sheet;
#[cfg(test)]
mod tests;
mod tone;
mod warp;

use rand::Rng as _;

use crate::ml::config::{AugmentClasses, AugmentMethod, AugmentStep, Border, Continued};
use crate::ml::picture::{PictureSet, PictureShape, Pictures};
use crate::ml::seed::{Rng, Seed};
use mixup::Partners;
use warp::{Affine, warp};

pub use sheet::{Sheet, SheetRow, contact_sheet};

/// The steps of a job, ready to be applied to any picture of a shape.
#[derive(Debug, Clone)]
pub struct PictureAugmenter {
    steps: Vec<AugmentStep>,
    shape: PictureShape,
    minority_is_positive: bool,
    /// Without any, nothing is mixed.
    partners: Option<Partners>,
}

/// Room to work in; one for each thread.
#[derive(Debug, Clone)]
pub struct AugmentScratch {
    spare: Vec<f32>,
    partner: Vec<f32>,
}

impl AugmentScratch {
    pub fn new(shape: PictureShape) -> Self {
        Self { spare: vec![0.0; shape.values()], partner: vec![0.0; shape.values()] }
    }
}

/// Where the pictures of an epoch get their chance from: a stream for each place in the epoch, so that it does not matter
/// which thread disturbs which picture, nor from where on an epoch is gone on with.
#[derive(Debug, Clone)]
pub struct PictureChance(Rng);

impl PictureChance {
    /// `epoch` counts from 1.
    pub fn of_epoch(seed: Seed, epoch: usize) -> Self {
        Self(seed.derive("augment pictures").stream(&format!("epoch {epoch}")))
    }

    /// The stream of a place in the order in which the epoch learns, from 0.
    pub fn at(&self, place: usize) -> Rng {
        let mut rng = self.0.clone();
        rng.set_stream(place as u64);
        rng
    }
}

/// Changes of place that are not yet drawn.
struct Pending {
    affine: Affine,
    border: Option<Border>,
}

impl PictureAugmenter {
    /// `minority_is_positive` tells which class was rarer before resampling.
    pub fn new(steps: &[AugmentStep], shape: PictureShape, minority_is_positive: bool) -> Self {
        Self { steps: steps.to_vec(), shape, minority_is_positive, partners: None }
    }

    /// The rows that `mixup` mixes with: those learnt from, with their labels; `balanced` where batches hold as many rows
    /// of each class. Costs little where no step mixes.
    pub fn with_partners(mut self, pictures: &Pictures, labels: &[bool], balanced: bool) -> Self {
        let mixes = self.steps.iter().any(|step| matches!(step.method, AugmentMethod::Mixup { .. }));
        if mixes && pictures.shape() == self.shape {
            self.partners = Some(Partners::new(pictures.clone(), labels, balanced));
        }
        self
    }

    pub fn shape(&self) -> PictureShape {
        self.shape
    }

    /// Whether no picture is ever changed.
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty()
    }

    /// Disturbs a picture of this shape, whose values are from 0 to 1 and stay so, by every step in turn.
    pub fn disturb(&self, picture: &mut [f32], label: bool, rng: &mut Rng, scratch: &mut AugmentScratch) {
        if picture.len() == self.shape.values() && scratch.spare.len() == picture.len() {
            self.apply(&self.steps, picture, label, rng, scratch);
        }
    }

    /// Writes a row of some pictures as a network reads it, disturbed.
    pub fn draw(
        &self,
        set: &PictureSet,
        row: usize,
        label: bool,
        rng: &mut Rng,
        scratch: &mut AugmentScratch,
        to: &mut [f32],
    ) {
        set.unit(row, to);
        self.disturb(to, label, rng, scratch);
        set.scaling.apply(to);
    }

    fn apply(
        &self,
        steps: &[AugmentStep],
        picture: &mut [f32],
        label: bool,
        rng: &mut Rng,
        scratch: &mut AugmentScratch,
    ) {
        let mut pending: Option<Pending> = None;
        for (index, step) in steps.iter().enumerate() {
            if !self.chooses(step, label, rng) {
                continue;
            }
            if let Some(placement) = place::draw(&step.method, self.shape, rng) {
                pending = Some(self.joined(pending, placement, picture, scratch));
                continue;
            }
            self.move_pixels(pending.take(), picture, scratch);
            match step.method {
                AugmentMethod::Mixup { alpha } => {
                    self.mix(alpha, step.classes, &steps[..index], picture, rng, scratch);
                }
                ref method => self.change_values(method, picture, rng, scratch),
            }
        }
        self.move_pixels(pending, picture, scratch);
    }

    /// Whether a picture is changed. One of a class that is left alone takes no draw.
    fn chooses(&self, step: &AugmentStep, label: bool, rng: &mut Rng) -> bool {
        let meant = step.classes == AugmentClasses::All || label == self.minority_is_positive;
        meant && (step.probability >= 1.0 || rng.random::<f64>() < step.probability)
    }

    /// Puts a change of place behind those that wait. Those with another border are drawn first.
    fn joined(
        &self,
        pending: Option<Pending>,
        next: place::Placement,
        picture: &mut [f32],
        scratch: &mut AugmentScratch,
    ) -> Pending {
        let place::Placement { affine, border } = next;
        match pending {
            Some(waiting) if waiting.border.is_none() || border.is_none() || waiting.border == border => {
                Pending { affine: waiting.affine.then(affine), border: waiting.border.or(border) }
            }
            waiting => {
                self.move_pixels(waiting, picture, scratch);
                Pending { affine, border }
            }
        }
    }

    fn move_pixels(&self, pending: Option<Pending>, picture: &mut [f32], scratch: &mut AugmentScratch) {
        let Some(Pending { affine, border }) = pending else { return };
        let border = border.unwrap_or(Border::Continued(Continued::Edge));
        scratch.spare.copy_from_slice(picture);
        warp(&scratch.spare, self.shape, &affine, border, picture);
    }

    fn change_values(&self, method: &AugmentMethod, picture: &mut [f32], rng: &mut Rng, scratch: &mut AugmentScratch) {
        match *method {
            AugmentMethod::GaussianNoise { std } => tone::add_noise(picture, std as f32, rng),
            AugmentMethod::Brightness { factor } => tone::brighten(picture, factor.draw(rng) as f32),
            AugmentMethod::Contrast { factor } => {
                tone::change_contrast(picture, self.shape.channels, factor.draw(rng) as f32);
            }
            AugmentMethod::GaussianBlur { sigma } => {
                blur::blur(picture, &mut scratch.spare, self.shape, sigma.draw(rng));
            }
            AugmentMethod::Cutout { size, fill } => {
                let size = size.draw(rng);
                tone::cut_out(picture, self.shape, size, fill, rng);
            }
            // Drawn or mixed elsewhere.
            AugmentMethod::Rotation { .. }
            | AugmentMethod::HorizontalFlip
            | AugmentMethod::VerticalFlip
            | AugmentMethod::RandomCrop { .. }
            | AugmentMethod::RandomResizedCrop { .. }
            | AugmentMethod::Translation { .. }
            | AugmentMethod::Scale { .. }
            | AugmentMethod::Mixup { .. } => {}
        }
    }

    /// Mixes with a picture that has been disturbed by the steps so far, too.
    fn mix(
        &self,
        alpha: f64,
        classes: AugmentClasses,
        before: &[AugmentStep],
        picture: &mut [f32],
        rng: &mut Rng,
        scratch: &mut AugmentScratch,
    ) {
        let Some(partners) = &self.partners else { return };
        // The partner of a partner: configurations mix once.
        if scratch.partner.len() != picture.len() {
            return;
        }
        let Some((row, label)) = partners.draw(classes, self.minority_is_positive, rng) else { return };
        let share = mixup::share(alpha, rng);
        let mut partner = std::mem::take(&mut scratch.partner);
        partners.read(row, &mut partner);
        self.apply(before, &mut partner, label, rng, scratch);
        mixup::mix(picture, &partner, share);
        scratch.partner = partner;
    }
}
