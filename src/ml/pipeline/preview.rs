//! What augmentation makes of training pictures, before anything is trained.

use rand::seq::SliceRandom as _;

use super::error::TrainError;
use super::rows::Rows;
use crate::ml::augment::{PictureAugmenter, Sheet, SheetRow, contact_sheet};
use crate::ml::config::{BatchKind, TrainConfig};
use crate::ml::labels::ClassCounts;
use crate::ml::seed::Seed;
use crate::ml::table::Table;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewSize {
    /// Half of them of each class, as far as there are so many; the rarer class first.
    pub pictures: usize,
    /// Draws of each.
    pub draws: usize,
}

/// A contact sheet of some training pictures, each as it is and as the steps of the configuration may disturb it. The same
/// rows and configuration give the same sheet. Nothing where there are no pictures to learn from.
///
/// # Errors
/// If the rows cannot be divided as the configuration asks.
pub fn preview(table: &Table, config: &TrainConfig, size: PreviewSize) -> Result<Option<Sheet>, TrainError> {
    let seed = Seed(config.seed);
    let rows = Rows::of(table, config)?;
    let train = rows.scored(&rows.split(config, seed)?.train);
    let Some(pictures) = train.pictures() else { return Ok(None) };
    let minority_is_positive = ClassCounts::of(&train.labels).minority_is_positive();
    let balanced = config.training.as_ref().is_some_and(|training| training.batches == BatchKind::Balanced);
    let augmenter = PictureAugmenter::new(&config.augment, pictures.shape(), minority_is_positive).with_partners(
        pictures,
        &train.labels,
        balanced,
    );
    let shown: Vec<SheetRow<'_>> = chosen(&train.labels, minority_is_positive, size.pictures, seed)
        .into_iter()
        .map(|row| SheetRow { pixels: pictures.get(row), is_positive: train.labels[row] })
        .collect();
    Ok(Some(contact_sheet(&shown, size.draws, &augmenter, seed.derive("preview"))))
}

/// Rows of both classes, drawn by chance.
fn chosen(labels: &[bool], minority: bool, count: usize, seed: Seed) -> Vec<usize> {
    let mut rng = seed.stream("preview");
    let mut of_class = |class: bool| {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rows.shuffle(&mut rng);
        rows
    };
    let (rare, others) = (of_class(minority), of_class(!minority));
    let first = count.div_ceil(2).max(count.saturating_sub(others.len())).min(rare.len());
    rare.into_iter().take(first).chain(others.into_iter().take(count - first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_each_class_is_shown_or_what_there_is_of_it() {
        let labels: Vec<bool> = (0..40).map(|row| row % 10 == 0).collect();
        let shown = |count: usize| {
            let rows = chosen(&labels, true, count, Seed(1));
            let rare = rows.iter().filter(|&&row| labels[row]).count();
            assert!(rows.iter().take(rare).all(|&row| labels[row]));
            (rare, rows.len())
        };
        assert_eq!([shown(1), shown(5), shown(12), shown(100)], [(1, 1), (3, 5), (4, 12), (4, 40)]);
        assert_eq!(chosen(&labels, true, 6, Seed(2)), chosen(&labels, true, 6, Seed(2)));
        assert_ne!(chosen(&labels, true, 6, Seed(2)), chosen(&labels, true, 6, Seed(3)));
    }
}
