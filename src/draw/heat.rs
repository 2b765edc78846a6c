//! A map of heat laid over a picture, as pixels.

/// Matplotlib's palette "inferno" (Smith and van der Walt, 2015; CC0) at ten even places: each is lighter than the one
/// before, also for who sees fewer colours and on grey paper.
const PALETTE: [[u8; 3]; 10] = [
    [0x00, 0x00, 0x04],
    [0x1b, 0x0c, 0x42],
    [0x4b, 0x0c, 0x6b],
    [0x78, 0x1c, 0x6d],
    [0xa5, 0x2c, 0x60],
    [0xcf, 0x44, 0x46],
    [0xed, 0x69, 0x25],
    [0xfb, 0x9a, 0x06],
    [0xf7, 0xd0, 0x3c],
    [0xfc, 0xff, 0xa4],
];

/// A picture of 8 bits, line by line, pixel by pixel: one channel is grey, three are red, green and blue.
#[derive(Debug, Clone, Copy)]
pub struct Raster<'a> {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pixels: &'a [u8],
}

/// Values from 0 to 1, line by line.
#[derive(Debug, Clone, Copy)]
pub struct Heat<'a> {
    /// Height and width.
    pub sides: [usize; 2],
    pub values: &'a [f32],
}

/// Red, green and blue of each pixel, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// The picture, enlarged by the least whole factor that gives its longer side `side` pixels, and over it the heat, which is
/// spread over the whole picture by bilinear interpolation. `opacity` is 0 for the picture alone, 1 for the heat alone.
pub fn heat_over(picture: Raster<'_>, heat: Heat<'_>, opacity: f32, side: usize) -> Bitmap {
    let factor = side.div_ceil(picture.height.max(picture.width).max(1)).max(1);
    let (height, width) = (picture.height * factor, picture.width * factor);
    let lines: Vec<Between> = (0..height).map(|y| Between::of(y, height, heat.sides[0])).collect();
    let columns: Vec<Between> = (0..width).map(|x| Between::of(x, width, heat.sides[1])).collect();
    let mut pixels = Vec::with_capacity(height * width * 3);
    for (y, line) in lines.iter().enumerate() {
        for (x, column) in columns.iter().enumerate() {
            let below = picture.color(y / factor, x / factor);
            let above = color_of(heat.at(*line, *column));
            let mixed = below.iter().zip(above).map(|(&below, above)| {
                (f32::from(below) * (1.0 - opacity) + above * opacity).round().clamp(0.0, 255.0) as u8
            });
            pixels.extend(mixed);
        }
    }
    Bitmap { width, height, pixels }
}

/// A place between two others.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Between {
    first: usize,
    second: usize,
    /// How much of the second.
    share: f32,
}

impl Between {
    /// Where the middle of the pixel `at` of `from` lies among the middles of `to`.
    fn of(at: usize, from: usize, to: usize) -> Self {
        let last = to.saturating_sub(1);
        let place = ((at as f32 + 0.5) * to as f32 / from.max(1) as f32 - 0.5).clamp(0.0, last as f32);
        let first = (place as usize).min(last);
        Self { first, second: (first + 1).min(last), share: place - first as f32 }
    }
}

impl Heat<'_> {
    fn at(&self, line: Between, column: Between) -> f32 {
        let value = |y: usize, x: usize| self.values.get(y * self.sides[1] + x).copied().unwrap_or(0.0);
        let along = |y: usize| mix(value(y, column.first), value(y, column.second), column.share);
        mix(along(line.first), along(line.second), line.share)
    }
}

impl Raster<'_> {
    fn color(&self, y: usize, x: usize) -> [u8; 3] {
        let start = (y * self.width + x) * self.channels;
        match self.pixels.get(start..start + self.channels) {
            Some([red, green, blue]) => [*red, *green, *blue],
            Some([grey, ..]) => [*grey; 3],
            _ => [0; 3],
        }
    }
}

/// The colour of a value from 0 to 1.
fn color_of(value: f32) -> [f32; 3] {
    let Between { first, second, share } = Between::spread(value);
    let color = |at: usize| PALETTE.get(at).copied().unwrap_or_default().map(f32::from);
    let (from, to) = (color(first), color(second));
    [0, 1, 2].map(|channel: usize| {
        let of = |color: &[f32; 3]| color.get(channel).copied().unwrap_or(0.0);
        mix(of(&from), of(&to), share)
    })
}

impl Between {
    /// Where a value from 0 to 1 lies in the palette, from end to end.
    fn spread(value: f32) -> Self {
        let last = PALETTE.len() - 1;
        let place = value.clamp(0.0, 1.0) * last as f32;
        let first = (place as usize).min(last);
        Self { first, second: (first + 1).min(last), share: place - first as f32 }
    }
}

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Raster<'static> = Raster { height: 1, width: 2, channels: 1, pixels: &[100, 200] };

    fn shown(bitmap: &Bitmap, y: usize, x: usize) -> [u8; 3] {
        let start = (y * bitmap.width + x) * 3;
        [bitmap.pixels[start], bitmap.pixels[start + 1], bitmap.pixels[start + 2]]
    }

    #[test]
    fn a_picture_is_enlarged_by_a_whole_factor_and_seen_through_the_heat() {
        let heat = Heat { sides: [1, 1], values: &[1.0] };
        let bare = heat_over(GREY, heat, 0.0, 7);
        assert_eq!((bare.width, bare.height, bare.pixels.len()), (8, 4, 96));
        assert_eq!([shown(&bare, 3, 3), shown(&bare, 0, 4)], [[100; 3], [200; 3]]);
        let covered = heat_over(GREY, heat, 1.0, 7);
        assert_eq!(shown(&covered, 2, 5), PALETTE[9]);
        let half = heat_over(GREY, heat, 0.5, 1);
        assert_eq!((half.width, half.height), (2, 1));
        assert_eq!(shown(&half, 0, 0), [176, 178, 132]);
    }

    #[test]
    fn heat_is_spread_smoothly_from_middle_to_middle() {
        let heat = Heat { sides: [1, 2], values: &[0.0, 1.0] };
        let values: Vec<f32> = (0..4).map(|x| heat.at(Between::of(0, 1, 1), Between::of(x, 4, 2))).collect();
        assert_eq!(values, [0.0, 0.25, 0.75, 1.0]);
        let color = Raster { height: 2, width: 1, channels: 3, pixels: &[1, 2, 3, 4, 5, 6] };
        assert_eq!(shown(&heat_over(color, heat, 0.0, 2), 1, 0), [4, 5, 6]);
    }

    #[test]
    fn every_colour_of_the_palette_is_lighter_than_the_one_before() {
        // Relative luminance, of the sRGB standard.
        let light = |color: [f32; 3]| {
            let linear = color.map(|value| f64::from(value / 255.0).powf(2.2));
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let all: Vec<f64> = (0..=100).map(|value| light(color_of(value as f32 / 100.0))).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert_eq!([color_of(-1.0), color_of(2.0)], [PALETTE[0].map(f32::from), PALETTE[9].map(f32::from)]);
    }
}
