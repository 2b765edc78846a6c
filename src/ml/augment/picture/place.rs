//! Steps that move a picture: which change of place each of them draws.

use rand::Rng as _;

use super::warp::Affine;
use crate::ml::config::{AugmentMethod, Border, Span};
use crate::ml::picture::PictureShape;
use crate::ml::seed::Rng;

/// Boxes that are drawn for a crop before the whole picture is taken.
const TRIES: usize = 10;

/// A change of place, with what is beyond the edge; nothing where the change never looks there.
pub(super) struct Placement {
    pub(super) affine: Affine,
    pub(super) border: Option<Border>,
}

/// What a step draws; nothing if it moves no pixels.
pub(super) fn draw(method: &AugmentMethod, shape: PictureShape, rng: &mut Rng) -> Option<Placement> {
    let (width, height) = (shape.width as f64, shape.height as f64);
    let (affine, border) = match *method {
        AugmentMethod::Rotation { degrees, border } => (Affine::rotation(degrees.draw(rng)), Some(border)),
        AugmentMethod::HorizontalFlip => (Affine::horizontal_flip(), None),
        AugmentMethod::VerticalFlip => (Affine::vertical_flip(), None),
        AugmentMethod::RandomCrop { padding, border } => {
            let padding = padding as i64;
            let mut offset = || rng.random_range(-padding..=padding) as f64;
            (Affine::shift(offset(), offset()), Some(border))
        }
        AugmentMethod::RandomResizedCrop { scale, ratio } => (resized_crop(scale, ratio, width, height, rng), None),
        AugmentMethod::Translation { fraction, border } => {
            let (right, down) = (fraction.draw(rng), fraction.draw(rng));
            (Affine::shift(right * width, down * height), Some(border))
        }
        AugmentMethod::Scale { factor, border } => (Affine::scale(factor.draw(rng)), Some(border)),
        AugmentMethod::GaussianNoise { .. }
        | AugmentMethod::Brightness { .. }
        | AugmentMethod::Contrast { .. }
        | AugmentMethod::GaussianBlur { .. }
        | AugmentMethod::Cutout { .. }
        | AugmentMethod::Mixup { .. } => return None,
    };
    Some(Placement { affine, border })
}

/// A box within the picture, of a drawn share of its area and a drawn width over height (Szegedy et al. 2015; the ratio
/// is drawn by its logarithm, as torchvision does). Where none fits in ten tries, the whole picture.
fn resized_crop(scale: Span, ratio: Span, width: f64, height: f64, rng: &mut Rng) -> Affine {
    let logarithm = Span { low: ratio.low.ln(), high: ratio.high.ln() };
    for _ in 0..TRIES {
        let (area, ratio) = (scale.draw(rng) * width * height, logarithm.draw(rng).exp());
        let (own_width, own_height) = ((area * ratio).sqrt(), (area / ratio).sqrt());
        if own_width <= width && own_height <= height {
            let mut offset = |room: f64| (rng.random::<f64>() - 0.5) * room;
            let (right, below) = (offset(width - own_width), offset(height - own_height));
            return Affine::crop(own_width / width, own_height / height, right, below);
        }
    }
    Affine::crop(1.0, 1.0, 0.0, 0.0)
}

impl Span {
    /// Evenly from the lower end to the upper. Takes a draw also where they are one.
    pub(super) fn draw(self, rng: &mut Rng) -> f64 {
        self.low + (self.high - self.low) * rng.random::<f64>()
    }
}
