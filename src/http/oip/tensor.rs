//! A tensor that has been read: its shape and its elements, which agree.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::ml::picture::is_picture;
use crate::ml::table::ValueKind;

/// The elements of a tensor, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Elements {
    /// NaN is missing.
    Numbers(Vec<f64>),
    /// `None` is missing.
    Booleans(Vec<Option<bool>>),
    /// The empty text is missing.
    Texts(Texts),
}

/// A tensor with as many elements as its dimensions say; one or two of them, or up to four of pictures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) elements: Elements,
    /// Whether the datatype has fractions.
    pub(super) is_floating: bool,
}

/// Many texts in one allocation.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// A text by its bytes; of a picture its base64.
    ///
    /// # Errors
    /// If they are neither UTF-8 nor a picture.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        match str::from_utf8(bytes) {
            Ok(text) => self.push(text),
            Err(_) if is_picture(bytes) => self.push(&BASE64_STANDARD.encode(bytes)),
            Err(_) => return Err(format!("expected UTF-8, found other bytes in element {}", self.len())),
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text at an index; the empty one where there is none.
    pub(super) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = start.zip(self.ends.get(index).copied());
        range.and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }
}

impl Tensor {
    pub(super) fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Columns of a tensor of one or two dimensions.
    pub(super) fn width(&self) -> Option<usize> {
        match self.shape.as_slice() {
            [_] => Some(1),
            [_, width] => Some(*width),
            _ => None,
        }
    }
}

impl Elements {
    /// What they are to a table.
    pub(super) fn kind(&self) -> ValueKind {
        match self {
            Elements::Numbers(_) => ValueKind::Number,
            Elements::Booleans(_) => ValueKind::Boolean,
            Elements::Texts(_) => ValueKind::Text,
        }
    }

    /// What they are in words.
    pub(super) fn plural(&self) -> &'static str {
        match self {
            Elements::Numbers(_) => "numbers",
            Elements::Booleans(_) => "booleans",
            Elements::Texts(_) => "strings",
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Numbers(numbers) => numbers.len(),
            Elements::Booleans(flags) => flags.len(),
            Elements::Texts(texts) => texts.len(),
        }
    }
}

/// The dimensions of a shape, checked: one to four, none negative, their product a number of elements.
///
/// # Errors
/// What is wrong with them.
pub(super) fn check_shape(dimensions: &[i64]) -> Result<Vec<usize>, String> {
    if !(1..=4).contains(&dimensions.len()) {
        return Err(format!("expected one to four dimensions, found {}", dimensions.len()));
    }
    let dimension = |&dimension: &i64| {
        usize::try_from(dimension).map_err(|_| format!("expected dimensions of 0 or more, found {dimension}"))
    };
    let shape: Vec<usize> = dimensions.iter().map(dimension).collect::<Result<_, _>>()?;
    match elements(&shape) {
        Some(_) => Ok(shape),
        None => Err(format!("the shape {shape:?} has more elements than can be counted")),
    }
}

/// How many elements a shape has; `None` if they cannot be counted.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &dimension| product.checked_mul(dimension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked_before_anything_is_counted_by_them() {
        assert_eq!(check_shape(&[3, 4]), Ok(vec![3, 4]));
        assert_eq!(check_shape(&[0]), Ok(vec![0]));
        for (dimensions, expected) in [
            (vec![], "expected one to four dimensions, found 0"),
            (vec![1, 2, 3, 4, 5], "expected one to four dimensions, found 5"),
            (vec![3, -1], "expected dimensions of 0 or more, found -1"),
            (vec![i64::MAX, i64::MAX], "has more elements than can be counted"),
            (vec![1 << 32, 1 << 32], "has more elements than can be counted"),
        ] {
            let found = check_shape(&dimensions).unwrap_err();
            assert!(found.contains(expected), "{dimensions:?}: {found}");
        }
    }

    #[test]
    fn bytes_of_pictures_become_their_base64() {
        let mut texts = Texts::default();
        texts.push_bytes(b"plain").unwrap();
        texts.push_bytes(b"\x89PNG\r\n\x1a\n\xff").unwrap();
        assert_eq!((texts.get(0), texts.get(1)), ("plain", "iVBORw0KGgr/"));
        assert!(texts.push_bytes(b"\xff\xfe").unwrap_err().contains("element 2"));
    }

    #[test]
    fn texts_are_kept_apart() {
        let mut texts = Texts::default();
        for text in ["red", "", "grün"] {
            texts.push(text);
        }
        assert_eq!((texts.get(0), texts.get(1), texts.get(2), texts.get(3)), ("red", "", "grün", ""));
        assert_eq!(texts.len(), 3);
    }
}
