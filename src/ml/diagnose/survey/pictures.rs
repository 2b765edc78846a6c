//! What the pictures of the parts tell, from samples: whether a single number of a picture gives its class away, whether
//! judged pictures have nearly been learnt from, whether what augmentation makes looks like the other class.

mod clues;
mod meaning;
mod twins;

use crate::ml::picture::Pictures;
use crate::ml::seed::Seed;
use crate::ml::table::{Table, Values};

use super::{SurveyInput, sample_of};
pub use clues::Clue;
pub use meaning::Meaning;
pub use twins::NearTwins;

/// Training pictures looked at, at most.
const MAX_PICTURES: usize = 5_000;

/// What is known of the pictures before anything is learnt.
#[derive(Debug, Clone)]
pub struct PictureSurvey {
    /// Training pictures, and files that are none because they cannot be read.
    pub pictures: usize,
    pub unreadable: u64,
    /// The largest value of any pixel looked at.
    pub largest: u8,
    /// How many pixels of the files one pixel of the model stands for along a side, at the median; where the files are
    /// known.
    pub shrunk: Option<f64>,
    /// What single numbers of a picture say of its class, the most telling first.
    pub clues: Vec<Clue>,
    pub twins: NearTwins,
    /// What each augmentation step makes of pictures of the class that it changes.
    pub meanings: Vec<Meaning>,
}

/// Looks at the column of pictures, if there is one.
pub fn survey_pictures(input: &SurveyInput<'_>) -> Option<PictureSurvey> {
    let SurveyInput { train, validation, test, seed, augment } = *input;
    let seed: Seed = seed.derive("pictures");
    let all = pictures_of(train.features)?;
    let rows = sample_of(train.labels, MAX_PICTURES, seed);
    let labels: Vec<bool> = rows.iter().map(|&row| train.labels[row]).collect();
    let some = all.select(&rows);
    let judged = [validation, test].into_iter().filter_map(|part| Some((pictures_of(part.features)?, part.labels)));
    let minority = train.counts().minority_is_positive();
    Some(PictureSurvey {
        pictures: all.len(),
        unreadable: all.unreadable(),
        largest: (0..some.len()).flat_map(|row| some.get(row)).copied().max().unwrap_or(0),
        shrunk: shrunk(&some),
        clues: clues::of(&some, &labels),
        twins: twins::of(all, train.labels, &judged.collect::<Vec<_>>()),
        meanings: meaning::of(&some, &labels, augment, minority, seed),
    })
}

fn pictures_of(table: &Table) -> Option<&Pictures> {
    table.columns().iter().find_map(|column| match &column.values {
        Values::Pictures(pictures) => Some(pictures),
        _ => None,
    })
}

/// The median of the longer side in the file over that in the picture.
fn shrunk(pictures: &Pictures) -> Option<f64> {
    let longest = pictures.shape().height.max(pictures.shape().width).max(1) as f64;
    let sizes = (0..pictures.len()).filter_map(|row| pictures.original_size(row));
    let mut factors: Vec<f64> = sizes.map(|[height, width]| f64::from(height.max(width)) / longest).collect();
    factors.sort_unstable_by(f64::total_cmp);
    factors.get(factors.len() / 2).copied()
}
