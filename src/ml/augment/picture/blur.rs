//! Gaussian blur: lines, then columns.

use super::warp::reflected;
use crate::ml::picture::PictureShape;

/// Weights beyond so many standard deviations are left out, as `scipy.ndimage.gaussian_filter` does.
const REACH: f64 = 4.0;

/// Blurs `picture`; `spare` is as long, and written over. The picture is mirrored beyond its edge.
pub(super) fn blur(picture: &mut [f32], spare: &mut [f32], shape: PictureShape, sigma: f64) {
    let weights = weights(sigma);
    if weights.len() == 1 {
        return;
    }
    let PictureShape { height, width, channels } = shape;
    convolve(picture, spare, &weights, [height, width, channels]);
    convolve(spare, picture, &weights, [1, height, width * channels]);
}

/// From the middle outwards. The middle alone for a Gaussian that reaches no neighbour.
fn weights(sigma: f64) -> Vec<f32> {
    let radius = (REACH * sigma + 0.5) as usize;
    let weight = |distance: usize| (-0.5 * (distance as f64 / sigma).powi(2)).exp();
    if radius == 0 {
        return vec![1.0];
    }
    let sum = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
    (0..=radius).map(|distance| (weight(distance) / sum) as f32).collect()
}

/// Along the middle axis of `outer` times `length` times `inner` values.
fn convolve(from: &[f32], to: &mut [f32], weights: &[f32], [outer, length, inner]: [usize; 3]) {
    let block = length * inner;
    for (from, to) in from.chunks_exact(block).zip(to.chunks_exact_mut(block)).take(outer) {
        let place = |at: i64| {
            let start = reflected(at, length) * inner;
            from.get(start..start + inner).unwrap_or_default()
        };
        for (at, to) in to.chunks_exact_mut(inner).enumerate() {
            let at = at as i64;
            let middle = weights.first().copied().unwrap_or(1.0);
            to.iter_mut().zip(place(at)).for_each(|(to, value)| *to = middle * value);
            for (distance, weight) in (1_i64..).zip(weights.iter().skip(1)) {
                let (before, after) = (place(at - distance), place(at + distance));
                for ((to, before), after) in to.iter_mut().zip(before).zip(after) {
                    *to += weight * (before + after);
                }
            }
        }
    }
}
