//! What all steps have in common: whom they change, how often, by which chance.

use proptest::prelude::*;

use super::*;
use crate::ml::config::{Fill, OwnFill, Span};

const SHAPE: PictureShape = PictureShape { height: 5, width: 4, channels: 3 };

fn span(low: f64, high: f64) -> Span {
    Span { low, high }
}

/// Every method there is.
fn methods() -> Vec<AugmentMethod> {
    let border = Border::Continued(Continued::Reflect);
    vec![
        AugmentMethod::GaussianNoise { std: 0.3 },
        AugmentMethod::Rotation { degrees: span(-180.0, 180.0), border },
        AugmentMethod::HorizontalFlip,
        AugmentMethod::VerticalFlip,
        AugmentMethod::RandomCrop { padding: 3, border: Border::Value(0.5) },
        AugmentMethod::RandomResizedCrop { scale: span(0.2, 1.0), ratio: span(0.5, 2.0) },
        AugmentMethod::Translation { fraction: span(-0.5, 0.5), border: Border::Continued(Continued::Edge) },
        AugmentMethod::Scale { factor: span(0.5, 2.0), border },
        AugmentMethod::Brightness { factor: span(0.0, 3.0) },
        AugmentMethod::Contrast { factor: span(0.0, 3.0) },
        AugmentMethod::GaussianBlur { sigma: span(0.0, 2.0) },
        AugmentMethod::Cutout { size: span(0.1, 1.0), fill: Fill::Own(OwnFill::Mean) },
        AugmentMethod::Mixup { alpha: 0.4 },
    ]
}

fn step(method: AugmentMethod) -> AugmentStep {
    AugmentStep { method, probability: 1.0, classes: AugmentClasses::All }
}

fn picture(shape: PictureShape, salt: usize) -> Vec<f32> {
    (0..shape.values()).map(|place| ((place * 37 + salt * 101) % 256) as f32 / 255.0).collect()
}

fn stored(shape: PictureShape, count: usize) -> Pictures {
    let pixels = (0..count * shape.values()).map(|place| (place * 7 % 256) as u8).collect();
    Pictures::new(shape, pixels).unwrap()
}

fn disturbed(augmenter: &PictureAugmenter, label: bool, epoch: usize, place: usize) -> Vec<f32> {
    let mut values = picture(augmenter.shape(), 1);
    let mut rng = PictureChance::of_epoch(Seed(5), epoch).at(place);
    augmenter.disturb(&mut values, label, &mut rng, &mut AugmentScratch::new(augmenter.shape()));
    values
}

#[test]
fn every_method_changes_pictures_by_chance_alone() {
    for method in methods() {
        let augmenter = PictureAugmenter::new(&[step(method.clone())], SHAPE, true);
        let augmenter = augmenter.with_partners(&stored(SHAPE, 6), &[true, false, true, false, true, false], false);
        let first = disturbed(&augmenter, true, 1, 0);
        assert_ne!(first, picture(SHAPE, 1), "{}", method.name());
        assert_eq!(first, disturbed(&augmenter, true, 1, 0), "{}", method.name());
        if !matches!(method, AugmentMethod::HorizontalFlip | AugmentMethod::VerticalFlip) {
            let others = [(1, 1), (2, 0), (1, 2)].map(|(epoch, place)| disturbed(&augmenter, true, epoch, place));
            assert!(others.iter().any(|other| *other != first), "{}", method.name());
        }
    }
}

#[test]
fn only_the_named_class_is_changed_and_only_as_often_as_stated() {
    let only =
        AugmentStep { method: AugmentMethod::HorizontalFlip, probability: 0.25, classes: AugmentClasses::Minority };
    for minority in [true, false] {
        let augmenter = PictureAugmenter::new(std::slice::from_ref(&only), SHAPE, minority);
        let changed = |label: bool| {
            let same = picture(SHAPE, 1);
            (0..2_000).filter(|&place| disturbed(&augmenter, label, 1, place) != same).count()
        };
        assert_eq!(changed(!minority), 0);
        // Five standard errors of a share of 0.25 in 2000: 5 * sqrt(0.25 * 0.75 * 2000) = 97.
        assert!(changed(minority).abs_diff(500) < 97, "{}", changed(minority));
    }
}

#[test]
fn changes_of_place_are_drawn_as_one_and_lose_nothing_on_the_way() {
    let border = Border::Continued(Continued::Edge);
    // Whatever is moved out is moved in again, which no picture drawn in between would allow.
    let there = AugmentMethod::Translation { fraction: span(1.0, 1.0), border };
    let back = AugmentMethod::Translation { fraction: span(-1.0, -1.0), border };
    let both = PictureAugmenter::new(&[step(there.clone()), step(back.clone())], SHAPE, true);
    assert_eq!(disturbed(&both, true, 1, 0), picture(SHAPE, 1));
    let black = AugmentMethod::Translation { fraction: span(-1.0, -1.0), border: Border::Value(0.0) };
    let apart = PictureAugmenter::new(&[step(there), step(black)], SHAPE, true);
    let moved = disturbed(&apart, true, 1, 0);
    assert!(moved.iter().all(|&value| value == 0.0 || value == picture(SHAPE, 1)[0]), "{moved:?}");
}

#[test]
fn a_cutout_covers_a_part_of_its_size() {
    let size = span(0.5, 0.5);
    let cutout = AugmentMethod::Cutout { size, fill: Fill::Value(0.125) };
    let shape = PictureShape { height: 20, width: 10, channels: 1 };
    let augmenter = PictureAugmenter::new(&[step(cutout)], shape, true);
    let covered = |place: usize| disturbed(&augmenter, true, 1, place).iter().filter(|&&v| v == 0.125).count();
    let counts: Vec<usize> = (0..200).map(covered).collect();
    // 10 × 5 pixels, or what of them lies within.
    assert_eq!(counts.iter().max(), Some(&50));
    assert!(counts.iter().all(|&count| count >= 5 * 3), "{:?}", counts.iter().min());
}

#[test]
fn mixup_keeps_more_of_the_picture_than_half_on_average_and_rare_pictures_among_themselves() {
    let shape = PictureShape { height: 1, width: 2, channels: 1 };
    // Positives are white, negatives black.
    let labels: Vec<bool> = (0..40).map(|row| row % 4 == 0).collect();
    let pixels = labels.iter().flat_map(|&label| [if label { 255 } else { 0 }; 2]).collect();
    let pictures = Pictures::new(shape, pixels).unwrap();
    let mixed = |classes: AugmentClasses, balanced: bool, place: usize| {
        let steps = [AugmentStep { method: AugmentMethod::Mixup { alpha: 1.0 }, probability: 1.0, classes }];
        let augmenter = PictureAugmenter::new(&steps, shape, true).with_partners(&pictures, &labels, balanced);
        let mut values = [1.0; 2];
        let mut rng = PictureChance::of_epoch(Seed(5), 1).at(place);
        augmenter.disturb(&mut values, true, &mut rng, &mut AugmentScratch::new(shape));
        f64::from(values[0])
    };
    let mean = |classes, balanced| (0..4_000).map(|place| mixed(classes, balanced, place)).sum::<f64>() / 4_000.0;
    // λ is from Beta(2, 1), whose mean is 2/3 and deviation 0.236; a partner is white with the share of positives. The
    // mean of 4,000 is within five standard errors, 5 * 0.36 / sqrt(4000) = 0.03.
    assert!((mean(AugmentClasses::All, false) - (2.0 / 3.0 + 0.25 / 3.0)).abs() < 0.03);
    assert!((mean(AugmentClasses::All, true) - (2.0 / 3.0 + 0.5 / 3.0)).abs() < 0.03);
    assert_eq!(mean(AugmentClasses::Minority, false), 1.0);
}

#[test]
fn a_disturbed_row_is_scaled_as_the_network_reads_it() {
    let pictures = stored(SHAPE, 3);
    let scaling = crate::ml::picture::PictureScaling::of(&pictures);
    let set = PictureSet { pictures, scaling };
    let augmenter = PictureAugmenter::new(&[step(AugmentMethod::HorizontalFlip)], SHAPE, true);
    let draw = |row: usize| {
        let mut to = vec![0.0; SHAPE.values()];
        let scratch = &mut AugmentScratch::new(SHAPE);
        augmenter.draw(&set, row, true, &mut Seed(1).stream("x"), scratch, &mut to);
        to
    };
    let mut plain = vec![0.0; SHAPE.values()];
    set.normalized(2, &mut plain);
    let line = SHAPE.width * SHAPE.channels;
    let flipped: Vec<f32> =
        plain.chunks_exact(line).flat_map(|line| line.chunks_exact(3).rev().flatten().copied()).collect();
    assert!(draw(2).iter().zip(&flipped).all(|(a, b)| (a - b).abs() < 1e-5));
    assert_ne!(draw(2), draw(1));
}

#[test]
fn without_partners_nothing_is_mixed_and_other_shapes_are_left_alone() {
    let augmenter = PictureAugmenter::new(&[step(AugmentMethod::Mixup { alpha: 1.0 })], SHAPE, true);
    assert_eq!(disturbed(&augmenter, true, 1, 0), picture(SHAPE, 1));
    let augmenter = PictureAugmenter::new(&[step(AugmentMethod::VerticalFlip)], SHAPE, true);
    let mut other = vec![0.1, 0.9];
    augmenter.disturb(&mut other, true, &mut Seed(1).stream("x"), &mut AugmentScratch::new(SHAPE));
    assert_eq!(other, [0.1, 0.9]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_stay_within_0_and_1_for_any_shape_and_steps(
        height in 1_usize..9, width in 1_usize..9, colored: bool, order: u64, count in 1_usize..6,
    ) {
        let shape = PictureShape { height, width, channels: if colored { 3 } else { 1 } };
        let all = methods();
        let steps: Vec<AugmentStep> =
            (0..count).map(|at| step(all[(order >> (4 * at)) as usize % all.len()].clone())).collect();
        let augmenter = PictureAugmenter::new(&steps, shape, false);
        let augmenter = augmenter.with_partners(&stored(shape, 3), &[true, false, false], true);
        for place in 0..4 {
            let values = disturbed(&augmenter, place % 2 == 0, 3, place);
            prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{steps:?}: {values:?}");
        }
    }
}
