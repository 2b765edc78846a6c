//! Pictures as models read them: pixels of 8 bits, all of one shape.
//!
//! Rows of a table share one store of pixels. Dividing, drawing and repeating rows moves numbers of rows, never pixels, so
//! that over-sampling rare pictures costs no memory.

mod decode;
mod flat;
mod originals;
mod place;
mod resample;
mod set;
mod spec;
mod thumbnail;
mod views;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use decode::{DecodeError, DecodeLimits, Decoded, decode, is_picture, pixels_said};
pub use flat::FlatPictures;
pub use originals::Originals;
pub use set::{PictureScaling, PictureSet};
pub use spec::{PictureSpec, Resize};
pub use thumbnail::{grey_thumbnail, thumbnail, thumbnails};
pub use views::Views;

/// Values of a picture, at most.
pub const MAX_PICTURE_VALUES: usize = 1 << 22;

/// The sides of a picture in pixels, and how many values each pixel has: 1 is grey, 3 is red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl PictureShape {
    /// Values of one picture. Saturates instead of overflowing.
    pub fn values(self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(self.channels)
    }

    /// Whether pictures can have it: no side is zero, pixels are grey or coloured, and there are not too many of them.
    pub fn is_possible(self) -> bool {
        matches!(self.channels, 1 | 3) && (1..=MAX_PICTURE_VALUES).contains(&self.values())
    }
}

/// Pixels that do not make up whole pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{values} values are not a whole number of pictures of {} × {} × {}", shape.height, shape.width, shape.channels)]
pub struct PictureError {
    pub shape: PictureShape,
    pub values: usize,
}

/// One picture per row; rows may show the same picture.
#[derive(Debug, Clone)]
pub struct Pictures {
    shape: PictureShape,
    /// Picture after picture; of each, line by line from the top, pixel by pixel from the left.
    store: Arc<Vec<u8>>,
    /// The place of each row's picture in the store.
    rows: Vec<u32>,
    /// What is known of the files behind the store.
    originals: Option<Arc<Originals>>,
}

impl Pictures {
    /// One row per picture, in the order of `pixels`.
    ///
    /// # Errors
    /// If the pixels are not those of whole pictures of a possible shape, or are more than 2³² pictures.
    pub fn new(shape: PictureShape, pixels: Vec<u8>) -> Result<Self, PictureError> {
        let error = PictureError { shape, values: pixels.len() };
        if !shape.is_possible() || !pixels.len().is_multiple_of(shape.values()) {
            return Err(error);
        }
        let count = u32::try_from(pixels.len() / shape.values()).map_err(|_| error)?;
        Ok(Self { shape, store: Arc::new(pixels), rows: (0..count).collect(), originals: None })
    }

    /// The same pictures with what is known of the files that they were read from, in the order of the pixels.
    pub fn with_originals(self, originals: Originals) -> Self {
        Self { originals: Some(Arc::new(originals)), ..self }
    }

    /// Height and width of the file that a row's picture was read from, if that is known.
    pub fn original_size(&self, row: usize) -> Option<[u32; 2]> {
        let place = *self.rows.get(row)?;
        self.originals.as_ref()?.sizes.get(place as usize).copied()
    }

    /// Files that became no picture because they cannot be read.
    pub fn unreadable(&self) -> u64 {
        self.originals.as_ref().map_or(0, |originals| originals.unreadable)
    }

    pub fn shape(&self) -> PictureShape {
        self.shape
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The pixels of a row's picture; empty past the last row.
    pub fn get(&self, row: usize) -> &[u8] {
        let values = self.shape.values();
        let start = self.rows.get(row).map_or(usize::MAX, |&place| place as usize * values);
        self.store.get(start..start.saturating_add(values)).unwrap_or_default()
    }

    /// Equal for equal pictures, and hardly ever for others (FNV-1a over eight bytes at a time).
    pub fn hash_of(&self, row: usize) -> u64 {
        let fold = |hash: u64, bytes: &[u8]| {
            let mut word = [0; 8];
            word.iter_mut().zip(bytes).for_each(|(to, &from)| *to = from);
            let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3);
            mixed ^ (mixed >> 29)
        };
        self.get(row).chunks(8).fold(0xcbf2_9ce4_8422_2325, fold)
    }

    /// The given rows, in the given order; a row may appear more than once. Past the last row there is nothing to select.
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows = rows.iter().filter_map(|&row| self.rows.get(row).copied()).collect();
        Self { rows, store: Arc::clone(&self.store), originals: self.originals.clone(), shape: self.shape }
    }

    /// The rows of both, those of `other` last; `None` if their shapes differ or they are too many.
    pub fn joined(&self, other: &Self) -> Option<Self> {
        if self.shape != other.shape {
            return None;
        }
        if Arc::ptr_eq(&self.store, &other.store) {
            let rows = [self.rows.as_slice(), &other.rows].concat();
            return Some(Self { rows, ..self.clone() });
        }
        let before = u32::try_from(self.store.len() / self.shape.values()).ok()?;
        let rest = other.rows.iter().map(|&place| before.checked_add(place)).collect::<Option<Vec<u32>>>()?;
        let store = Arc::new([self.store.as_slice(), &other.store].concat());
        let originals = match (&self.originals, &other.originals) {
            (Some(own), Some(other)) => Some(Arc::new(own.joined(other))),
            _ => None,
        };
        Some(Self { shape: self.shape, store, rows: [self.rows.as_slice(), &rest].concat(), originals })
    }
}

/// By what each row shows, wherever it lies.
impl PartialEq for Pictures {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
            && self.len() == other.len()
            && (0..self.len()).all(|row| self.get(row) == other.get(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PictureShape = PictureShape { height: 1, width: 2, channels: 1 };

    fn pictures() -> Pictures {
        Pictures::new(SHAPE, vec![1, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn rows_are_selected_without_their_pixels() {
        let some = pictures().select(&[2, 0, 2]);
        assert_eq!([some.get(0), some.get(1), some.get(2), some.get(3)], [&[5, 6][..], &[1, 2], &[5, 6], &[]]);
        assert_eq!(some.select(&[1, 7]).get(0), [1, 2]);
        assert_eq!(some.select(&[1, 7]).len(), 1);
    }

    #[test]
    fn rows_of_two_stores_are_joined() {
        let other = Pictures::new(SHAPE, vec![7, 8, 9, 10]).unwrap().select(&[1]);
        let both = pictures().select(&[0]).joined(&other).unwrap();
        assert_eq!((both.len(), both.get(0), both.get(1)), (2, &[1, 2][..], &[9, 10][..]));
        let same = pictures();
        assert_eq!(same.select(&[1]).joined(&same.select(&[0])).unwrap(), same.select(&[1, 0]));
        let wider = Pictures::new(PictureShape { width: 3, ..SHAPE }, vec![0; 3]).unwrap();
        assert_eq!(same.joined(&wider), None);
    }

    #[test]
    fn rows_know_the_files_that_they_were_read_from() {
        let sizes = vec![[10, 20], [30, 40], [50, 60]];
        let known = pictures().with_originals(Originals { sizes, unreadable: 2 });
        let some = known.select(&[2, 0]);
        assert_eq!(
            [some.original_size(0), some.original_size(1), some.original_size(2)],
            [Some([50, 60]), Some([10, 20]), None]
        );
        let other = Pictures::new(SHAPE, vec![7, 8]).unwrap();
        assert_eq!((some.joined(&other).unwrap().original_size(0), pictures().unreadable()), (None, 0));
        let other = other.with_originals(Originals { sizes: vec![[1, 1]], unreadable: 1 });
        let both = some.joined(&other).unwrap();
        assert_eq!((both.original_size(2), both.unreadable()), (Some([1, 1]), 3));
    }

    #[test]
    fn pixels_that_are_no_pictures_are_refused() {
        assert!(Pictures::new(SHAPE, vec![0; 5]).is_err());
        for (height, channels) in [(0, 1), (1, 2), (1, 0), (1 << 22, 3)] {
            let shape = PictureShape { height, channels, ..SHAPE };
            assert!(Pictures::new(shape, Vec::new()).is_err(), "{shape:?}");
        }
        assert_eq!(Pictures::new(SHAPE, Vec::new()).unwrap().len(), 0);
    }
}
