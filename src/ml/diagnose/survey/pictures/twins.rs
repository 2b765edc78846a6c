//! Judged pictures that are nearly training pictures: saved anew, resized, a little brighter.
//!
//! A difference hash (N. Krawetz 2013) of 64 bits finds candidates: whether each of 8 × 8 places is brighter than the one
//! to its left. The correlation of small pictures decides.

use rayon::prelude::*;

use crate::ml::picture::{Pictures, grey_thumbnail};

/// Judged pictures looked at, at most.
const MAX_JUDGED: usize = 2_000;
/// Training pictures that they are held against, at most.
const MAX_LEARNT: usize = 50_000;
/// A place that is brighter than the one to its left by less is as bright: even ground has no pattern.
const MARGIN: f32 = 2.0 / 255.0;
/// Bits in which the hashes of candidates may differ.
const NEAR_BITS: u32 = 6;
/// Side of the small pictures.
const SIDE: usize = 16;
/// Their correlation from which on two pictures are one.
const SAME: f32 = 0.995;

/// Judged pictures with a training picture that is nearly the same.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NearTwins {
    pub judged: usize,
    pub twins: usize,
    /// Those among them that are positive.
    pub positives: usize,
    pub positive_twins: usize,
    /// Twins with the label of their training picture.
    pub agreeing: usize,
}

/// What a picture is compared by.
struct Print {
    hash: u64,
    /// Without its mean, and of length 1; nothing of a picture of one colour.
    small: Vec<f32>,
}

pub(super) fn of(learnt: &Pictures, labels: &[bool], judged: &[(&Pictures, &[bool])]) -> NearTwins {
    let learnt_rows = spread_out(learnt.len(), MAX_LEARNT);
    let prints: Vec<(Print, bool)> =
        learnt_rows.par_iter().map(|&row| (Print::of(learnt, row), labels.get(row) == Some(&true))).collect();
    let total: usize = judged.iter().map(|(pictures, _)| pictures.len()).sum();
    let mut found = NearTwins::default();
    for (pictures, labels) in judged {
        let share = MAX_JUDGED * pictures.len() / total.max(1);
        let rows = spread_out(pictures.len(), share.max(1));
        let twins: Vec<(bool, Option<bool>)> = rows
            .par_iter()
            .map(|&row| {
                let own = Print::of(pictures, row);
                let twin = prints.iter().find(|(print, _)| own.is_near(print));
                (labels.get(row) == Some(&true), twin.map(|(_, label)| *label))
            })
            .collect();
        for (label, twin) in twins {
            found.judged += 1;
            found.positives += usize::from(label);
            found.twins += usize::from(twin.is_some());
            found.positive_twins += usize::from(label && twin.is_some());
            found.agreeing += usize::from(twin == Some(label));
        }
    }
    found
}

/// At most so many rows, evenly.
fn spread_out(rows: usize, most: usize) -> Vec<usize> {
    (0..rows).step_by(rows.div_ceil(most.max(1)).max(1)).collect()
}

impl Print {
    fn of(pictures: &Pictures, row: usize) -> Self {
        let (picture, shape) = (pictures.get(row), pictures.shape());
        let places = grey_thumbnail(picture, shape, 8, 9);
        let brighter = places.chunks_exact(9).flat_map(|line| line.windows(2).map(|pair| pair[1] > pair[0] + MARGIN));
        let hash = brighter.fold(0, |hash, bit| hash << 1 | u64::from(bit));
        let mut small = grey_thumbnail(picture, shape, SIDE, SIDE);
        let mean = small.iter().sum::<f32>() / small.len().max(1) as f32;
        small.iter_mut().for_each(|value| *value -= mean);
        let length = small.iter().map(|value| value * value).sum::<f32>().sqrt();
        // Less than a grey level on average is no picture.
        if length < SIDE as f32 / 255.0 {
            small.clear();
        }
        small.iter_mut().for_each(|value| *value /= length);
        Self { hash, small }
    }

    fn is_near(&self, other: &Print) -> bool {
        (self.hash ^ other.hash).count_ones() <= NEAR_BITS
            && self.small.len() == other.small.len()
            && self.small.iter().zip(&other.small).map(|(a, b)| a * b).sum::<f32>() > SAME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::PictureShape;
    use crate::ml::seed::Seed;
    use rand::Rng as _;

    const SHAPE: PictureShape = PictureShape { height: 24, width: 24, channels: 1 };

    /// Soft blobs, different in each picture.
    fn pictures(count: usize, seed: u64) -> Vec<Vec<u8>> {
        let mut rng = Seed(seed).stream("blobs");
        let mut blob = || {
            let centres: Vec<[f64; 3]> = (0..4)
                .map(|_| [rng.random_range(0.0..24.0), rng.random_range(0.0..24.0), rng.random_range(60.0..200.0)])
                .collect();
            let value = |place: usize| {
                let (y, x) = ((place / 24) as f64, (place % 24) as f64);
                let light = |[cy, cx, peak]: &[f64; 3]| peak * (-((y - cy).powi(2) + (x - cx).powi(2)) / 30.0).exp();
                centres.iter().map(light).sum::<f64>().min(240.0) as u8
            };
            (0..24 * 24).map(value).collect::<Vec<u8>>()
        };
        (0..count).map(|_| blob()).collect()
    }

    fn stored(pictures: &[Vec<u8>]) -> Pictures {
        Pictures::new(SHAPE, pictures.concat()).unwrap()
    }

    #[test]
    fn pictures_that_were_saved_anew_or_brightened_are_found_and_others_are_not() {
        let learnt = pictures(60, 1);
        let mut judged = pictures(40, 2);
        let mut rng = Seed(3).stream("noise");
        for (own, of) in judged.iter_mut().zip(&learnt).take(10) {
            *own = of
                .iter()
                .map(|&value| (f64::from(value) * 1.05 + rng.random_range(0.0..4.0)).min(255.0) as u8)
                .collect();
        }
        let labels: Vec<bool> = (0..60).map(|row| row < 5).collect();
        let judged_labels: Vec<bool> = (0..40).map(|row| row < 6).collect();
        let found = of(&stored(&learnt), &labels, &[(&stored(&judged), &judged_labels)]);
        let expected = NearTwins { judged: 40, twins: 10, positives: 6, positive_twins: 6, agreeing: 9 };
        assert_eq!(found, expected);
    }

    #[test]
    fn empty_pictures_are_nobodys_twins() {
        let empty = stored(&[vec![7; 576], vec![7; 576]]);
        let found = of(&empty, &[true, false], &[(&empty, &[true, false])]);
        // They have no length and are equal as they are; that is what equal rows are looked for by.
        assert_eq!(found.judged, 2);
        assert_eq!(found.twins, 0);
    }
}
