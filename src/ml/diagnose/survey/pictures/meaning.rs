//! Whether what augmentation makes of a picture still means what the picture meant: a 6 that is turned upside down is a 9.
//!
//! Pictures of the rarer class, disturbed by one step alone, are held against the training pictures. One looks like the
//! other class if its nearest picture is one of the other class, and not farther from it than such pictures usually are
//! from each other; what augmentation makes unlike anything is not harmful.

use rayon::prelude::*;

use crate::ml::augment::{AugmentScratch, PictureAugmenter, PictureChance};
use crate::ml::config::{AugmentClasses, AugmentMethod, AugmentStep};
use crate::ml::picture::{PictureShape, Pictures, thumbnail};
use crate::ml::seed::Seed;

/// Pictures of each class that are disturbed or compared with each other.
const ASKED: usize = 200;
/// Pictures that they are held against.
const HELD_AGAINST: usize = 2_000;
/// The side that pictures are compared at, at most.
const SIDE: usize = 16;
/// The share of the other class's pictures whose nearest neighbours of their class are nearer than what is usual.
const USUAL: f64 = 0.75;
/// With fewer pictures of the class nothing is said.
const LEAST: usize = 10;

/// What a step makes of pictures of the rarer class.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// Its place among the steps.
    pub step: usize,
    pub method: &'static str,
    /// The share of pictures that look like the other class as they are, and when they are disturbed.
    pub before: f64,
    pub after: f64,
    pub asked: usize,
}

pub(super) fn of(
    pictures: &Pictures,
    labels: &[bool],
    steps: &[AugmentStep],
    minority_is_positive: bool,
    seed: Seed,
) -> Vec<Meaning> {
    let rows_of = |class: bool, most: usize| {
        let rows: Vec<usize> = (0..pictures.len()).filter(|&row| labels[row] == class).collect();
        let step = rows.len().div_ceil(most).max(1);
        rows.into_iter().step_by(step).collect::<Vec<usize>>()
    };
    let asked = rows_of(minority_is_positive, ASKED);
    let moving = steps.iter().enumerate().filter(|(_, step)| moves(&step.method));
    if asked.len() < LEAST || steps.is_empty() {
        return Vec::new();
    }
    let gallery = Gallery::of(pictures, labels, minority_is_positive, rows_of);
    let before = gallery
        .share_like_others(&asked, |row| pictures.get(row).iter().map(|&value| f32::from(value) / 255.0).collect());
    let of_step = |(index, step): (usize, &AugmentStep)| {
        let always = AugmentStep { probability: 1.0, classes: AugmentClasses::All, ..step.clone() };
        let augmenter = PictureAugmenter::new(&[always], pictures.shape(), minority_is_positive);
        let chance = PictureChance::of_epoch(seed, index + 1);
        let after = gallery.share_like_others(&asked, |row| {
            let mut picture: Vec<f32> = pictures.get(row).iter().map(|&value| f32::from(value) / 255.0).collect();
            let scratch = &mut AugmentScratch::new(pictures.shape());
            augmenter.disturb(&mut picture, minority_is_positive, &mut chance.at(row), scratch);
            picture
        });
        Meaning { step: index, method: step.method.name(), before, after, asked: asked.len() }
    };
    moving.map(of_step).collect()
}

/// Steps that may turn one thing into another. Noise, blur and light do not, and mixing says what it does.
fn moves(method: &AugmentMethod) -> bool {
    matches!(
        method,
        AugmentMethod::Rotation { .. }
            | AugmentMethod::HorizontalFlip
            | AugmentMethod::VerticalFlip
            | AugmentMethod::RandomResizedCrop { .. }
            | AugmentMethod::Scale { .. }
    )
}

/// Small pictures to hold others against.
struct Gallery {
    shape: PictureShape,
    /// Row, whether it is of the rarer class, values.
    shown: Vec<(usize, bool, Vec<f32>)>,
    /// How far pictures of the other class usually are from the nearest of their own.
    usual: f32,
}

impl Gallery {
    fn of(pictures: &Pictures, labels: &[bool], minority: bool, rows_of: impl Fn(bool, usize) -> Vec<usize>) -> Self {
        let shape = pictures.shape();
        let rows = [rows_of(minority, HELD_AGAINST), rows_of(!minority, HELD_AGAINST)].concat();
        let small = |&row: &usize| {
            let unit: Vec<f32> = pictures.get(row).iter().map(|&value| f32::from(value) / 255.0).collect();
            (row, labels[row] == minority, shrunk(&unit, shape))
        };
        let mut gallery = Self { shape, shown: rows.par_iter().map(small).collect(), usual: 0.0 };
        let others = rows_of(!minority, ASKED);
        let nearest = |&row: &usize| {
            let own = gallery.shown.iter().find(|(other, ..)| *other == row)?;
            let near = gallery.shown.iter().filter(|(other, of_minority, _)| *other != row && !of_minority);
            near.map(|(.., small)| distance(&own.2, small)).min_by(f32::total_cmp)
        };
        let mut distances: Vec<f32> = others.par_iter().filter_map(nearest).collect();
        distances.sort_unstable_by(f32::total_cmp);
        gallery.usual = distances.get((distances.len() as f64 * USUAL) as usize).copied().unwrap_or(0.0);
        gallery
    }

    /// The share of some rows, as `seen` gives them, that look like the other class. A row is not held against itself.
    fn share_like_others(&self, rows: &[usize], seen: impl Fn(usize) -> Vec<f32> + Sync) -> f64 {
        let looks_like_others = |&&row: &&usize| {
            let small = shrunk(&seen(row), self.shape);
            let others = self.shown.iter().filter(|(other, ..)| *other != row);
            let near = others.map(|(_, of_minority, shown)| (distance(&small, shown), *of_minority));
            near.min_by(|a, b| a.0.total_cmp(&b.0)).is_some_and(|(apart, own)| !own && apart <= self.usual)
        };
        rows.par_iter().filter(looks_like_others).count() as f64 / rows.len().max(1) as f64
    }
}

/// A picture of values from 0 to 1 in small.
fn shrunk(picture: &[f32], shape: PictureShape) -> Vec<f32> {
    let pixels: Vec<u8> = picture.iter().map(|value| (value * 255.0).round() as u8).collect();
    thumbnail(&pixels, shape, shape.height.min(SIDE), shape.width.min(SIDE))
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    const SHAPE: PictureShape = PictureShape { height: 10, width: 8, channels: 1 };

    /// The letter u where positive, n where not, or a ring where `ring`, somewhere near the middle and not quite black.
    fn letters(count: usize, ring: bool) -> (Pictures, Vec<bool>) {
        let mut rng = Seed(4).stream("letters");
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for row in 0..count {
            let label = row % 5 == 0;
            let mut picture: Vec<u8> = (0..80).map(|_| rng.random_range(0..30)).collect();
            let (top, left) = (rng.random_range(1..4), rng.random_range(1..3));
            let mut ink = |y: usize, x: usize| picture[(top + y) * 8 + left + x] = rng.random_range(200..=255);
            for y in 0..6 {
                ink(y, 0);
                ink(y, 4);
            }
            for x in 0..5 {
                if label {
                    ink(5, x);
                }
                if !label || ring {
                    ink(0, x);
                }
            }
            pixels.extend(picture);
            labels.push(label);
        }
        (Pictures::new(SHAPE, pixels).unwrap(), labels)
    }

    fn flip(method: AugmentMethod) -> AugmentStep {
        AugmentStep { method, probability: 0.5, classes: AugmentClasses::Minority }
    }

    #[test]
    fn a_flip_that_turns_one_letter_into_the_other_is_seen() {
        let (pictures, labels) = letters(300, false);
        let steps = [flip(AugmentMethod::HorizontalFlip), flip(AugmentMethod::VerticalFlip)];
        let found = of(&pictures, &labels, &steps, true, Seed(1));
        assert_eq!(
            found.iter().map(|meaning| meaning.method).collect::<Vec<_>>(),
            ["horizontal_flip", "vertical_flip"]
        );
        assert!(found[0].before < 0.1 && found[0].after < 0.1, "{found:?}");
        assert!(found[1].before < 0.1 && found[1].after > 0.5, "{found:?}");
    }

    #[test]
    fn what_looks_like_nothing_is_not_held_against_a_step() {
        // Rings against the letter n, both of which flips leave unlike the other.
        let (pictures, labels) = letters(300, true);
        let found = of(&pictures, &labels, &[flip(AugmentMethod::VerticalFlip)], true, Seed(1));
        assert!(found[0].after < 0.1, "{found:?}");
        assert_eq!(of(&pictures, &labels, &[], true, Seed(1)), []);
    }
}
