//! Pictures in small, for whoever looks at many of them.

use ndarray::Array2;

use super::{PictureShape, Pictures};

/// The shares of red, green and blue in grey, as ITU-R BT.601 has them.
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// A picture of any size as one of `height` times `width` pixels with values from 0 to 1, the channels kept: the mean of
/// what each pixel stands for, or the nearest pixel where the picture is smaller.
pub fn thumbnail(picture: &[u8], shape: PictureShape, height: usize, width: usize) -> Vec<f32> {
    let lines = stretches(shape.height, height);
    let columns = stretches(shape.width, width);
    let mut small = Vec::with_capacity(height * width * shape.channels);
    for line in &lines {
        for column in &columns {
            for channel in 0..shape.channels {
                small.push(mean(picture, shape, line, column, channel));
            }
        }
    }
    small
}

/// [`thumbnail`] without colour.
pub fn grey_thumbnail(picture: &[u8], shape: PictureShape, height: usize, width: usize) -> Vec<f32> {
    let small = thumbnail(picture, shape, height, width);
    match shape.channels {
        3 => small
            .chunks_exact(3)
            .map(|pixel| pixel.iter().zip(GREY).map(|(value, share)| value * share).sum())
            .collect(),
        _ => small,
    }
}

/// One row per picture: its thumbnail of at most `side` pixels a side, value by value.
pub fn thumbnails(pictures: &Pictures, side: usize) -> Array2<f64> {
    let shape = pictures.shape();
    let (height, width) = (shape.height.min(side), shape.width.min(side));
    let values = height * width * shape.channels;
    let mut all = Vec::with_capacity(pictures.len() * values);
    for row in 0..pictures.len() {
        all.extend(thumbnail(pictures.get(row), shape, height, width).into_iter().map(f64::from));
    }
    // The length is that of the shape.
    Array2::from_shape_vec((pictures.len(), values), all).unwrap_or_default()
}

/// Which of so many pixels each of some others stands for; at least one.
fn stretches(from: usize, to: usize) -> Vec<std::ops::Range<usize>> {
    let stretch = |at: usize| {
        let start = (at * from / to.max(1)).min(from.saturating_sub(1));
        start..((at + 1) * from / to.max(1)).max(start + 1)
    };
    (0..to).map(stretch).collect()
}

fn mean(
    picture: &[u8],
    shape: PictureShape,
    lines: &std::ops::Range<usize>,
    columns: &std::ops::Range<usize>,
    channel: usize,
) -> f32 {
    let mut sum = 0_u64;
    for line in lines.clone() {
        let start = (line * shape.width + columns.start) * shape.channels + channel;
        let values = picture.get(start..).unwrap_or_default().iter().step_by(shape.channels.max(1));
        sum += values.take(columns.len()).map(|&value| u64::from(value)).sum::<u64>();
    }
    sum as f32 / (lines.len() * columns.len()).max(1) as f32 / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_has_the_means_of_what_its_pixels_stand_for() {
        let shape = PictureShape { height: 2, width: 4, channels: 1 };
        let picture = [0, 51, 102, 153, 51, 102, 255, 0];
        let close = |found: Vec<f32>, expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        close(thumbnail(&picture, shape, 1, 2), &[0.2, 0.5]);
        // Five of three: the nearest.
        let line = PictureShape { height: 1, width: 3, channels: 1 };
        close(thumbnail(&[0, 51, 255], line, 1, 5), &[0.0, 0.0, 0.2, 0.2, 1.0]);
    }

    #[test]
    fn colors_are_kept_or_made_grey() {
        let shape = PictureShape { height: 1, width: 2, channels: 3 };
        let picture = [255, 0, 0, 0, 255, 255];
        assert_eq!(thumbnail(&picture, shape, 1, 1), [0.5, 0.5, 0.5]);
        let grey = grey_thumbnail(&picture, shape, 1, 2);
        assert!((grey[0] - 0.299).abs() < 1e-6 && (grey[1] - 0.701).abs() < 1e-6, "{grey:?}");
        let rows = thumbnails(&Pictures::new(shape, [picture, picture].concat()).unwrap(), 8);
        assert_eq!((rows.dim(), rows[[1, 3]], rows[[1, 4]]), ((2, 6), 0.0, 1.0));
    }
}
