//! A picture of any size as one of the size that a model reads.

use super::decode::Decoded;
use super::resample::{Area, Raster, resampled};
use super::{PictureShape, PictureSpec, Resize};

impl Decoded {
    /// The pixels as `spec` wants them: colour first, then size.
    pub fn placed(&self, spec: &PictureSpec) -> Vec<u8> {
        let PictureShape { height, width, channels } = spec.shape;
        let grey = (self.channels > channels).then(|| greyed(&self.pixels));
        let pixels = grey.as_deref().unwrap_or(&self.pixels);
        let raster = Raster { height: self.height, width: self.width, channels: self.channels.min(channels), pixels };
        let placed = match spec.resize {
            Resize::Stretch => resampled(&raster, Area::whole(&raster), height, width),
            Resize::Fill => resampled(&raster, middle(&raster, height, width), height, width),
            Resize::Fit => framed(&raster, height, width),
        };
        if raster.channels < channels { placed.iter().flat_map(|&value| [value; 3]).collect() } else { placed }
    }
}

/// Rec. 601 luma, in the whole numbers of Pillow's `convert("L")`.
fn greyed(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<3>();
    let luma = |&[red, green, blue]: &[u8; 3]| {
        let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7471 * u32::from(blue);
        ((sum + 0x8000) >> 16) as u8
    };
    pixels.iter().map(luma).collect()
}

/// The largest part in the middle that has the wanted ratio of sides, as Pillow's `ImageOps.fit` chooses it.
fn middle(raster: &Raster<'_>, height: usize, width: usize) -> Area {
    let (old_height, old_width) = (raster.height as f64, raster.width as f64);
    let (old_ratio, ratio) = (old_width / old_height, width as f64 / height as f64);
    let (kept_height, kept_width) = match old_ratio.total_cmp(&ratio) {
        std::cmp::Ordering::Equal => (old_height, old_width),
        std::cmp::Ordering::Greater => (old_height, ratio * old_height),
        std::cmp::Ordering::Less => (old_width / ratio, old_width),
    };
    let (top, left) = ((old_height - kept_height) * 0.5, (old_width - kept_width) * 0.5);
    Area { top: top as f32, left: left as f32, bottom: (top + kept_height) as f32, right: (left + kept_width) as f32 }
}

/// The whole picture as large as fits, black around it, as Pillow's `ImageOps.pad` places it.
fn framed(raster: &Raster<'_>, height: usize, width: usize) -> Vec<u8> {
    let (old_height, old_width) = (raster.height as f64, raster.width as f64);
    let (old_ratio, ratio) = (old_width / old_height, width as f64 / height as f64);
    let side = |length: f64, limit: usize| (length.round_ties_even() as usize).clamp(1, limit);
    let (new_height, new_width) = match old_ratio.total_cmp(&ratio) {
        std::cmp::Ordering::Equal => (height, width),
        std::cmp::Ordering::Greater => (side(old_height / old_width * width as f64, height), width),
        std::cmp::Ordering::Less => (height, side(old_width / old_height * height as f64, width)),
    };
    let inner = resampled(raster, Area::whole(raster), new_height, new_width);
    if (new_height, new_width) == (height, width) {
        return inner;
    }
    let before = |outer: usize, inner: usize| ((outer - inner) as f64 * 0.5).round_ties_even() as usize;
    let (top, left) = (before(height, new_height), before(width, new_width));
    let mut out = vec![0; height * width * raster.channels];
    let lines = out.chunks_exact_mut(width * raster.channels).skip(top);
    for (line, from) in lines.zip(inner.chunks_exact(new_width * raster.channels)) {
        if let Some(to) = line.get_mut(left * raster.channels..).and_then(|line| line.get_mut(..from.len())) {
            to.copy_from_slice(from);
        }
    }
    out
}
