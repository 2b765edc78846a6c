//! What is counted of the pictures of an archive.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ml::picture::Decoded;
use crate::ml::table::{ImageFile, ImageSize, ImageSummary};

/// Sizes that are listed.
const MAX_SIZES: usize = 20;
/// Files that are listed.
pub(super) const MAX_FILES: usize = 100;
/// The largest value of a pixel.
const WHITE: f64 = 255.0;

/// What one picture adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    height: usize,
    width: usize,
    colored: bool,
    transparent: bool,
    format: &'static str,
    values: u64,
    sum: u64,
    squares: u64,
    /// Of size and pixels.
    print: u64,
}

impl Traits {
    pub(super) fn of(picture: &Decoded) -> Self {
        let mut hasher = DefaultHasher::new();
        (picture.height, picture.width, &picture.pixels).hash(&mut hasher);
        let (sum, squares) = picture.pixels.iter().fold((0, 0), |(sum, squares), &value| {
            let value = u64::from(value);
            (sum + value, squares + value * value)
        });
        Self {
            height: picture.height,
            width: picture.width,
            colored: picture.channels > 1,
            transparent: picture.transparent,
            format: picture.format,
            values: picture.pixels.len() as u64,
            sum,
            squares,
            print: hasher.finish(),
        }
    }
}

/// The pictures so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sizes: HashMap<(usize, usize), u64>,
    formats: BTreeMap<String, u64>,
    pictures: u64,
    colored: u64,
    transparent: u64,
    values: u128,
    sum: u128,
    squares: u128,
    /// The row of the first picture of each print.
    first: HashMap<u64, usize>,
    /// Rows of later ones, each with the first.
    repeats: Vec<(usize, usize)>,
    unreadable_count: u64,
    unreadable: Vec<ImageFile>,
}

impl Tally {
    pub(super) fn add(&mut self, row: usize, traits: Traits) {
        *self.sizes.entry((traits.height, traits.width)).or_default() += 1;
        *self.formats.entry(traits.format.to_owned()).or_default() += 1;
        self.pictures += 1;
        self.colored += u64::from(traits.colored);
        self.transparent += u64::from(traits.transparent);
        self.values += u128::from(traits.values);
        self.sum += u128::from(traits.sum);
        self.squares += u128::from(traits.squares);
        match self.first.get(&traits.print) {
            Some(&first) => self.repeats.push((row, first)),
            None => {
                self.first.insert(traits.print, row);
            }
        }
    }

    pub(super) fn add_unreadable(&mut self, path: &str, reason: String) {
        self.unreadable_count += 1;
        if self.unreadable.len() < MAX_FILES {
            self.unreadable.push(ImageFile { path: path.to_owned(), reason });
        }
    }

    pub(super) fn pictures(&self) -> u64 {
        self.pictures
    }

    pub(super) fn unreadable(&self) -> (u64, &[ImageFile]) {
        (self.unreadable_count, &self.unreadable)
    }

    /// Rows whose picture came before, each with the first row that has it.
    pub(super) fn repeats(&self) -> &[(usize, usize)] {
        &self.repeats
    }

    /// Everything but what is known of other files and of labels.
    pub(super) fn summary(self) -> ImageSummary {
        let mut sizes: Vec<ImageSize> = self
            .sizes
            .into_iter()
            .map(|((height, width), count)| ImageSize { height: height as u32, width: width as u32, count })
            .collect();
        sizes.sort_by_key(|size| (std::cmp::Reverse(size.count), size.height, size.width));
        let other_sizes = sizes.iter().skip(MAX_SIZES).map(|size| size.count).sum();
        sizes.truncate(MAX_SIZES);
        let values = self.values.max(1) as f64;
        let mean = self.sum as f64 / values;
        // Of whole numbers, which f64 has exactly up to far beyond any archive's sums of pixels times pixels.
        let variance = (self.squares as f64 / values - mean * mean).max(0.0);
        ImageSummary {
            sizes,
            other_sizes,
            grey: self.pictures - self.colored,
            color: self.colored,
            transparent: self.transparent,
            formats: self.formats,
            mean: mean / WHITE,
            std: variance.sqrt() / WHITE,
            duplicates: self.repeats.len() as u64,
            conflicting_duplicates: 0,
            unreadable_count: self.unreadable_count,
            unreadable: self.unreadable,
            manifest: None,
            other_files_count: 0,
            other_files: Vec::new(),
        }
    }
}
