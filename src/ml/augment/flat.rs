//! Augmentation of pictures whose values are features.

use super::{AugmentScratch, Once, PictureAugmenter, PictureChance};
use crate::ml::picture::FlatPictures;
use crate::ml::sets::{Origin, TrainSet};

/// Draws the pixels of each row anew from its disturbed picture.
pub(super) fn disturb(set: &mut TrainSet, flat: &FlatPictures, once: &Once<'_>) {
    // Which picture each row shows, of those that show one.
    let shown: Vec<(usize, usize)> = set
        .origins
        .iter()
        .enumerate()
        .filter_map(|(row, origin)| match *origin {
            Origin::Row(picture) => Some((row, picture as usize)),
            Origin::Synthetic { .. } => None,
        })
        .collect();
    let (rows, pictures): (Vec<usize>, Vec<usize>) = shown.into_iter().unzip();
    let labels: Vec<bool> = rows.iter().map(|&row| set.labels[row]).collect();
    let pictures = flat.pictures.select(&pictures);
    let shape = pictures.shape();
    let augmenter = PictureAugmenter::new(once.steps, shape, once.minority_is_positive);
    let augmenter = augmenter.with_partners(&pictures, &labels, false);
    let chance = PictureChance::of_epoch(once.seed, 1);
    let mut scratch = AugmentScratch::new(shape);
    let mut values = vec![0.0; shape.values()];
    for (place, (&row, &label)) in rows.iter().zip(&labels).enumerate() {
        values.iter_mut().zip(pictures.get(place)).for_each(|(to, &value)| *to = f32::from(value) / 255.0);
        augmenter.disturb(&mut values, label, &mut chance.at(place), &mut scratch);
        let mut features = set.features.row_mut(row);
        for &(column, at) in &flat.columns {
            let value = values.get(at as usize).copied().unwrap_or_default();
            if let Some(feature) = features.get_mut(column) {
                *feature = flat.scaling.scaled(at as usize % shape.channels, f64::from(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::augment::apply_once;
    use crate::ml::config::{AugmentClasses, AugmentMethod, AugmentStep};
    use crate::ml::picture::{PictureScaling, PictureShape, Pictures};
    use crate::ml::seed::Seed;
    use ndarray::array;

    #[test]
    fn pixels_are_those_of_the_disturbed_picture_and_everything_else_stays() {
        let shape = PictureShape { height: 1, width: 3, channels: 1 };
        let pictures = Pictures::new(shape, vec![0, 51, 255, 102, 51, 0]).unwrap();
        let scaling = PictureScaling { mean: vec![0.2], spread: vec![0.5] };
        // The value in the middle never varies and is no feature; another column stands before the pixels.
        let flat = FlatPictures { pictures, scaling, columns: vec![(1, 0), (2, 2)] };
        let features = array![[7.0, -0.4, 1.6], [8.0, 0.4, -0.4], [9.0, 5.0, 5.0]];
        let set = TrainSet {
            origins: vec![Origin::Row(0), Origin::Row(1), Origin::Synthetic { step: 0, parents: [0, 1] }],
            ..TrainSet::new(features, vec![true, false, true])
        };
        let step = |classes| AugmentStep { method: AugmentMethod::HorizontalFlip, probability: 1.0, classes };
        let flipped = |classes| {
            let once = Once {
                steps: &[step(classes)],
                noise_scale: &[1.0; 3],
                flat: Some(&flat),
                minority_is_positive: true,
                seed: Seed(1),
            };
            apply_once(set.clone(), &once).features
        };
        let close = |a: ndarray::Array2<f64>, b: ndarray::Array2<f64>| (a - b).iter().all(|gap| gap.abs() < 1e-6);
        assert!(close(flipped(AugmentClasses::All), array![[7.0, 1.6, -0.4], [8.0, -0.4, 0.4], [9.0, 5.0, 5.0]]));
        assert!(close(flipped(AugmentClasses::Minority), array![[7.0, 1.6, -0.4], [8.0, 0.4, -0.4], [9.0, 5.0, 5.0]]));
    }
}
