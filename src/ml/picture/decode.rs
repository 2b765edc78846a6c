//! Files of pictures: bytes of any of six formats to pixels of 8 bits.
//!
//! What a picture is, is decided by its first bytes, never by its name. It is turned as its EXIF orientation says, of an
//! animation the first frame is read, 16 bits become 8, CMYK becomes RGB. Transparent pixels show what lies behind them,
//! which is black: where nothing is, models read nothing, the same as around a picture that is fitted into a frame.

use std::io::Cursor;
use std::panic::AssertUnwindSafe;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

/// How large a picture may be before it is resized; held before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Pixels of a side.
    pub max_side: u32,
    /// Height times width.
    pub max_pixels: u64,
    /// Memory that decoding takes.
    pub max_bytes: u64,
}

/// A picture as it was stored, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub height: usize,
    pub width: usize,
    /// 1 if no pixel has any colour, else 3.
    pub channels: usize,
    /// Line by line from the top, pixel by pixel from the left.
    pub pixels: Vec<u8>,
    /// The usual name of the file's format, such as `png`.
    pub format: &'static str,
    /// Whether some pixel is not wholly opaque.
    pub transparent: bool,
}

/// Why a picture could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("it is empty")]
    Empty,
    #[error("it is no picture: expected PNG, JPEG, WebP, BMP, TIFF or GIF")]
    NotAPicture,
    #[error("it is a picture in a format that is not read: expected PNG, JPEG, WebP, BMP, TIFF or GIF")]
    OtherFormat,
    #[error("it has {width} × {height} pixels, more than are allowed ({limit})")]
    TooLarge { width: u32, height: u32, limit: String },
    #[error("reading it would take more memory than is allowed ({limit} bytes)")]
    TooMuchMemory { limit: u64 },
    #[error("it says that it has {width} × {height} pixels")]
    NoPixels { width: u32, height: u32 },
    #[error("it is damaged or cut off: {0}")]
    Damaged(String),
}

/// The formats, by their usual names.
const FORMATS: [(ImageFormat, &str); 6] = [
    (ImageFormat::Png, "png"),
    (ImageFormat::Jpeg, "jpeg"),
    (ImageFormat::WebP, "webp"),
    (ImageFormat::Bmp, "bmp"),
    (ImageFormat::Tiff, "tiff"),
    (ImageFormat::Gif, "gif"),
];

/// Whether bytes begin as those of a picture in one of the formats.
pub fn is_picture(bytes: &[u8]) -> bool {
    image::guess_format(bytes).is_ok_and(|found| FORMATS.iter().any(|(format, _)| *format == found))
}

/// The pixels that a picture says it has; nothing is decoded. `None` if it does not say.
pub fn pixels_said(bytes: &[u8]) -> Option<u64> {
    let format = image::guess_format(bytes).ok()?;
    // As in [`decode`], a panic is a mistake in the file.
    let said = std::panic::catch_unwind(|| ImageReader::with_format(Cursor::new(bytes), format).into_dimensions());
    let (width, height) = said.ok()?.ok()?;
    Some(u64::from(width) * u64::from(height))
}

/// Reads a picture.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let found = image::guess_format(bytes).map_err(|_| DecodeError::NotAPicture)?;
    let known = FORMATS.into_iter().find(|(format, _)| *format == found);
    let (format, name) = known.ok_or(DecodeError::OtherFormat)?;
    // The decoders panic at some damaged files. That is a mistake in the file like any other.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| upright(bytes, format, limits)));
    let picture = decoded.unwrap_or_else(|_| Err(DecodeError::Damaged("the decoder gave up".to_owned())))?;
    Ok(of_bytes(picture, name))
}

fn upright(bytes: &[u8], format: ImageFormat, limits: &DecodeLimits) -> Result<DynamicImage, DecodeError> {
    if format == ImageFormat::Jpeg && !jpeg_ends(bytes) {
        return Err(DecodeError::Damaged("there is no end of the picture".to_owned()));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut allowed = Limits::no_limits();
    allowed.max_alloc = Some(limits.max_bytes);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(|error| refusal(&error, limits))?;
    check_size(&decoder, limits)?;
    // What says nothing of its orientation that can be read stands as it is.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| refusal(&error, limits))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn check_size(decoder: &impl ImageDecoder, limits: &DecodeLimits) -> Result<(), DecodeError> {
    let (width, height) = decoder.dimensions();
    let too_large = |limit: String| Err(DecodeError::TooLarge { width, height, limit });
    if width == 0 || height == 0 {
        return Err(DecodeError::NoPixels { width, height });
    }
    if width.max(height) > limits.max_side {
        return too_large(format!("{} a side", limits.max_side));
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return too_large(format!("{} in all", limits.max_pixels));
    }
    if decoder.total_bytes() > limits.max_bytes {
        return too_large(format!("{} bytes once decoded", limits.max_bytes));
    }
    Ok(())
}

fn refusal(error: &image::ImageError, limits: &DecodeLimits) -> DecodeError {
    match error {
        image::ImageError::Limits(_) => DecodeError::TooMuchMemory { limit: limits.max_bytes },
        other => DecodeError::Damaged(other.to_string().chars().take(200).collect()),
    }
}

/// Whether the last scan of a JPEG has an end. Decoders fill up what is cut off; a picture of which half is grey is no
/// picture to learn from.
fn jpeg_ends(bytes: &[u8]) -> bool {
    if bytes.ends_with(&[0xff, 0xd9]) {
        return true;
    }
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|window| window == marker);
    match (last([0xff, 0xda]), last([0xff, 0xd9])) {
        (Some(scan), Some(end)) => scan < end,
        // Without a scan it is for the decoder to say what is wrong.
        (None, _) => true,
        (Some(_), None) => false,
    }
}

fn of_bytes(picture: DynamicImage, format: &'static str) -> Decoded {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let color = picture.color();
    let (pixels, transparent) = match (color.has_color(), color.has_alpha()) {
        (false, false) => (picture.into_luma8().into_raw(), false),
        (false, true) => on_black::<2, 1>(&picture.into_luma_alpha8().into_raw()),
        (true, false) => (picture.into_rgb8().into_raw(), false),
        (true, true) => on_black::<4, 3>(&picture.into_rgba8().into_raw()),
    };
    let channels = if color.has_color() { 3 } else { 1 };
    let (channels, pixels) = if channels == 3 { without_needless_color(pixels) } else { (1, pixels) };
    Decoded { height, width, channels, pixels, format, transparent }
}

/// Pixels whose last value says how opaque they are, on black, and whether any is not wholly opaque.
fn on_black<const WITH: usize, const WITHOUT: usize>(pixels: &[u8]) -> (Vec<u8>, bool) {
    let (pixels, _) = pixels.as_chunks::<WITH>();
    let mut transparent = false;
    let mut out = Vec::with_capacity(pixels.len() * WITHOUT);
    for pixel in pixels {
        let alpha = pixel.last().copied().unwrap_or(u8::MAX);
        transparent |= alpha != u8::MAX;
        let shown = |&value: &u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
        out.extend(pixel.iter().take(WITHOUT).map(shown));
    }
    (out, transparent)
}

/// One value per pixel where red, green and blue are the same everywhere.
fn without_needless_color(pixels: Vec<u8>) -> (usize, Vec<u8>) {
    let (each, _) = pixels.as_chunks::<3>();
    if each.iter().any(|[red, green, blue]| red != green || green != blue) {
        return (3, pixels);
    }
    (1, each.iter().map(|pixel| pixel[0]).collect())
}
