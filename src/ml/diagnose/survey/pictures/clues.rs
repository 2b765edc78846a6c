//! Single numbers of a picture, and how well each alone tells the classes apart.

use crate::ml::metrics::{average_precision, roc_auc};
use crate::ml::picture::{Pictures, thumbnail};

/// A number of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clue {
    pub name: &'static str,
    /// Whether it is one of the file, not of what is seen.
    pub of_file: bool,
    /// How well it ranks the pictures, 1/2 to 1.
    pub auc: f64,
    /// The average precision of ranking by it, the better way round.
    pub average_precision: f64,
}

/// All that vary, the most telling first.
pub(super) fn of(pictures: &Pictures, labels: &[bool]) -> Vec<Clue> {
    let mut clues: Vec<Clue> = numbers(pictures)
        .into_iter()
        .filter_map(|(name, of_file, values)| clue(name, of_file, &values, labels))
        .collect();
    clues.sort_by(|a, b| b.auc.total_cmp(&a.auc));
    clues
}

fn clue(name: &'static str, of_file: bool, values: &[f64], labels: &[bool]) -> Option<Clue> {
    if values.len() != labels.len() {
        return None;
    }
    let auc = roc_auc(labels, values)?;
    let turned: Vec<f64> = values.iter().map(|value| if auc < 0.5 { -value } else { *value }).collect();
    Some(Clue { name, of_file, auc: auc.max(1.0 - auc), average_precision: average_precision(labels, &turned)? })
}

/// Each number of every picture; of files only where all are known.
fn numbers(pictures: &Pictures) -> Vec<(&'static str, bool, Vec<f64>)> {
    let rows = 0..pictures.len();
    let shape = pictures.shape();
    let mean = |row: usize| thumbnail(pictures.get(row), shape, 1, 1);
    let channel = |at: usize| rows.clone().map(|row| f64::from(mean(row).get(at).copied().unwrap_or(0.0))).collect();
    let mut numbers: Vec<(&'static str, bool, Vec<f64>)> = match shape.channels {
        1 => vec![("the mean brightness", false, channel(0))],
        _ => vec![
            ("the mean red", false, channel(0)),
            ("the mean green", false, channel(1)),
            ("the mean blue", false, channel(2)),
        ],
    };
    numbers.push(("the contrast", false, rows.clone().map(|row| contrast(pictures.get(row))).collect()));
    let sizes: Vec<[f64; 2]> = rows
        .filter_map(|row| pictures.original_size(row))
        .map(|[height, width]| [height.into(), width.into()])
        .collect();
    let mut of_files =
        |name, number: fn(&[f64; 2]) -> f64| numbers.push((name, true, sizes.iter().map(number).collect()));
    of_files("the number of pixels of the file", |[height, width]| height * width);
    of_files("the width over the height of the file", |[height, width]| width / height.max(1.0));
    numbers
}

/// The standard deviation of all values.
fn contrast(picture: &[u8]) -> f64 {
    let count = picture.len().max(1) as f64;
    let mean = picture.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    (picture.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::{Originals, PictureShape};

    #[test]
    fn the_number_that_goes_with_the_class_is_first() {
        let shape = PictureShape { height: 2, width: 1, channels: 3 };
        let labels: Vec<bool> = (0..20).map(|row| row % 4 == 0).collect();
        let pixel = |row: usize| [(row * 37 % 200) as u8, 200 - 50 * u8::from(labels[row]), 9];
        let pictures =
            Pictures::new(shape, (0..20).flat_map(|row| [pixel(row), pixel(row)].concat()).collect()).unwrap();
        let clues = of(&pictures, &labels);
        assert_eq!((clues[0].name, clues[0].auc, clues[0].average_precision), ("the mean green", 1.0, 1.0));
        assert!(clues.iter().all(|clue| !clue.of_file));
        let sizes = labels.iter().map(|&label| if label { [10, 10] } else { [12, 12] }).collect();
        let clues = of(&pictures.with_originals(Originals { sizes, unreadable: 0 }), &labels);
        assert!(clues.iter().any(|clue| clue.of_file && clue.auc == 1.0), "{clues:?}");
    }
}
