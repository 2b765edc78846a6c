//! A contact sheet: pictures, and what the steps may make of them.

use super::{AugmentScratch, PictureAugmenter, PictureChance};
use crate::ml::picture::PictureShape;
use crate::ml::seed::Seed;

/// Pictures are enlarged by a whole factor up to about this side, in pixels of the sheet.
const SMALL: usize = 64;
/// Larger ones are shrunk to this side.
const LARGE: usize = 128;
const FRAME: usize = 2;
const GAP: usize = 4;
/// Between a picture and what is made of it.
const WIDE_GAP: usize = 12;
const PAPER: [u8; 3] = [0xff, 0xff, 0xff];
const POSITIVE: [u8; 3] = [0xd5, 0x5e, 0x00];
const NEGATIVE: [u8; 3] = [0x8a, 0x95, 0xa1];

/// A picture to be shown, as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct SheetRow<'a> {
    pub pixels: &'a [u8],
    pub is_positive: bool,
}

/// Red, green and blue of each pixel, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// One line for each row: the picture, then so many draws. Frames tell the class: orange is positive, grey is not. The
/// same seed draws the same sheet.
pub fn contact_sheet(rows: &[SheetRow<'_>], draws: usize, augmenter: &PictureAugmenter, seed: Seed) -> Sheet {
    let shape = augmenter.shape();
    let cell = Cell::of(shape);
    let mut sheet =
        Sheet::blank(GAP + cell.width + WIDE_GAP + draws * (cell.width + GAP), GAP + rows.len() * (cell.height + GAP));
    let mut scratch = AugmentScratch::new(shape);
    let mut picture = vec![0.0; shape.values()];
    for (line, row) in rows.iter().enumerate() {
        let top = GAP + line * (cell.height + GAP);
        for column in 0..=draws {
            picture.iter_mut().zip(row.pixels).for_each(|(to, &value)| *to = f32::from(value) / 255.0);
            let mut left = GAP;
            if column > 0 {
                left += cell.width + WIDE_GAP + (column - 1) * (cell.width + GAP);
                let mut rng = PictureChance::of_epoch(seed, column).at(line);
                augmenter.disturb(&mut picture, row.is_positive, &mut rng, &mut scratch);
            }
            let frame = if row.is_positive { POSITIVE } else { NEGATIVE };
            cell.draw(&picture, frame, &mut sheet, left, top);
        }
    }
    sheet
}

impl Sheet {
    fn blank(width: usize, height: usize) -> Self {
        Self { width, height, pixels: PAPER.repeat(width * height) }
    }

    fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        let start = (y * self.width + x) * 3;
        if let Some(pixel) = self.pixels.get_mut(start..start + 3) {
            pixel.copy_from_slice(&color);
        }
    }
}

/// How a picture is shown.
struct Cell {
    shape: PictureShape,
    /// Pixels of the sheet per pixel of the picture, and the other way round; one of both is 1.
    enlarged: usize,
    shrunk: usize,
    /// With its frame.
    width: usize,
    height: usize,
}

impl Cell {
    fn of(shape: PictureShape) -> Self {
        let side = shape.height.max(shape.width).max(1);
        let (enlarged, shrunk) = ((SMALL / side).max(1), side.div_ceil(LARGE));
        let shown = |side: usize| (side / shrunk).max(1) * enlarged + 2 * FRAME;
        Self { shape, enlarged, shrunk, width: shown(shape.width), height: shown(shape.height) }
    }

    fn draw(&self, picture: &[f32], frame: [u8; 3], sheet: &mut Sheet, left: usize, top: usize) {
        for y in 0..self.height {
            for x in 0..self.width {
                let inner = |at: usize, side: usize| (FRAME..side - FRAME).contains(&at);
                let color = if inner(x, self.width) && inner(y, self.height) {
                    let place = |at: usize| (at - FRAME) / self.enlarged * self.shrunk;
                    self.mean(picture, place(x), place(y))
                } else {
                    frame
                };
                sheet.set(left + x, top + y, color);
            }
        }
    }

    /// The mean of the pixels that are shown as one, from a place on.
    fn mean(&self, picture: &[f32], x: usize, y: usize) -> [u8; 3] {
        let PictureShape { height, width, channels } = self.shape;
        let mut sums = [0.0_f32; 3];
        let mut count = 0.0_f32;
        for y in y..(y + self.shrunk).min(height) {
            for x in x..(x + self.shrunk).min(width) {
                let start = (y * width + x) * channels;
                let pixel = picture.get(start..start + channels).unwrap_or_default();
                for (sum, value) in sums.iter_mut().zip(pixel.iter().cycle()) {
                    *sum += value;
                }
                count += 1.0;
            }
        }
        sums.map(|sum| (sum / count.max(1.0) * 255.0).round().clamp(0.0, 255.0) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{AugmentClasses, AugmentMethod, AugmentStep};

    fn flipping() -> Vec<AugmentStep> {
        vec![AugmentStep { method: AugmentMethod::HorizontalFlip, probability: 1.0, classes: AugmentClasses::Minority }]
    }

    /// The color of a pixel of a picture as it is shown.
    fn shown(sheet: &Sheet, x: usize, y: usize) -> [u8; 3] {
        let start = (y * sheet.width + x) * 3;
        [sheet.pixels[start], sheet.pixels[start + 1], sheet.pixels[start + 2]]
    }

    #[test]
    fn each_line_shows_a_picture_and_its_draws_in_the_frame_of_its_class() {
        let shape = PictureShape { height: 16, width: 32, channels: 1 };
        let pixels: Vec<u8> = (0..512).map(|place| if place % 32 < 16 { 10 } else { 200 }).collect();
        let rows = [SheetRow { pixels: &pixels, is_positive: true }, SheetRow { pixels: &pixels, is_positive: false }];
        let sheet = contact_sheet(&rows, 2, &PictureAugmenter::new(&flipping(), shape, true), Seed(1));
        // 32 pixels are shown as 64, in a frame of 2.
        assert_eq!((sheet.width, sheet.height), (4 + 68 + 12 + 2 * 72, 4 + 2 * 40));
        assert_eq!(sheet.pixels.len(), sheet.width * sheet.height * 3);
        let first_draw = 4 + 68 + 12;
        assert_eq!([shown(&sheet, 0, 0), shown(&sheet, 4, 4), shown(&sheet, 4, 44)], [PAPER, POSITIVE, NEGATIVE]);
        // The original, its flip, and a negative, which is left alone.
        assert_eq!([shown(&sheet, 8, 8), shown(&sheet, first_draw + 4, 8)], [[10; 3], [200; 3]]);
        assert_eq!([shown(&sheet, 8, 48), shown(&sheet, first_draw + 4, 48)], [[10; 3], [10; 3]]);
    }

    #[test]
    fn large_pictures_are_shown_small_and_in_color() {
        let shape = PictureShape { height: 300, width: 100, channels: 3 };
        let pixels = [30, 60, 90].repeat(300 * 100);
        let rows = [SheetRow { pixels: &pixels, is_positive: true }];
        let sheet = contact_sheet(&rows, 1, &PictureAugmenter::new(&[], shape, true), Seed(1));
        assert_eq!((sheet.width, sheet.height), (4 + 37 + 12 + 41, 4 + 108));
        assert_eq!(shown(&sheet, 10, 10), [30, 60, 90]);
    }
}
