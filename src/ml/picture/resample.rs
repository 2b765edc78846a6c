//! Pictures of other sizes, by a triangle as wide as two pixels of the coarser side, so that reducing looks at every pixel.
//!
//! The same whole numbers as Pillow's `Image.resize(size, Image.Resampling.BILINEAR, box)` (`Resample.c`), so that whoever
//! prepares pictures in Python gets the same bytes.

/// Bits behind the point of a weight: what 32 are left with of a pixel's 8 and a sum's sign and carry.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Pixels line by line from the top, pixel by pixel from the left, `channels` values each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raster<'a> {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) pixels: &'a [u8],
}

/// A part of a picture, in pixels from its upper left corner; edges may lie within pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) top: f32,
    pub(super) left: f32,
    pub(super) bottom: f32,
    pub(super) right: f32,
}

impl Area {
    pub(super) fn whole(raster: &Raster<'_>) -> Self {
        Self { top: 0.0, left: 0.0, bottom: raster.height as f32, right: raster.width as f32 }
    }
}

/// The area in `height` lines of `width` pixels.
pub(super) fn resampled(raster: &Raster<'_>, area: Area, height: usize, width: usize) -> Vec<u8> {
    if (height, width) == (raster.height, raster.width) && area == Area::whole(raster) {
        return raster.pixels.to_vec();
    }
    let across = Weights::new(raster.width, area.left, area.right, width);
    let down = Weights::new(raster.height, area.top, area.bottom, height);
    match raster.channels {
        1 => both::<1>(raster, &across, &down),
        _ => both::<3>(raster, &across, &down),
    }
}

/// Both passes. Values are rounded between them, so that it matters which comes first.
fn both<const C: usize>(raster: &Raster<'_>, across: &Weights, down: &Weights) -> Vec<u8> {
    let (width, height) = (across.spans.len(), down.spans.len());
    if is_down_first([raster.height, raster.width], [height, width]) {
        let lines = vertical::<C>(raster.pixels, raster.width, 0, down);
        horizontal::<C>(&lines, raster.width, 0..height, across)
    } else {
        let used = down.used();
        let lines = horizontal::<C>(raster.pixels, raster.width, used.clone(), across);
        vertical::<C>(&lines, width, used.start, down)
    }
}

/// As Pillow chooses since version 13: where many more lines than columns go.
fn is_down_first(old: [usize; 2], new: [usize; 2]) -> bool {
    let gone = |side: usize| old[side] as i64 - new[side] as i64;
    gone(0) > 0 && gone(0) > 2 * gone(1)
}

/// What each new pixel of a line takes of which old ones.
struct Weights {
    /// The first old pixel of each new one, and how many.
    spans: Vec<(usize, usize)>,
    /// `most` for each new pixel, of which the span's are used.
    weights: Vec<i32>,
    most: usize,
}

impl Weights {
    fn new(old: usize, from: f32, to: f32, new: usize) -> Self {
        let scale = f64::from(to - from) / new as f64;
        let support = scale.max(1.0);
        let most = support.ceil() as usize * 2 + 1;
        let (mut spans, mut weights) = (Vec::with_capacity(new), vec![0; new * most]);
        for (index, some) in weights.chunks_exact_mut(most).enumerate() {
            let center = f64::from(from) + (index as f64 + 0.5) * scale;
            // A cast rounds towards zero, as in C, and what is below zero becomes zero.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(old);
            let shares: Vec<f64> = (first..end)
                .map(|pixel| (1.0 - ((pixel as f64 - center + 0.5) * (1.0 / support)).abs()).max(0.0))
                .collect();
            let sum: f64 = shares.iter().sum();
            for (weight, share) in some.iter_mut().zip(&shares) {
                let share = if sum == 0.0 { *share } else { share / sum };
                *weight = (0.5 + share * f64::from(1 << PRECISION_BITS)) as i32;
            }
            spans.push((first, end.saturating_sub(first)));
        }
        Self { spans, weights, most }
    }

    /// The first pixel, and the weights from it on, of each new pixel.
    fn each(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let weights = self.weights.chunks_exact(self.most);
        self.spans
            .iter()
            .zip(weights)
            .map(|(&(first, count), weights)| (first, weights.get(..count).unwrap_or_default()))
    }

    /// The old pixels that are looked at at all.
    fn used(&self) -> std::ops::Range<usize> {
        let first = self.spans.iter().map(|span| span.0).min().unwrap_or(0);
        first..self.spans.iter().map(|span| span.0 + span.1).max().unwrap_or(0)
    }
}

fn rounded(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// The `used` lines of `width` pixels, in the new width.
fn horizontal<const C: usize>(lines: &[u8], width: usize, used: std::ops::Range<usize>, across: &Weights) -> Vec<u8> {
    let lines = lines.chunks_exact(width * C);
    let mut out = Vec::with_capacity(used.len() * across.spans.len() * C);
    for line in lines.skip(used.start).take(used.len()) {
        let (pixels, _) = line.as_chunks::<C>();
        for (first, weights) in across.each() {
            let mut sums = [1_i32 << (PRECISION_BITS - 1); C];
            for (pixel, weight) in pixels.iter().skip(first).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            out.extend(sums.map(rounded));
        }
    }
    out
}

/// As many lines of `width` pixels as `down` makes of `lines`, the first of which is the line `start`.
fn vertical<const C: usize>(lines: &[u8], width: usize, start: usize, down: &Weights) -> Vec<u8> {
    let stride = width * C;
    let mut out = Vec::with_capacity(down.spans.len() * stride);
    let mut sums = vec![0_i32; stride];
    for (first, weights) in down.each() {
        sums.fill(1 << (PRECISION_BITS - 1));
        let some = lines.chunks_exact(stride).skip(first - start);
        for (line, weight) in some.zip(weights) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += i32::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| rounded(sum)));
    }
    out
}
