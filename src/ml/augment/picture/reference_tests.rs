//! Each step with fixed draws, held against SciPy's and Pillow's pictures (`tests/data/make_augment_cases.py`).

use serde::Deserialize;

use super::warp::{Affine, warp};
use super::{blur, tone};
use crate::ml::config::{Border, Continued};
use crate::ml::picture::PictureShape;

#[derive(Deserialize)]
struct Cases {
    #[serde(flatten)]
    shape: Shape,
    pixels: Vec<u8>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Shape {
    height: usize,
    width: usize,
    channels: usize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    degrees: f64,
    #[serde(default)]
    right: f64,
    #[serde(default)]
    down: f64,
    #[serde(default)]
    factor: f64,
    #[serde(default)]
    sigma: f64,
    #[serde(default, rename = "box")]
    cut: [f64; 4],
    border: Option<Border>,
    expected: Vec<f64>,
}

impl Case {
    fn affine(&self) -> Option<Affine> {
        Some(match self.name.as_str() {
            "rotation" => Affine::rotation(self.degrees),
            "shift" => Affine::shift(self.right, self.down),
            "scale" => Affine::scale(self.factor),
            "together" => Affine::rotation(20.0).then(Affine::scale(1.2)).then(Affine::shift(0.8, -0.6)),
            "crop" => Affine::crop(self.cut[0], self.cut[1], self.cut[2], self.cut[3]),
            "horizontal_flip" => Affine::horizontal_flip(),
            "vertical_flip" => Affine::vertical_flip(),
            _ => return None,
        })
    }

    fn apply(&self, picture: &mut Vec<f32>, shape: PictureShape) {
        let mut to = vec![0.0; picture.len()];
        if let Some(affine) = self.affine() {
            warp(picture, shape, &affine, self.border.unwrap_or(Border::Continued(Continued::Edge)), &mut to);
            *picture = to;
            return;
        }
        match self.name.as_str() {
            "brightness" => tone::brighten(picture, self.factor as f32),
            "contrast" => tone::change_contrast(picture, shape.channels, self.factor as f32),
            "gaussian_blur" => blur::blur(picture, &mut to, shape, self.sigma),
            other => panic!("no step is called {other}"),
        }
    }

    /// Pillow keeps 8 bits of each value, and of the mean grey.
    fn tolerance(&self) -> f64 {
        if matches!(self.name.as_str(), "brightness" | "contrast") { 1.3 / 255.0 } else { 2e-6 }
    }
}

#[test]
fn steps_make_the_pictures_that_scipy_and_pillow_make() {
    let Cases { shape, pixels, cases } =
        serde_json::from_str(include_str!("../../../../tests/data/augment-cases.json")).unwrap();
    let Shape { height, width, channels } = shape;
    let shape = PictureShape { height, width, channels };
    assert!(cases.len() > 30);
    for case in &cases {
        let mut picture: Vec<f32> = pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
        case.apply(&mut picture, shape);
        let apart = picture.iter().zip(&case.expected).map(|(value, expected)| (f64::from(*value) - expected).abs());
        let worst = apart.fold(0.0, f64::max);
        let Case { name, degrees, right, down, factor, sigma, border, .. } = case;
        assert_eq!(picture.len(), case.expected.len());
        assert!(
            worst <= case.tolerance(),
            "{name} {degrees} {right} {down} {factor} {sigma} {border:?}: off by {worst}"
        );
    }
}

#[test]
fn a_picture_is_turned_counter_clockwise() {
    // numpy.rot90([[0.1, 0.2], [0.3, 0.4]])
    let shape = PictureShape { height: 2, width: 2, channels: 1 };
    let mut to = [0.0; 4];
    warp(&[0.1, 0.2, 0.3, 0.4], shape, &Affine::rotation(90.0), Border::Value(0.0), &mut to);
    for (value, expected) in to.iter().zip([0.2, 0.4, 0.1, 0.3]) {
        assert!((value - expected).abs() < 1e-6, "{to:?}");
    }
}
