//! Decoded and resized pictures held against Pillow's, from `tests/data/make_picture_cases.py`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel::ml::picture::{Decoded, PictureShape, PictureSpec, Resize, decode, pixels_said};
use evenkeel::ml::table::PictureLimits;
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("../data/picture-cases.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn side(case: &Value, name: &str) -> usize {
    case[name].as_u64().unwrap() as usize
}

/// The formula of the script.
fn pixels(height: usize, width: usize, channels: usize) -> Vec<u8> {
    let count = height * width * channels;
    let mut state = 2_463_534_242_u32;
    let value = |index: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        ((state % 97) as usize + index * 158 / count) as u8
    };
    (0..count).map(value).collect()
}

#[test]
fn resized_pictures_are_pillows_to_the_last_bit() {
    let mut grey = 0;
    for case in cases()["resized"].as_array().unwrap() {
        let (height, width, channels) = (side(case, "height"), side(case, "width"), side(case, "channels"));
        let decoded = Decoded {
            height,
            width,
            channels,
            pixels: pixels(height, width, channels),
            format: "png",
            transparent: false,
        };
        let resize: Resize = serde_json::from_value(case["resize"].clone()).unwrap();
        let shape =
            |channels| PictureShape { height: side(case, "to_height"), width: side(case, "to_width"), channels };
        let what = format!("{height}x{width}x{channels} {resize:?} {:?}", shape(channels));
        assert_eq!(decoded.placed(&PictureSpec { shape: shape(channels), resize }), bytes(&case["expected"]), "{what}");
        if case["grey"].is_string() {
            assert_eq!(decoded.placed(&PictureSpec { shape: shape(1), resize }), bytes(&case["grey"]), "{what}, grey");
            grey += 1;
        }
        let colored = decoded.placed(&PictureSpec { shape: shape(3), resize });
        if channels == 1 {
            let once: Vec<u8> = colored.chunks(3).map(|pixel| pixel[0]).collect();
            assert_eq!((colored.len(), once), (3 * shape(1).values(), bytes(&case["expected"])), "{what}, in colour");
        }
    }
    assert!(grey > 20, "{grey}");
}

#[test]
fn files_of_every_format_are_read_as_pillow_reads_them() {
    let mut formats = std::collections::BTreeSet::new();
    for case in cases()["files"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let decoded = decode(&bytes(&case["file"]), &PictureLimits::STANDARD.decode).unwrap_or_else(|error| {
            panic!("{name}: {error}");
        });
        assert_eq!((decoded.height, decoded.width), (side(case, "height"), side(case, "width")), "{name}");
        assert_eq!(pixels_said(&bytes(&case["file"])), Some((decoded.height * decoded.width) as u64), "{name}");
        let found: Vec<u8> = match decoded.channels {
            1 => decoded.pixels.iter().flat_map(|&value| [value; 3]).collect(),
            _ => decoded.pixels.clone(),
        };
        let tolerance = case["tolerance"].as_u64().unwrap() as u8;
        let expected = bytes(&case["rgb"]);
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = found.iter().zip(&expected).map(|(found, expected)| found.abs_diff(*expected)).max();
        assert!(worst <= Some(tolerance), "{name}: {worst:?}");
        assert_eq!(
            decoded.transparent,
            name.contains("clear") || name.contains("rgba") || name.contains("alpha"),
            "{name}"
        );
        assert_eq!(decoded.format, name.split(' ').next().unwrap());
        formats.insert(decoded.format);
    }
    assert_eq!(formats.len(), 6, "{formats:?}");
}
