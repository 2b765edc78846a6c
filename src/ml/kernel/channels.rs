//! What is done to each channel of a picture by itself: its values lie as lines of pixels, each pixel with all its
//! channels, padded to a multiple of [`LANES`]. Lines may be apart, with borders between them that nobody touches.

use super::{LANES, vectorized};

/// Lines of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    pub lines: usize,
    pub pixels: usize,
    /// A multiple of [`LANES`].
    pub channels: usize,
}

/// What follows the sum of a line's values and those skipped to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// The larger of it and 0.
    Relu,
}

/// The sixteen values at a place; its length was looked at by whoever sliced the line.
#[inline(always)]
fn at(line: &[f32], place: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&line[place..place + LANES]);
    lanes
}

#[inline(always)]
fn put(line: &mut [f32], place: usize, lanes: [f32; LANES]) {
    line[place..place + LANES].copy_from_slice(&lanes);
}

#[inline(always)]
fn relu(value: f32) -> f32 {
    // A comparison that keeps NaN.
    if value <= 0.0 { 0.0 } else { value }
}

impl Lines {
    /// Values of a line.
    fn length(self) -> usize {
        self.pixels * self.channels
    }
}

vectorized! {
    /// Adds to `sums` and `squares`, one per channel.
    pub fn channel_moments(lines: Lines, values: (&[f32], usize), sums: &mut [f64], squares: &mut [f64]) {
        for first in (0..lines.channels).step_by(LANES) {
            let (mut sum, mut square) = ([0.0_f64; LANES], [0.0_f64; LANES]);
            for line in 0..lines.lines {
                let line = &values.0[line * values.1..][..lines.length()];
                for pixel in 0..lines.pixels {
                    let found = at(line, pixel * lines.channels + first);
                    for lane in 0..LANES {
                        let value = f64::from(found[lane]);
                        sum[lane] += value;
                        square[lane] = value.mul_add(value, square[lane]);
                    }
                }
            }
            for lane in 0..LANES {
                sums[first + lane] += sum[lane];
                squares[first + lane] += square[lane];
            }
        }
    }
}

vectorized! {
    /// Adds to `sums`, one per channel.
    pub fn channel_sums(lines: Lines, values: (&[f32], usize), sums: &mut [f64]) {
        for first in (0..lines.channels).step_by(LANES) {
            let mut sum = [0.0_f64; LANES];
            for line in 0..lines.lines {
                let line = &values.0[line * values.1..][..lines.length()];
                for pixel in 0..lines.pixels {
                    let found = at(line, pixel * lines.channels + first);
                    for lane in 0..LANES {
                        sum[lane] += f64::from(found[lane]);
                    }
                }
            }
            for lane in 0..LANES {
                sums[first + lane] += sum[lane];
            }
        }
    }
}

vectorized! {
    /// Writes `factor · value + offset`, by channel, plus what is skipped to it, and what then becomes of that. `affine` are
    /// factor and offset.
    pub fn finish_channels(
        lines: Lines,
        values: (&[f32], usize),
        affine: [&[f32]; 2],
        skipped: Option<(&[f32], usize)>,
        then: Then,
        to: (&mut [f32], usize),
    ) {
        let length = lines.length();
        let (to, to_step) = to;
        for first in (0..lines.channels).step_by(LANES) {
            let (factor, offset) = (at(affine[0], first), at(affine[1], first));
            for line in 0..lines.lines {
                let from = &values.0[line * values.1..][..length];
                let to = &mut to[line * to_step..][..length];
                let skipped = skipped.map(|(skipped, step)| &skipped[line * step..][..length]);
                for pixel in 0..lines.pixels {
                    let place = pixel * lines.channels + first;
                    let mut found = at(from, place);
                    for lane in 0..LANES {
                        found[lane] = found[lane].mul_add(factor[lane], offset[lane]);
                    }
                    if let Some(skipped) = skipped {
                        let skipped = at(skipped, place);
                        for lane in 0..LANES {
                            found[lane] += skipped[lane];
                        }
                    }
                    if then == Then::Relu {
                        found = found.map(relu);
                    }
                    put(to, place, found);
                }
            }
        }
    }
}

vectorized! {
    /// Keeps the derivatives where the output of a ReLU is above zero, times `scale`, in place.
    pub fn keep_active(lines: Lines, output: (&[f32], usize), scale: f32, d_output: (&mut [f32], usize)) {
        let length = lines.length();
        for line in 0..lines.lines {
            let output = &output.0[line * output.1..][..length];
            let d_output = &mut d_output.0[line * d_output.1..][..length];
            for (d, &output) in d_output.iter_mut().zip(output) {
                *d = if output > 0.0 { *d * scale } else { 0.0 };
            }
        }
    }
}

vectorized! {
    /// Adds to `sums` the derivatives, and to `products` those times the distance of the value from its channel's mean.
    pub fn slope_moments(
        lines: Lines,
        slopes: (&[f32], usize),
        values: (&[f32], usize),
        mean: &[f32],
        sums: &mut [f64],
        products: &mut [f64],
    ) {
        let length = lines.length();
        for first in (0..lines.channels).step_by(LANES) {
            let mean = at(mean, first);
            let (mut sum, mut product) = ([0.0_f64; LANES], [0.0_f64; LANES]);
            for line in 0..lines.lines {
                let slopes = &slopes.0[line * slopes.1..][..length];
                let values = &values.0[line * values.1..][..length];
                // A line is short enough for f32, and twice as quick that way.
                let (mut line_sum, mut line_product) = ([0.0_f32; LANES], [0.0_f32; LANES]);
                for pixel in 0..lines.pixels {
                    let place = pixel * lines.channels + first;
                    let (slope, value) = (at(slopes, place), at(values, place));
                    for lane in 0..LANES {
                        line_sum[lane] += slope[lane];
                        line_product[lane] = slope[lane].mul_add(value[lane] - mean[lane], line_product[lane]);
                    }
                }
                for lane in 0..LANES {
                    sum[lane] += f64::from(line_sum[lane]);
                    product[lane] += f64::from(line_product[lane]);
                }
            }
            for lane in 0..LANES {
                sums[first + lane] += sum[lane];
                products[first + lane] += product[lane];
            }
        }
    }
}

vectorized! {
    /// Writes `by_slope · slope + by_distance · (value - mean) + offset`, by channel: the derivatives by what was
    /// normalized; or adds that. `by` are the mean and the three factors, in this order.
    pub fn normalized_slopes(
        lines: Lines,
        slopes: (&[f32], usize),
        values: (&[f32], usize),
        by: [&[f32]; 4],
        adds: bool,
        to: (&mut [f32], usize),
    ) {
        let length = lines.length();
        let (to, to_step) = to;
        for first in (0..lines.channels).step_by(LANES) {
            let [mean, by_slope, by_distance, offset] = by.map(|values| at(values, first));
            for line in 0..lines.lines {
                let slopes = &slopes.0[line * slopes.1..][..length];
                let values = &values.0[line * values.1..][..length];
                let to = &mut to[line * to_step..][..length];
                for pixel in 0..lines.pixels {
                    let place = pixel * lines.channels + first;
                    let (slope, mut found) = (at(slopes, place), at(values, place));
                    for lane in 0..LANES {
                        let rest = by_distance[lane].mul_add(found[lane] - mean[lane], offset[lane]);
                        found[lane] = by_slope[lane].mul_add(slope[lane], rest);
                    }
                    if adds {
                        let present = at(to, place);
                        for lane in 0..LANES {
                            found[lane] += present[lane];
                        }
                    }
                    put(to, place, found);
                }
            }
        }
    }
}

vectorized! {
    /// Copies lines, or adds them.
    pub fn pass_lines(lines: Lines, from: (&[f32], usize), adds: bool, to: (&mut [f32], usize)) {
        let length = lines.length();
        let (to, to_step) = to;
        for line in 0..lines.lines {
            let from = &from.0[line * from.1..][..length];
            let to = &mut to[line * to_step..][..length];
            if adds {
                for (to, &from) in to.iter_mut().zip(from) {
                    *to += from;
                }
            } else {
                to.copy_from_slice(from);
            }
        }
    }
}

vectorized! {
    /// Adds `from · weight`, by channel, for so many pixels; each side has its step from pixel to pixel.
    pub fn add_weighted_pixels(
        pixels: usize,
        from: (&[f32], usize),
        weight: &[f32],
        to: (&mut [f32], usize),
    ) {
        let (to, to_step) = to;
        for first in (0..weight.len()).step_by(LANES) {
            let weight = at(weight, first);
            for pixel in 0..pixels {
                let (found, place) = (at(from.0, pixel * from.1 + first), pixel * to_step + first);
                let mut sum = at(to, place);
                for lane in 0..LANES {
                    sum[lane] = found[lane].mul_add(weight[lane], sum[lane]);
                }
                put(to, place, sum);
            }
        }
    }
}

vectorized! {
    /// Adds the products of two lines of pixels to `sums`, by channel.
    pub fn add_pixel_products(pixels: usize, left: (&[f32], usize), right: (&[f32], usize), sums: &mut [f32]) {
        for first in (0..sums.len()).step_by(LANES) {
            let mut sum = at(sums, first);
            for pixel in 0..pixels {
                let (left, right) = (at(left.0, pixel * left.1 + first), at(right.0, pixel * right.1 + first));
                for lane in 0..LANES {
                    sum[lane] = left[lane].mul_add(right[lane], sum[lane]);
                }
            }
            put(sums, first, sum);
        }
    }
}

vectorized! {
    /// Keeps the larger value of each channel; NaN is larger than all.
    pub fn largest_pixels(pixels: usize, channels: usize, from: (&[f32], usize), to: (&mut [f32], usize)) {
        let (to, to_step) = to;
        for first in (0..channels).step_by(LANES) {
            for pixel in 0..pixels {
                let (found, place) = (at(from.0, pixel * from.1 + first), pixel * to_step + first);
                let mut largest = at(to, place);
                for lane in 0..LANES {
                    let stays = largest[lane] >= found[lane] || largest[lane].is_nan();
                    largest[lane] = if stays { largest[lane] } else { found[lane] };
                }
                put(to, place, largest);
            }
        }
    }
}

vectorized! {
    /// Passes derivatives to pixels that are the largest of their window, unless another was found before: `found` is 1
    /// where one was, else 0. `windows` are the largest values and the derivatives by them; these and `found` have their
    /// pixels behind each other.
    pub fn pass_to_largest(
        pixels: usize,
        channels: usize,
        windows: [&[f32]; 2],
        values: (&[f32], usize),
        found: &mut [f32],
        to: (&mut [f32], usize),
    ) {
        let (to, to_step) = to;
        for first in (0..channels).step_by(LANES) {
            for pixel in 0..pixels {
                let near = pixel * channels + first;
                let [largest, slope] = windows.map(|values| at(values, near));
                let value = at(values.0, pixel * values.1 + first);
                let mut seen = at(found, near);
                let mut sum = at(to, pixel * to_step + first);
                for lane in 0..LANES {
                    let hit = value[lane] == largest[lane] && seen[lane] == 0.0;
                    sum[lane] += if hit { slope[lane] } else { 0.0 };
                    seen[lane] = if hit { 1.0 } else { seen[lane] };
                }
                put(found, near, seen);
                put(to, pixel * to_step + first, sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_LINES: Lines = Lines { lines: 2, pixels: 3, channels: 32 };

    /// Two lines of three pixels with 32 channels, a border of 16 after each; the value of channel `c` is `c` more.
    fn picture() -> (Vec<f32>, usize) {
        let step = 3 * 32 + 16;
        let mut values = vec![1e9; 2 * step];
        for (line, values) in values.chunks_exact_mut(step).enumerate() {
            for (place, value) in values.iter_mut().take(96).enumerate() {
                *value = (line * 10 + place / 32) as f32 + (place % 32) as f32;
            }
        }
        (values, step)
    }

    #[test]
    fn moments_are_of_the_pixels_and_not_of_what_lies_between() {
        let (values, step) = picture();
        let (mut sums, mut squares) = (vec![0.0; 32], vec![1.0; 32]);
        channel_moments(TWO_LINES, (&values, step), &mut sums, &mut squares);
        assert_eq!(sums[0], f64::from(1 + 2 + 10 + 11 + 12));
        assert_eq!(squares[0], f64::from(1 + 1 + 4 + 100 + 121 + 144));
        assert_eq!(sums[31], 36.0 + 6.0 * 31.0);
        let mut again = vec![0.0; 32];
        channel_sums(TWO_LINES, (&values, step), &mut again);
        assert_eq!(sums, again);
    }

    #[test]
    fn channels_are_finished_and_their_slopes_come_back() {
        let (values, step) = picture();
        let (factor, offset) = (vec![2.0; 32], vec![-20.0; 32]);
        let mut to = vec![7.0; 2 * 96];
        finish_channels(TWO_LINES, (&values, step), [&factor, &offset], None, Then::Relu, (&mut to, 96));
        assert_eq!([to[0], to[96], to[96 + 32]], [0.0, 0.0, 2.0]);
        finish_channels(
            TWO_LINES,
            (&values, step),
            [&factor, &offset],
            Some((&values, step)),
            Then::Nothing,
            (&mut to, 96),
        );
        assert_eq!([to[0], to[32], to[96]], [-20.0, -17.0, 10.0]);
        let mut slopes = vec![3.0; 2 * 96];
        keep_active(TWO_LINES, (&to, 96), 2.0, (&mut slopes, 96));
        assert_eq!([slopes[0], slopes[96]], [0.0, 6.0]);
        let (mut sums, mut products) = (vec![0.0; 32], vec![0.0; 32]);
        slope_moments(TWO_LINES, (&slopes, 96), (&values, step), &[10.0; 32], &mut sums, &mut products);
        assert_eq!((sums[0], products[0]), (18.0, 6.0 * (0.0 + 1.0 + 2.0)));
        let by = [vec![10.0; 32], vec![1.0; 32], vec![100.0; 32], vec![0.5; 32]];
        let mut d_values = vec![0.0; 2 * 96];
        let by = [&by[0][..], &by[1], &by[2], &by[3]];
        normalized_slopes(TWO_LINES, (&slopes, 96), (&values, step), by, false, (&mut d_values, 96));
        assert_eq!([d_values[0], d_values[128]], [-999.5, 106.5]);
        pass_lines(TWO_LINES, (&slopes, 96), true, (&mut d_values, 96));
        assert_eq!([d_values[0], d_values[128]], [-999.5, 112.5]);
        pass_lines(TWO_LINES, (&slopes, 96), false, (&mut d_values, 96));
        assert_eq!(d_values, slopes);
    }

    #[test]
    fn the_first_of_the_largest_pixels_gets_the_slope() {
        let pixel = |value: f32| vec![value; 16];
        let window = [pixel(1.0), pixel(5.0), pixel(5.0)].concat();
        let mut largest = pixel(1.0);
        for at in 1..3 {
            largest_pixels(1, 16, (&window[at * 16..], 16), (&mut largest, 16));
        }
        assert_eq!(largest, pixel(5.0));
        let (mut found, mut to) = (pixel(0.0), vec![0.0; 48]);
        for at in 0..3 {
            let values = (&window[at * 16..], 16);
            pass_to_largest(1, 16, [&largest, &pixel(2.0)], values, &mut found, (&mut to[at * 16..], 16));
        }
        assert_eq!([to[0], to[16], to[32]], [0.0, 2.0, 0.0]);
        largest_pixels(1, 16, (&pixel(f32::NAN), 16), (&mut largest, 16));
        largest_pixels(1, 16, (&pixel(9.0), 16), (&mut largest, 16));
        assert!(largest[0].is_nan());
    }

    #[test]
    fn weighted_pixels_and_products_by_hand() {
        let line: Vec<f32> = (0..3).flat_map(|pixel| vec![pixel as f32 + 1.0; 16]).collect();
        let mut to = vec![0.5; 2 * 16];
        add_weighted_pixels(2, (&line, 32), &[10.0; 16], (&mut to, 16));
        assert_eq!([to[0], to[16]], [10.5, 30.5]);
        let mut sums = vec![1.0; 16];
        add_pixel_products(3, (&line, 16), (&line, 16), &mut sums);
        assert_eq!(sums[0], 15.0);
    }
}
