//! Resampling of pictures: by the numbers of their rows where that is all a method needs, else in the space of their
//! pixels, as networks read them, or of an embedding. A picture that a method makes is rounded to 8 bits and put behind those
//! that there were.
//!
//! In an embedding a method finds its neighbours and makes a row between two of them; the picture of that row lies between
//! the pixels of the same two, by the same share of the way. What a method does with rows that it has made, such as cleaning up
//! after itself, it does where they lie in the embedding, between their parents.

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView1};

use super::{Embedding, RemovalReason, Removed, ResampleError, Resampled, apply, root};
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

/// The share of a step that embedding the pictures is.
const EMBEDDING_SHARE: f64 = 0.3;

/// [`apply`] to rows that are pictures.
///
/// # Errors
/// As [`super::apply_within`].
pub(super) fn apply_to_pictures(
    step_index: usize,
    step: &ResampleStep,
    set: &TrainSet,
    pictures: &PictureSet,
    seed: Seed,
    embedding: Option<&Embedding<'_>>,
    progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>,
) -> Result<Resampled, ResampleError> {
    let features = match step.embeds() {
        true => {
            let embed = embedding.ok_or(ResampleError::NoEmbedding)?;
            embed(pictures, &mut |share| progress(EMBEDDING_SHARE * share))?
        }
        false if step.method.reads_rows() => pixels(pictures),
        false => Array2::zeros((set.rows(), 0)),
    };
    let embedded = (step.embeds() && step.method.makes_rows()).then(|| features.clone());
    let before = if step.embeds() { EMBEDDING_SHARE } else { 0.0 };
    let progress = &mut |share: f64| progress(before + (1.0 - before) * share);
    let plain = TrainSet {
        features,
        labels: set.labels.clone(),
        // Of this set; they become those of the training part below.
        origins: (0..set.rows() as u32).map(Origin::Row).collect(),
        weights: None,
        kinds: FeatureKinds::default(),
        pictures: None,
    };
    let within = ResampleStep { space: None, ..step.clone() };
    let Resampled { set: made, removed, notes } = apply(step_index, &within, plain, seed, progress)?;
    let before = |origin: Origin| original(set, origin);
    let pictures = drawn(pictures, &made, embedded.as_ref())
        .ok_or(ResampleError::TooManyRows { rows: made.rows(), most: u32::MAX as usize })?;
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

/// The pictures of rows as they were made from these, by where those lie in an embedding if they do; `None` if they are too
/// many.
fn drawn(pictures: &PictureSet, made: &TrainSet, embedded: Option<&Array2<f64>>) -> Option<PictureSet> {
    let shape = pictures.shape();
    let scaling = &pictures.scaling;
    let mut new = Vec::new();
    let mut rows = Vec::with_capacity(made.rows());
    for (origin, values) in made.origins.iter().zip(made.features.rows()) {
        match *origin {
            Origin::Row(row) => rows.push(row as usize),
            Origin::Synthetic { parents, .. } if embedded.is_some() => {
                rows.push(pictures.len() + new.len() / shape.values());
                let [from, to] = parents.map(|row| row as usize);
                let at = embedded.map_or(0.0, |rows| share_of_way(rows.row(from), rows.row(to), values));
                let ends = pictures.pictures.get(from).iter().zip(pictures.pictures.get(to));
                new.extend(ends.map(|(&from, &to)| {
                    let (from, to) = (f64::from(from), f64::from(to));
                    (from + at * (to - from)).round().clamp(0.0, 255.0) as u8
                }));
            }
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

/// How far from one place to another a third lies on the line through both; 0 where both are the same place, as near as numbers
/// tell.
fn share_of_way(from: ArrayView1<'_, f64>, to: ArrayView1<'_, f64>, at: ArrayView1<'_, f64>) -> f64 {
    const SAME: f64 = 1e-20;
    let (mut along, mut length, mut size) = (0.0, 0.0, 0.0);
    for ((&from, &to), &at) in from.iter().zip(to).zip(at) {
        along += (at - from) * (to - from);
        length += (to - from) * (to - from);
        size += from * from + to * to;
    }
    if length > SAME * size { along / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{NamedStrategy, RngKind, SamplingStrategy, Space};
    use crate::ml::picture::{PictureScaling, PictureShape};

    fn step(method: ResampleMethod) -> ResampleStep {
        let sampling_strategy = SamplingStrategy::Ratio(1.0);
        ResampleStep { method, sampling_strategy, seed: None, rng: RngKind::Default, keep_integers: false, space: None }
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

    /// Where the six negatives and the three positives of [`set`] lie: the first and the last positive beside each other, the
    /// second far off, beside a negative.
    fn places(pictures: &PictureSet, progress: &mut dyn FnMut(f64) -> ControlFlow<Stop>) -> Result<Array2<f64>, Stop> {
        assert!(progress(0.0).is_continue());
        let place = |row: usize| match pictures.pictures.get(row) {
            [200, 200] => 0.0,
            [200, 240] => 1.0,
            [220, 200] => 50.0,
            [left, right] => 51.0 + 10.0 * f64::from(*left) + 3.0 * f64::from(*right),
            other => panic!("{other:?}"),
        };
        Ok(Array2::from_shape_fn((pictures.len(), 1), |(row, _)| place(row)))
    }

    fn in_embedding(method: ResampleMethod, sampling_strategy: SamplingStrategy) -> Resampled {
        let go_on = &mut |_: f64| ControlFlow::Continue(());
        let step = ResampleStep { space: Some(Space::Embedding), sampling_strategy, ..step(method) };
        super::super::apply_within(0, &step, set(), Seed(1), Some(&places), go_on).unwrap()
    }

    #[test]
    fn neighbours_of_an_embedding_are_joined_by_their_pixels() {
        let Resampled { set, .. } =
            in_embedding(ResampleMethod::Smote { k_neighbors: 1 }, SamplingStrategy::Ratio(1.0));
        assert_eq!((set.rows(), set.features.dim()), (12, (12, 0)));
        let mut between = 0;
        for row in 9..12 {
            let Origin::Synthetic { parents: [from, to], .. } = set.origins[row] else { panic!() };
            // By pixels, the first and the second would be nearest to each other.
            assert!([(6, 8), (8, 6), (7, 8)].contains(&(from, to)), "{from} {to}");
            let [left, right] = *picture(&set, row) else { panic!() };
            match (from, to) {
                (7, 8) => assert!((f64::from(240 - right) - 2.0 * f64::from(left - 200)).abs() <= 2.0),
                _ => assert_eq!(left, 200),
            }
            between += usize::from((201..240).contains(&right));
        }
        assert!(between > 0, "none lies between its parents");
    }

    #[test]
    fn links_of_an_embedding_are_removed() {
        let auto = SamplingStrategy::Named(NamedStrategy::Auto);
        let Resampled { set: kept, removed, .. } = in_embedding(ResampleMethod::TomekLinks, auto);
        assert_eq!(kept.rows(), 8);
        assert_eq!(removed.iter().map(|removed| removed.origin).collect::<Vec<_>>(), [Origin::Row(0)]);
        assert_eq!(kept.pictures.unwrap().pictures.get(0), [4, 0]);
    }

    /// Every method that may go by an embedding does, whatever it makes of these few rows.
    #[test]
    fn all_methods_that_look_for_neighbours_do_so_in_an_embedding() {
        let read = |method: &str| {
            let mut step = serde_json::json!({"method": method});
            if method == "cluster_centroids" {
                step["voting"] = "hard".into();
            }
            let limits = &crate::ml::config::ConfigLimits::STANDARD;
            crate::ml::config::check_resample_steps(&serde_json::json!([step]), limits, None).unwrap().remove(0)
        };
        for method in [
            "smote",
            "borderline_smote",
            "svm_smote",
            "kmeans_smote",
            "adasyn",
            "prowsyn",
            "smote_tomek",
            "smoteenn",
            "tomek_links",
            "edited_nearest_neighbours",
            "repeated_edited_nearest_neighbours",
            "all_knn",
            "near_miss",
            "neighbourhood_cleaning_rule",
            "condensed_nearest_neighbour",
            "one_sided_selection",
            "instance_hardness_threshold",
            "cluster_centroids",
        ] {
            let step = ResampleStep { space: Some(Space::Embedding), ..read(method) };
            assert_eq!(step.method.no_embedding(), None, "{method}");
            let go_on = &mut |_: f64| ControlFlow::Continue(());
            let made = super::super::apply_within(0, &step, set(), Seed(1), Some(&places), go_on).unwrap();
            let pictures = made.set.pictures.unwrap();
            assert_eq!((pictures.len(), made.set.origins.len()), (made.set.labels.len(), pictures.len()), "{method}");
            let made = made.set.origins.iter().filter(|origin| matches!(origin, Origin::Synthetic { .. })).count();
            assert!(made == 0 || step.method.adds_rows(), "{method} made {made} pictures");
        }
    }

    #[test]
    fn without_an_embedding_there_is_nothing_to_go_by() {
        let step = ResampleStep { space: Some(Space::Embedding), ..step(ResampleMethod::TomekLinks) };
        let go_on = &mut |_: f64| ControlFlow::Continue(());
        assert_eq!(apply(0, &step, set(), Seed(1), go_on), Err(ResampleError::NoEmbedding));
        let table = TrainSet::new(Array2::zeros((2, 1)), vec![true, false]);
        assert_eq!(apply(0, &step, table, Seed(1), go_on), Err(ResampleError::NoEmbedding));
    }

    #[test]
    fn the_share_of_the_way_is_found_again() {
        let [from, to] = [ndarray::arr1(&[1.0, -2.0, 0.5]), ndarray::arr1(&[4.0, 2.0, 0.5])];
        for share in [0.0, 0.25, 1.0, -0.5] {
            let at = &from + &((&to - &from) * share);
            assert!((share_of_way(from.view(), to.view(), at.view()) - share).abs() < 1e-12);
        }
        assert_eq!(share_of_way(from.view(), from.view(), from.view()), 0.0);
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
