//! Resampling of pictures: by the numbers of their rows where that is all a method needs, else in the space of their
//! pixels, as networks read them. A picture that a method makes is rounded to 8 bits and put behind those that there were.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::{RemovalReason, Removed, ResampleError, Resampled, apply, root};
use crate::ml::config::{ResampleMethod, ResampleStep};
use crate::ml::observe::Stop;
use crate::ml::picture::{PictureSet, Pictures};
use crate::ml::seed::Seed;
use crate::ml::sets::{FeatureKinds, Origin, TrainSet};

impl ResampleMethod {
    /// Whether it goes by what rows hold, not only by how many there are of each class.
    pub fn reads_rows(&self) -> bool {
        !matches!(
            self,
            ResampleMethod::RandomOverSampler { shrinkage: None } | ResampleMethod::RandomUnderSampler { .. }
        )
    }
}

/// [`apply`] to rows that are pictures.
///
/// # Errors
/// As [`apply`].
pub(super) fn apply_to_pictures(
    step_index: usize,
    step: &ResampleStep,
    set: &TrainSet,
    pictures: &PictureSet,
    seed: Seed,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    let plain = TrainSet {
        features: if step.method.reads_rows() { pixels(pictures) } else { Array2::zeros((set.rows(), 0)) },
        labels: set.labels.clone(),
        // Of this set; they become those of the training part below.
        origins: (0..set.rows() as u32).map(Origin::Row).collect(),
        weights: None,
        kinds: FeatureKinds::default(),
        pictures: None,
    };
    let Resampled { set: made, removed, notes } = apply(step_index, step, plain, seed, progress)?;
    let before = |origin: Origin| original(set, origin);
    let pictures =
        drawn(pictures, &made).ok_or(ResampleError::TooManyRows { rows: made.rows(), most: u32::MAX as usize })?;
    let removed = removed.into_iter().map(|removed| Removed {
        origin: before(removed.origin),
        reason: match removed.reason {
            RemovalReason::TomekLink { other } => RemovalReason::TomekLink { other: before(other) },
            RemovalReason::NearMinority { minority } => RemovalReason::NearMinority { minority: before(minority) },
            reason => reason,
        },
        ..removed
    });
    let set = TrainSet {
        features: Array2::zeros((made.rows(), 0)),
        origins: made.origins.iter().map(|&origin| before(origin)).collect(),
        labels: made.labels,
        weights: None,
        kinds: set.kinds.clone(),
        pictures: Some(pictures),
    };
    Ok(Resampled { set, removed: removed.collect(), notes })
}

fn pixels(pictures: &PictureSet) -> Array2<f64> {
    let shape = pictures.shape();
    let mut values = Vec::with_capacity(pictures.len() * shape.values());
    for row in 0..pictures.len() {
        let picture = pictures.pictures.get(row).iter().enumerate();
        values.extend(picture.map(|(place, &value)| pictures.scaling.value(place % shape.channels, value)));
    }
    // The length is that of the shape.
    Array2::from_shape_vec((pictures.len(), shape.values()), values).unwrap_or_default()
}

/// What a row of this set, or one made of its rows, is to the training part.
fn original(set: &TrainSet, origin: Origin) -> Origin {
    let of = |row: u32| set.origins.get(row as usize).copied().unwrap_or(Origin::Row(row));
    match origin {
        Origin::Row(row) => of(row),
        Origin::Synthetic { step, parents } => Origin::Synthetic { step, parents: parents.map(|row| root(of(row))) },
    }
}

/// The pictures of rows as they were made from these; `None` if they are too many.
fn drawn(pictures: &PictureSet, made: &TrainSet) -> Option<PictureSet> {
    let shape = pictures.shape();
    let scaling = &pictures.scaling;
    let mut new = Vec::new();
    let mut rows = Vec::with_capacity(made.rows());
    for (origin, values) in made.origins.iter().zip(made.features.rows()) {
        match *origin {
            Origin::Row(row) => rows.push(row as usize),
            Origin::Synthetic { .. } => {
                rows.push(pictures.len() + new.len() / shape.values());
                new.extend(values.iter().enumerate().map(|(place, &value)| {
                    let of = |all: &[f64], default: f64| all.get(place % shape.channels).copied().unwrap_or(default);
                    let unit = value * of(&scaling.spread, 1.0) + of(&scaling.mean, 0.0);
                    (unit * 255.0).round().clamp(0.0, 255.0) as u8
                }));
            }
        }
    }
    if new.is_empty() {
        return Some(pictures.select(&rows));
    }
    let all = pictures.pictures.joined(&Pictures::new(shape, new).ok()?)?;
    Some(PictureSet { pictures: all.select(&rows), scaling: scaling.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{NamedStrategy, RngKind, SamplingStrategy};
    use crate::ml::picture::{PictureScaling, PictureShape};

    fn step(method: ResampleMethod) -> ResampleStep {
        let sampling_strategy = SamplingStrategy::Ratio(1.0);
        ResampleStep { method, sampling_strategy, seed: None, rng: RngKind::Default, keep_integers: false }
    }

    const SHAPE: PictureShape = PictureShape { height: 1, width: 2, channels: 1 };

    /// Six dark negatives and three bright positives.
    fn set() -> TrainSet {
        let pixels: Vec<u8> = vec![0, 0, 4, 0, 0, 4, 4, 4, 8, 0, 0, 8, 200, 200, 220, 200, 200, 240];
        let pictures = Pictures::new(SHAPE, pixels).unwrap();
        let scaling = PictureScaling::of(&pictures);
        let labels = (0..9).map(|row| row >= 6).collect();
        let set = TrainSet::new(Array2::zeros((9, 0)), labels);
        TrainSet { pictures: Some(PictureSet { pictures, scaling }), ..set }
    }

    fn resampled(method: ResampleMethod) -> Resampled {
        let go_on = &mut |_: f64| ControlFlow::Continue(());
        apply(0, &step(method), set(), Seed(1), go_on).unwrap()
    }

    fn picture(set: &TrainSet, row: usize) -> &[u8] {
        set.pictures.as_ref().unwrap().pictures.get(row)
    }

    #[test]
    fn copies_share_their_pixels_and_have_their_originals() {
        let Resampled { set, .. } = resampled(ResampleMethod::RandomOverSampler { shrinkage: None });
        assert_eq!(set.class_counts().positive, 6);
        for (row, origin) in set.origins.iter().enumerate() {
            let Origin::Row(of) = *origin else { panic!("{origin:?}") };
            assert_eq!(picture(&set, row), picture(&super::tests::set(), of as usize));
        }
    }

    #[test]
    fn pictures_are_made_between_those_of_the_class() {
        let Resampled { set, .. } = resampled(ResampleMethod::Smote { k_neighbors: 2 });
        assert_eq!((set.rows(), set.features.dim()), (12, (12, 0)));
        for row in 0..9 {
            assert_eq!(
                (set.origins[row], picture(&set, row)),
                (Origin::Row(row as u32), picture(&super::tests::set(), row))
            );
        }
        for row in 9..12 {
            assert!(
                matches!(set.origins[row], Origin::Synthetic { step: 0, parents } if parents.iter().all(|p| *p >= 6))
            );
            let [left, right] = *picture(&set, row) else { panic!() };
            assert!((200..=220).contains(&left) && (200..=240).contains(&right), "{left} {right}");
        }
    }

    #[test]
    fn what_one_step_made_the_next_one_knows_by_its_parents() {
        let go_on = &mut |_: f64| ControlFlow::Continue(());
        let first = resampled(ResampleMethod::RandomUnderSampler { replacement: false }).set;
        assert_eq!(first.class_counts().negative, 3);
        let kept: Vec<Origin> = first.origins.clone();
        let links = ResampleStep {
            sampling_strategy: SamplingStrategy::Named(NamedStrategy::Auto),
            ..step(ResampleMethod::TomekLinks)
        };
        let second = apply(1, &links, first, Seed(1), go_on).unwrap();
        assert!(second.set.origins.iter().all(|origin| kept.contains(origin)));
        for (row, origin) in second.set.origins.iter().enumerate() {
            assert_eq!(picture(&second.set, row), picture(&super::tests::set(), root(*origin) as usize));
        }
    }
}
