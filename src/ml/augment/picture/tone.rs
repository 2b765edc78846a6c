//! Steps that change values where they are: brightness, contrast, noise, a covered part.

use rand::Rng as _;
use rand_distr::StandardNormal;

use crate::ml::config::{Fill, OwnFill};
use crate::ml::picture::PictureShape;
use crate::ml::seed::Rng;

/// The shares of red, green and blue in grey, as ITU-R BT.601 and Pillow have them.
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

pub(super) fn brighten(picture: &mut [f32], factor: f32) {
    picture.iter_mut().for_each(|value| *value = (*value * factor).clamp(0.0, 1.0));
}

/// Moves all values away from the mean grey, or towards it.
pub(super) fn change_contrast(picture: &mut [f32], channels: usize, factor: f32) {
    let mean = mean_grey(picture, channels);
    picture.iter_mut().for_each(|value| *value = (mean + (*value - mean) * factor).clamp(0.0, 1.0));
}

fn mean_grey(picture: &[f32], channels: usize) -> f32 {
    let of_pixel = |pixel: &[f32]| match pixel {
        [red, green, blue] => GREY[0] * red + GREY[1] * green + GREY[2] * blue,
        pixel => pixel.first().copied().unwrap_or(0.0),
    };
    let pixels = picture.chunks_exact(channels.max(1));
    let count = pixels.len().max(1);
    (pixels.map(|pixel| f64::from(of_pixel(pixel))).sum::<f64>() / count as f64) as f32
}

pub(super) fn add_noise(picture: &mut [f32], std: f32, rng: &mut Rng) {
    for value in picture {
        *value = (*value + std * rng.sample::<f32, _>(StandardNormal)).clamp(0.0, 1.0);
    }
}

/// Covers what of a rectangle about a drawn place lies within the picture; its sides are `size` times the picture's
/// (DeVries & Taylor 2017).
pub(super) fn cut_out(picture: &mut [f32], shape: PictureShape, size: f64, fill: Fill, rng: &mut Rng) {
    let mut range = |side: usize| {
        let length = ((side as f64 * size).round() as usize).clamp(1, side);
        let centre = rng.random_range(0..side);
        let start = centre.saturating_sub(length / 2);
        start..(centre + length - length / 2).min(side)
    };
    let (lines, columns) = (range(shape.height), range(shape.width));
    let color = match fill {
        Fill::Value(value) => vec![value as f32; shape.channels],
        Fill::Own(OwnFill::Mean) => mean_color(picture, shape.channels),
    };
    let width = shape.width * shape.channels;
    for line in picture.chunks_exact_mut(width).skip(lines.start).take(lines.len()) {
        for pixel in line.chunks_exact_mut(shape.channels).skip(columns.start).take(columns.len()) {
            pixel.copy_from_slice(&color);
        }
    }
}

fn mean_color(picture: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; channels];
    for pixel in picture.chunks_exact(channels.max(1)) {
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (picture.len() / channels.max(1)).max(1) as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}
