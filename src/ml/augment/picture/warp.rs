//! Moving pixels: from where in the old picture each pixel of the new one is taken.

use crate::ml::config::{Border, Continued};
use crate::ml::picture::PictureShape;

/// From a place in the new picture to one in the old. Both are in pixels, to the right of and below the centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    /// The old place to the right: `right[0] * u + right[1] * v + right[2]`.
    right: [f64; 3],
    /// The old place below.
    below: [f64; 3],
}

impl Affine {
    /// Turns the picture counter-clockwise.
    pub(super) fn rotation(degrees: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { right: [cos, -sin, 0.0], below: [sin, cos, 0.0] }
    }

    pub(super) fn horizontal_flip() -> Self {
        Self::stretch(-1.0, 1.0)
    }

    pub(super) fn vertical_flip() -> Self {
        Self::stretch(1.0, -1.0)
    }

    /// Moves the picture to the right and down.
    pub(super) fn shift(right: f64, down: f64) -> Self {
        Self { right: [1.0, 0.0, -right], below: [0.0, 1.0, -down] }
    }

    /// Enlarges the picture.
    pub(super) fn scale(factor: f64) -> Self {
        Self::stretch(1.0 / factor, 1.0 / factor)
    }

    /// Stretches a box of these sides, as shares of the picture's, to the whole picture; its centre is so far to the
    /// right of and below that of the picture.
    pub(super) fn crop(width: f64, height: f64, right: f64, below: f64) -> Self {
        Self { right: [width, 0.0, right], below: [0.0, height, below] }
    }

    fn stretch(right: f64, below: f64) -> Self {
        Self { right: [right, 0.0, 0.0], below: [0.0, below, 0.0] }
    }

    /// This change and then another, as one.
    pub(super) fn then(self, next: Self) -> Self {
        let along = |row: [f64; 3]| {
            let [a, b, c] = row;
            let of = |k: usize| a * next.right[k] + b * next.below[k];
            [of(0), of(1), of(2) + c]
        };
        Self { right: along(self.right), below: along(self.below) }
    }
}

/// Draws a picture anew, between its pixels by bilinear interpolation. `from` and `to` have the values of `shape`.
pub(super) fn warp(from: &[f32], shape: PictureShape, affine: &Affine, border: Border, to: &mut [f32]) {
    match shape.channels {
        1 => warp_pixels::<1>(from, shape, affine, border, to),
        3 => warp_pixels::<3>(from, shape, affine, border, to),
        // There are no others.
        _ => to.copy_from_slice(from),
    }
}

fn warp_pixels<const CHANNELS: usize>(
    from: &[f32],
    shape: PictureShape,
    affine: &Affine,
    border: Border,
    to: &mut [f32],
) {
    let (from, _) = from.as_chunks::<CHANNELS>();
    let (to, _) = to.as_chunks_mut::<CHANNELS>();
    let (width, height) = (shape.width, shape.height);
    let centre = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
    let source = Source { from, width, height, border };
    for (y, line) in to.chunks_exact_mut(width).enumerate() {
        let v = y as f64 - centre[1];
        for (x, pixel) in line.iter_mut().enumerate() {
            let u = x as f64 - centre[0];
            let along = |row: [f64; 3], centre: f64| row[0] * u + row[1] * v + row[2] + centre;
            *pixel = source.at(along(affine.right, centre[0]), along(affine.below, centre[1]));
        }
    }
}

/// A picture that is looked at anywhere.
struct Source<'a, const CHANNELS: usize> {
    from: &'a [[f32; CHANNELS]],
    width: usize,
    height: usize,
    border: Border,
}

impl<const CHANNELS: usize> Source<'_, CHANNELS> {
    fn at(&self, x: f64, y: f64) -> [f32; CHANNELS] {
        let (left, right_share) = whole_and_rest(x);
        let (top, lower_share) = whole_and_rest(y);
        let inside = |at: i64, side: usize| at >= 0 && at + 1 < side as i64;
        let pixels = if inside(left, self.width) && inside(top, self.height) {
            let start = top as usize * self.width + left as usize;
            let pair = |start: usize| self.from.get(start..start + 2).unwrap_or_default();
            match (pair(start), pair(start + self.width)) {
                ([a, b], [c, d]) => [*a, *b, *c, *d],
                _ => return [0.0; CHANNELS],
            }
        } else {
            [self.pixel(left, top), self.pixel(left + 1, top), self.pixel(left, top + 1), self.pixel(left + 1, top + 1)]
        };
        let mut mixed = [0.0; CHANNELS];
        for (channel, value) in mixed.iter_mut().enumerate() {
            let [a, b, c, d] = pixels.map(|pixel| pixel[channel]);
            let (upper, lower) = (a + (b - a) * right_share, c + (d - c) * right_share);
            *value = upper + (lower - upper) * lower_share;
        }
        mixed
    }

    /// A pixel of the picture, or what is beyond it.
    fn pixel(&self, x: i64, y: i64) -> [f32; CHANNELS] {
        let place = match self.border {
            Border::Value(value) => {
                let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
                if !inside {
                    return [value as f32; CHANNELS];
                }
                (x as usize, y as usize)
            }
            Border::Continued(Continued::Edge) => (clamped(x, self.width), clamped(y, self.height)),
            Border::Continued(Continued::Reflect) => (reflected(x, self.width), reflected(y, self.height)),
        };
        self.from.get(place.1 * self.width + place.0).copied().unwrap_or([0.0; CHANNELS])
    }
}

/// The whole number below, and what is left.
fn whole_and_rest(value: f64) -> (i64, f32) {
    let towards_zero = value as i64;
    let below = towards_zero - i64::from((towards_zero as f64) > value);
    (below, (value - below as f64) as f32)
}

fn clamped(at: i64, side: usize) -> usize {
    at.clamp(0, side as i64 - 1) as usize
}

/// `c b a | a b c | c b a`
pub(super) fn reflected(at: i64, side: usize) -> usize {
    let side = side as i64;
    let at = at.rem_euclid(2 * side);
    at.min(2 * side - 1 - at) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PictureShape = PictureShape { height: 2, width: 3, channels: 1 };
    const PICTURE: [f32; 6] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];

    fn warped(affine: Affine, border: Border) -> [f32; 6] {
        let mut to = [0.0; 6];
        warp(&PICTURE, SHAPE, &affine, border, &mut to);
        to
    }

    #[test]
    fn flips_and_whole_shifts_keep_every_value_as_it_is() {
        let edge = Border::Continued(Continued::Edge);
        assert_eq!(warped(Affine::horizontal_flip(), edge), [0.3, 0.2, 0.1, 0.6, 0.5, 0.4]);
        assert_eq!(warped(Affine::vertical_flip(), edge), [0.4, 0.5, 0.6, 0.1, 0.2, 0.3]);
        assert_eq!(warped(Affine::shift(1.0, 0.0), edge), [0.1, 0.1, 0.2, 0.4, 0.4, 0.5]);
        assert_eq!(warped(Affine::shift(-2.0, 1.0), Border::Value(0.0)), [0.0, 0.0, 0.0, 0.3, 0.0, 0.0]);
        let reflect = Border::Continued(Continued::Reflect);
        assert_eq!(warped(Affine::shift(2.0, 0.0), reflect), [0.2, 0.1, 0.1, 0.5, 0.4, 0.4]);
        // As far as this, it is mirrored twice.
        assert_eq!(warped(Affine::shift(6.0, 4.0), reflect), PICTURE);
    }

    #[test]
    fn two_changes_are_one() {
        let edge = Border::Continued(Continued::Edge);
        let both = Affine::horizontal_flip().then(Affine::shift(1.0, 0.0));
        assert_eq!(warped(both, edge), [0.3, 0.3, 0.2, 0.6, 0.6, 0.5]);
        // The other way round the shift goes the other way.
        let both = Affine::shift(1.0, 0.0).then(Affine::horizontal_flip());
        assert_eq!(warped(both, edge), [0.2, 0.1, 0.1, 0.5, 0.4, 0.4]);
    }
}
