//! How a picture of any size becomes one of the size that a model reads.

use serde::{Deserialize, Serialize};

use super::PictureShape;

/// What happens to a picture whose sides have another ratio than those of the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The whole picture, as large as fits, in the middle; what is left is black.
    Fit,
    /// As small as covers the shape; what juts out on two sides is cut off.
    Fill,
    /// Each side by itself.
    Stretch,
}

/// What decoded pictures are turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureSpec {
    pub shape: PictureShape,
    pub resize: Resize,
}
