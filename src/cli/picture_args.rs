//! How large pictures may be.

use crate::ml::picture::DecodeLimits;
use crate::ml::table::PictureLimits;

/// Limits of uploads and requests with pictures. What was accepted before is read whatever they are now.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PictureArgs {
    /// Files and folders of an archive of pictures.
    #[arg(long, env = "EVENKEEL_MAX_PICTURES", default_value_t = 1_000_000, value_name = "N")]
    max_pictures: u64,
    /// Bytes of the file of one picture.
    #[arg(long, env = "EVENKEEL_MAX_PICTURE_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    max_picture_bytes: u64,
    /// Pixels of a side of a picture, before it is resized.
    #[arg(long, env = "EVENKEEL_MAX_PICTURE_SIDE", default_value_t = 16_384, value_name = "N")]
    max_picture_side: u32,
    /// Pixels of a picture in all, before it is resized; decoding takes up to eight bytes for each.
    #[arg(long, env = "EVENKEEL_MAX_PICTURE_PIXELS", default_value_t = 64 << 20, value_name = "N")]
    max_picture_pixels: u64,
}

impl PictureArgs {
    pub(super) fn limits(&self) -> PictureLimits {
        let decode = DecodeLimits {
            max_side: self.max_picture_side,
            max_pixels: self.max_picture_pixels,
            // Of 16 bits, with colour and transparency.
            max_bytes: self.max_picture_pixels.saturating_mul(8),
        };
        PictureLimits {
            max_files: self.max_pictures,
            max_file_bytes: self.max_picture_bytes,
            decode,
            ..PictureLimits::STANDARD
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        pictures: PictureArgs,
    }

    #[test]
    fn the_defaults_are_the_standard() {
        assert_eq!(Command::parse_from(["serve"]).pictures.limits(), PictureLimits::STANDARD);
    }
}
