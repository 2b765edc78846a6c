//! How training rows are disturbed: `augment`.

use serde_json::Value;

use crate::ml::config::reader::{FieldError, ObjectReader, Range, kind};
use crate::ml::config::*;
use crate::ml::picture::PictureShape;

/// Every method, with the chance of being applied that it has by default: a picture that is always flipped is a picture
/// that is never seen as it is.
const METHODS: [(&str, f64); 13] = [
    ("gaussian_noise", 1.0),
    ("rotation", 1.0),
    ("horizontal_flip", 0.5),
    ("vertical_flip", 0.5),
    ("random_crop", 1.0),
    ("random_resized_crop", 1.0),
    ("translation", 1.0),
    ("scale", 1.0),
    ("brightness", 1.0),
    ("contrast", 1.0),
    ("gaussian_blur", 1.0),
    ("cutout", 1.0),
    ("mixup", 1.0),
];
/// Pixels of border, at most.
const MAX_PADDING: usize = 1024;

/// What there is to be disturbed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disturbed {
    /// Whether any column to learn from is numeric.
    pub(super) numbers: bool,
    /// The shape of the pictures to learn from, if there are any.
    pub(super) pictures: Option<PictureShape>,
}

pub(super) fn check_augment(
    reader: &mut ObjectReader<'_>,
    disturbed: Disturbed,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<AugmentStep> {
    let mut steps: Vec<AugmentStep> = Vec::new();
    for (pointer, value) in reader.array("augment", limits.max_resample_steps, errors) {
        let mut step = ObjectReader::new(value, pointer.clone(), errors);
        let (method, probability) = check_method(&mut step, value.is_object(), disturbed.pictures, errors);
        if let Some(detail) = refused(&method, &steps, disturbed) {
            errors.push(FieldError { pointer, detail: detail.to_owned() });
        }
        steps.push(AugmentStep {
            probability: step.number("probability", probability, Range::Above(0.0, 1.0), errors),
            classes: step.choice(
                "classes",
                AugmentClasses::Minority,
                &[("minority", AugmentClasses::Minority), ("all", AugmentClasses::All)],
                errors,
            ),
            method,
        });
        step.finish(errors);
    }
    steps
}

/// Why these rows cannot be disturbed so.
fn refused(method: &AugmentMethod, before: &[AugmentStep], disturbed: Disturbed) -> Option<&'static str> {
    let mixes = |method: &AugmentMethod| matches!(method, AugmentMethod::Mixup { .. });
    if method.needs_pictures() && disturbed.pictures.is_none() {
        return Some(
            "this method changes pictures, and the dataset has none to learn from; gaussian_noise changes numbers",
        );
    }
    if !disturbed.numbers && disturbed.pictures.is_none() {
        return Some("gaussian_noise changes numeric columns and pictures, and no feature is either");
    }
    (mixes(method) && before.iter().any(|step| mixes(&step.method))).then_some("pictures are mixed at most once")
}

/// The method with its parameters, and the chance that it has by default.
fn check_method(
    step: &mut ObjectReader<'_>,
    is_object: bool,
    pictures: Option<PictureShape>,
    errors: &mut Vec<FieldError>,
) -> (AugmentMethod, f64) {
    let choices = METHODS.map(|method| (method.0, method));
    if is_object && step.present("method").is_none() {
        let names = METHODS.map(|(name, _)| name).join(", ");
        step.error("method", format!("each step needs a method: one of {names}"), errors);
    }
    let (name, probability) = step.choice("method", METHODS[0], &choices, errors);
    let method = match name {
        "rotation" => AugmentMethod::Rotation {
            degrees: Reading { one: One::Both, range: (-180.0, 180.0) }.span(step, "degrees", (-15.0, 15.0), errors),
            border: border(step, errors),
        },
        "horizontal_flip" => AugmentMethod::HorizontalFlip,
        "vertical_flip" => AugmentMethod::VerticalFlip,
        "random_crop" => {
            AugmentMethod::RandomCrop { padding: padding(step, pictures, errors), border: border(step, errors) }
        }
        "random_resized_crop" => AugmentMethod::RandomResizedCrop {
            scale: Reading { one: One::Fixed, range: (0.01, 1.0) }.span(step, "scale", (0.5, 1.0), errors),
            ratio: Reading { one: One::Fixed, range: (0.1, 10.0) }.span(step, "ratio", (0.75, 4.0 / 3.0), errors),
        },
        "translation" => AugmentMethod::Translation {
            fraction: Reading { one: One::Both, range: (-1.0, 1.0) }.span(step, "fraction", (-0.1, 0.1), errors),
            border: border(step, errors),
        },
        "scale" => {
            AugmentMethod::Scale { factor: factor(step, (0.9, 1.1), (0.1, 10.0), errors), border: border(step, errors) }
        }
        "brightness" => AugmentMethod::Brightness { factor: factor(step, (0.8, 1.2), (0.0, 10.0), errors) },
        "contrast" => AugmentMethod::Contrast { factor: factor(step, (0.8, 1.2), (0.0, 10.0), errors) },
        "gaussian_blur" => AugmentMethod::GaussianBlur {
            sigma: Reading { one: One::Fixed, range: (0.0, 10.0) }.span(step, "sigma", (0.1, 1.0), errors),
        },
        "cutout" => AugmentMethod::Cutout {
            size: Reading { one: One::Fixed, range: (0.01, 1.0) }.span(step, "size", (0.25, 0.25), errors),
            fill: fill(step, errors),
        },
        "mixup" => AugmentMethod::Mixup { alpha: step.number("alpha", 0.2, Range::Closed(0.01, 100.0), errors) },
        _ => {
            // Pixels are from 0 to 1; columns may be of any size.
            let largest = if pictures.is_some() { 1.0 } else { 100.0 };
            AugmentMethod::GaussianNoise { std: step.number("std", 0.05, Range::Above(0.0, largest), errors) }
        }
    };
    (method, probability)
}

/// What one number in place of two means.
#[derive(Debug, Clone, Copy)]
enum One {
    /// `d`: from `-d` to `d`.
    Both,
    /// `d`: from `1 - d` to `1 + d`.
    Factor,
    /// `x`: always `x`.
    Fixed,
}

/// How a span is read: `[low, high]` within a range, both ends included, or one number.
struct Reading {
    one: One,
    range: (f64, f64),
}

impl Reading {
    fn span(
        self,
        step: &mut ObjectReader<'_>,
        name: &'static str,
        default: (f64, f64),
        errors: &mut Vec<FieldError>,
    ) -> Span {
        let default = Span { low: default.0, high: default.1 };
        let Some(value) = step.present(name) else { return default };
        self.read(value).unwrap_or_else(|| {
            let found = match value {
                Value::Number(_) | Value::Array(_) => shown(value),
                other => kind(other).to_owned(),
            };
            step.error(name, format!("expected {self}, found {found}"), errors);
            default
        })
    }

    fn read(&self, value: &Value) -> Option<Span> {
        let (low, high) = match value {
            Value::Array(ends) => match ends.as_slice() {
                [low, high] => (low.as_f64()?, high.as_f64()?),
                _ => return None,
            },
            value => {
                let number = value.as_f64()?;
                match self.one {
                    One::Both => (-number, number),
                    One::Factor if number < 1.0 => (1.0 - number, 1.0 + number),
                    One::Factor => return None,
                    One::Fixed => (number, number),
                }
            }
        };
        let (least, most) = self.range;
        (least <= low && low <= high && high <= most).then_some(Span { low, high })
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, most) = self.range;
        write!(out, "[low, high] with {least} <= low <= high <= {most}, or ")?;
        match self.one {
            One::Both => write!(out, "a number d from 0 to {most} for [-d, d]"),
            One::Factor => {
                write!(out, "a number d of at least 0 and below 1 for [1 - d, 1 + d], which must lie within that")
            }
            One::Fixed => write!(out, "a number from {least} to {most}"),
        }
    }
}

/// A short value as it was sent.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    if text.len() <= LONGEST { text } else { kind(value).to_owned() }
}

fn factor(step: &mut ObjectReader<'_>, default: (f64, f64), range: (f64, f64), errors: &mut Vec<FieldError>) -> Span {
    Reading { one: One::Factor, range }.span(step, "factor", default, errors)
}

/// An eighth of the shorter side unless told otherwise.
fn padding(step: &mut ObjectReader<'_>, pictures: Option<PictureShape>, errors: &mut Vec<FieldError>) -> usize {
    let side = pictures.map_or(MAX_PADDING, |shape| shape.height.min(shape.width).clamp(1, MAX_PADDING));
    step.integer("padding", (side / 8).max(1) as u64, 1, side as u64, errors) as usize
}

fn border(step: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Border {
    let named = [("edge", Continued::Edge), ("reflect", Continued::Reflect)];
    let (value, name) = value_or(step, "border", (Continued::Edge, &named), errors);
    value.map_or(Border::Continued(name), Border::Value)
}

fn fill(step: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Fill {
    let (value, name) = value_or(step, "fill", (OwnFill::Mean, &[("mean", OwnFill::Mean)]), errors);
    value.map_or(Fill::Own(name), Fill::Value)
}

/// A value of a pixel, or one of some names; without either, the first of `names`.
fn value_or<T: Copy>(
    step: &mut ObjectReader<'_>,
    name: &'static str,
    names: (T, &[(&str, T)]),
    errors: &mut Vec<FieldError>,
) -> (Option<f64>, T) {
    let (default, choices) = names;
    let Some(value) = step.present(name) else { return (None, default) };
    let found = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
    if let Some((_, choice)) = found {
        return (None, *choice);
    }
    let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
    if number.is_none() {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        let found = shown(value);
        step.error(name, format!("expected {} or a number from 0 to 1, found {found}", names.join(", ")), errors);
    }
    (number, default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHAPE: PictureShape = PictureShape { height: 32, width: 24, channels: 3 };
    const PICTURES: Disturbed = Disturbed { numbers: false, pictures: Some(SHAPE) };

    fn check(augment: &Value, disturbed: Disturbed) -> (Vec<AugmentStep>, Vec<(String, String)>) {
        let mut errors = Vec::new();
        let request = json!({ "augment": augment });
        let mut reader = ObjectReader::new(&request, "", &mut errors);
        let steps = check_augment(&mut reader, disturbed, &ConfigLimits::STANDARD, &mut errors);
        reader.finish(&mut errors);
        (steps, errors.into_iter().map(|error| (error.pointer, error.detail)).collect())
    }

    /// The configuration of the only step with every default filled in.
    fn filled(step: Value) -> Value {
        let (steps, errors) = check(&json!([step]), PICTURES);
        assert_eq!(errors, []);
        let filled = serde_json::to_value(&steps[0]).unwrap();
        assert_eq!(serde_json::from_value::<AugmentStep>(filled.clone()).unwrap(), steps[0]);
        filled
    }

    #[test]
    fn every_method_has_its_defaults() {
        let expected = [
            json!({"method": "gaussian_noise", "std": 0.05, "probability": 1.0}),
            json!({"method": "rotation", "degrees": [-15.0, 15.0], "border": "edge", "probability": 1.0}),
            json!({"method": "horizontal_flip", "probability": 0.5}),
            json!({"method": "vertical_flip", "probability": 0.5}),
            json!({"method": "random_crop", "padding": 3, "border": "edge", "probability": 1.0}),
            json!({"method": "random_resized_crop", "scale": [0.5, 1.0], "ratio": [0.75, 4.0 / 3.0], "probability": 1.0}),
            json!({"method": "translation", "fraction": [-0.1, 0.1], "border": "edge", "probability": 1.0}),
            json!({"method": "scale", "factor": [0.9, 1.1], "border": "edge", "probability": 1.0}),
            json!({"method": "brightness", "factor": [0.8, 1.2], "probability": 1.0}),
            json!({"method": "contrast", "factor": [0.8, 1.2], "probability": 1.0}),
            json!({"method": "gaussian_blur", "sigma": [0.1, 1.0], "probability": 1.0}),
            json!({"method": "cutout", "size": [0.25, 0.25], "fill": "mean", "probability": 1.0}),
            json!({"method": "mixup", "alpha": 0.2, "probability": 1.0}),
        ];
        assert_eq!(expected.len(), METHODS.len());
        for mut expected in expected {
            expected["classes"] = json!("minority");
            assert_eq!(filled(json!({"method": expected["method"]})), expected);
        }
    }

    #[test]
    fn one_number_stands_for_a_span() {
        assert_eq!(filled(json!({"method": "rotation", "degrees": 40}))["degrees"], json!([-40.0, 40.0]));
        assert_eq!(filled(json!({"method": "rotation", "degrees": [0, 90], "border": 0.5}))["border"], json!(0.5));
        assert_eq!(filled(json!({"method": "scale", "factor": 0.25}))["factor"], json!([0.75, 1.25]));
        assert_eq!(filled(json!({"method": "gaussian_blur", "sigma": 2}))["sigma"], json!([2.0, 2.0]));
        assert_eq!(filled(json!({"method": "cutout", "fill": 0}))["fill"], json!(0.0));
    }

    #[test]
    fn all_mistakes_are_told_with_what_would_be_right() {
        let (_, errors) = check(
            &json!([
                {"method": "rotation", "degrees": 181, "border": "wrap"},
                {"method": "scale", "factor": [1.2, 0.8]},
                {"method": "brightness", "factor": 1.5},
                {"method": "random_crop", "padding": 25, "degrees": 3},
                {"method": "cutout", "size": [0.1, 0.2, 0.3], "fill": 2, "classes": "rare"},
                {"method": "twist"},
                {"method": "gaussian_noise", "std": 2.0},
                {"method": "gaussian_blur", "sigma": "much"},
            ]),
            PICTURES,
        );
        let expected = [
            (
                "/augment/0/degrees",
                "expected [low, high] with -180 <= low <= high <= 180, or a number d from 0 to 180 for [-d, d], found 181",
            ),
            ("/augment/0/border", "expected edge, reflect or a number from 0 to 1, found \"wrap\""),
            (
                "/augment/1/factor",
                "expected [low, high] with 0.1 <= low <= high <= 10, or a number d of at least 0 and below 1 for [1 - d, 1 + d], which must lie within that, found [1.2,0.8]",
            ),
            (
                "/augment/2/factor",
                "expected [low, high] with 0 <= low <= high <= 10, or a number d of at least 0 and below 1 for [1 - d, 1 + d], which must lie within that, found 1.5",
            ),
            ("/augment/3/padding", "expected a whole number from 1 to 24, found 25"),
            ("/augment/3/degrees", "unknown member; known here: border, classes, method, padding, probability"),
            (
                "/augment/4/size",
                "expected [low, high] with 0.01 <= low <= high <= 1, or a number from 0.01 to 1, found [0.1,0.2,0.3]",
            ),
            ("/augment/4/fill", "expected mean or a number from 0 to 1, found 2"),
            ("/augment/4/classes", "expected one of minority, all, found \"rare\""),
            (
                "/augment/5/method",
                "expected one of gaussian_noise, rotation, horizontal_flip, vertical_flip, random_crop, random_resized_crop, translation, scale, brightness, contrast, gaussian_blur, cutout, mixup, found \"twist\"",
            ),
            ("/augment/6/std", "expected a number above 0 and at most 1, found 2"),
            (
                "/augment/7/sigma",
                "expected [low, high] with 0 <= low <= high <= 10, or a number from 0 to 10, found a string",
            ),
        ];
        let expected = expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned()));
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_span_may_not_leave_its_range() {
        for wrong in [json!(-5), json!([-5, -10]), json!([0]), json!([0, "1"]), json!({}), json!([-200, 0])] {
            let (_, errors) = check(&json!([{"method": "rotation", "degrees": wrong}]), PICTURES);
            assert_eq!(errors.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn steps_for_pictures_are_refused_where_there_are_none_and_the_other_way_round() {
        let table = Disturbed { numbers: true, pictures: None };
        let (steps, errors) = check(&json!([{"method": "gaussian_noise", "std": 50}, {"method": "rotation"}]), table);
        assert_eq!((steps.len(), errors.len(), errors[0].0.as_str()), (2, 1, "/augment/1"));
        let neither = Disturbed { numbers: false, pictures: None };
        assert_eq!(check(&json!([{"method": "gaussian_noise"}]), neither).1.len(), 1);
        let twice = json!([{"method": "mixup"}, {"method": "mixup"}]);
        assert_eq!(
            check(&twice, PICTURES).1,
            [("/augment/1".to_owned(), "pictures are mixed at most once".to_owned())]
        );
    }
}
