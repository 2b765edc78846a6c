//! What augmentation makes of training pictures, before anything is trained.

use rand::seq::SliceRandom as _;

use super::error::TrainError;
use super::rows::Rows;
use crate::ml::augment::{PictureAugmenter, Sheet, SheetRow, contact_sheet};
use crate::ml::config::{AugmentClasses, AugmentMethod, AugmentStep, BatchKind, TrainConfig};
use crate::ml::labels::ClassCounts;
use crate::ml::picture::Pictures;
use crate::ml::seed::Seed;
use crate::ml::table::{Table, Values};

/// Pictures that those of a sheet may be mixed with, at most.
const PARTNERS: usize = 64;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewSize {
    /// Half of them of each class, as far as there are so many; the rarer class first.
    pub pictures: usize,
    /// Draws of each.
    pub draws: usize,
}

/// The rows of a sheet, and of the pictures that those on it may be mixed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRows {
    /// Of the table: those shown, then the others.
    pub rows: Vec<usize>,
    shown: usize,
    /// Of `rows`.
    labels: Vec<bool>,
    minority_is_positive: bool,
    size: PreviewSize,
}

/// A contact sheet of some training pictures, each as it is and as the steps of the configuration may disturb it. The same
/// rows and configuration give the same sheet. Nothing where there are no pictures to learn from.
///
/// # Errors
/// If the rows cannot be divided as the configuration asks.
pub fn preview(table: &Table, config: &TrainConfig, size: PreviewSize) -> Result<Option<Sheet>, TrainError> {
    let pictures = table.columns().iter().find_map(|column| match &column.values {
        Values::Pictures(pictures) if !config.exclude.contains(&column.name) => Some(pictures),
        _ => None,
    });
    let Some(pictures) = pictures else { return Ok(None) };
    let rows = preview_rows(table, config, size)?;
    Ok(Some(preview_sheet(&rows, &pictures.select(&rows.rows), config)))
}

/// Chooses the rows of a sheet, for which no picture is looked at.
///
/// # Errors
/// If the rows cannot be divided as the configuration asks.
pub fn preview_rows(table: &Table, config: &TrainConfig, size: PreviewSize) -> Result<PreviewRows, TrainError> {
    let seed = Seed(config.seed);
    let rows = Rows::of(table, config)?;
    let train = rows.split(config, seed)?.train;
    let labels: Vec<bool> = train.iter().map(|&row| rows.labels[row]).collect();
    let minority_is_positive = ClassCounts::of(&labels).minority_is_positive();
    let mut some = chosen(&labels, minority_is_positive, size.pictures, seed);
    let shown = some.len();
    some.extend(partners(config, &labels, minority_is_positive, seed));
    Ok(PreviewRows {
        rows: some.iter().map(|&row| rows.table_rows[train[row]]).collect(),
        shown,
        labels: some.iter().map(|&row| labels[row]).collect(),
        minority_is_positive,
        size,
    })
}

/// The sheet of some rows, whose pictures these are.
pub fn preview_sheet(rows: &PreviewRows, pictures: &Pictures, config: &TrainConfig) -> Sheet {
    let PreviewRows { shown, minority_is_positive, size, .. } = *rows;
    let others: Vec<usize> = (shown..rows.rows.len()).collect();
    let (partners, labels) = (pictures.select(&others), rows.labels.get(shown..).unwrap_or_default());
    let augmenter = PictureAugmenter::new(&config.augment, pictures.shape(), minority_is_positive);
    let augmenter = augmenter.with_partners(&partners, labels, is_balanced(config));
    let on_it = rows.labels.iter().take(shown).enumerate();
    let on_it: Vec<SheetRow<'_>> =
        on_it.map(|(row, &is_positive)| SheetRow { pixels: pictures.get(row), is_positive }).collect();
    contact_sheet(&on_it, size.draws, &augmenter, Seed(config.seed).derive("preview"))
}

fn is_balanced(config: &TrainConfig) -> bool {
    config.training.as_ref().is_some_and(|training| training.batches == BatchKind::Balanced)
}

/// Some of the rows that pictures may be mixed with, by chance: as many of each class as there are for the mixing of training.
fn partners(config: &TrainConfig, labels: &[bool], minority: bool, seed: Seed) -> Vec<usize> {
    let mixes = |step: &&AugmentStep| matches!(step.method, AugmentMethod::Mixup { .. });
    let Some(step) = config.augment.iter().find(mixes) else { return Vec::new() };
    let mut rng = seed.stream("preview partners");
    let mut some = |wanted: &dyn Fn(bool) -> bool, count: usize| {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| wanted(labels[row])).collect();
        rows.shuffle(&mut rng);
        rows.truncate(count);
        rows
    };
    match step.classes {
        AugmentClasses::Minority => some(&|label| label == minority, PARTNERS),
        AugmentClasses::All if is_balanced(config) => {
            let mut rows = some(&|label| label, PARTNERS / 2);
            rows.extend(some(&|label| !label, PARTNERS / 2));
            rows
        }
        AugmentClasses::All => some(&|_| true, PARTNERS),
    }
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
