//! Pictures whose values are features of their rows.

use super::{PictureScaling, Pictures};

/// Rows with the pictures that some of their features were taken from.
#[derive(Debug, Clone)]
pub struct FlatPictures {
    pub pictures: Pictures,
    pub scaling: PictureScaling,
    /// Features, each with the place in the picture that it is the scaled value of.
    pub columns: Vec<(usize, u32)>,
}

impl FlatPictures {
    /// The given rows, in the given order.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self { pictures: self.pictures.select(rows), ..self.clone() }
    }
}
