//! Pictures for archives.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

/// A grey picture whose pixels `value` says, by line and column.
pub fn grey(height: u32, width: u32, value: impl Fn(u32, u32) -> u8) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([value(y, x)])).into()
}

pub fn color(height: u32, width: u32, value: impl Fn(u32, u32) -> [u8; 3]) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb(value(y, x))).into()
}

pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

pub fn png(picture: &DynamicImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

/// Crosses and, more of them, bars of 8 × 8 pixels at chance places, a folder for each: as easy to tell apart as pictures
/// get. No two are alike.
pub fn crosses(count: u32, every: u32) -> Vec<u8> {
    let files: Vec<(String, Vec<u8>)> = (0..count)
        .map(|index| {
            let is_cross = index % every == 0;
            let (line, column) = (1 + index / 7 % 6, 1 + index % 6);
            let noise = move |y: u32, x: u32| {
                (index.wrapping_add(1).wrapping_mul(2_654_435_761) >> ((y * 3 + x) % 25)) as u8 % 23
            };
            let picture = grey(8, 8, |y, x| match y == line || (is_cross && x == column) {
                true => 200 + noise(y, x),
                false => noise(y, x),
            });
            (format!("{}/{index:05}.png", if is_cross { "cross" } else { "bar" }), png(&picture))
        })
        .collect();
    super::Zip::of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())))
}
