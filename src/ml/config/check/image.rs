//! How pictures become pixels of one size: `preprocess.image`.

use super::PictureFacts;
use crate::ml::config::reader::{FieldError, ObjectReader, kind};
use crate::ml::config::{ImagePreprocess, ModelConfig, PictureColor, PictureNormalize};
use crate::ml::picture::{MAX_PICTURE_VALUES, PictureShape, Resize};

/// The longest side where none is asked for.
const MOST_BY_DEFAULT: usize = 64;
/// The longest side.
const MAX_SIDE: u64 = 2_048;

/// `None` where the dataset has no pictures, which then may not be spoken of.
pub(super) fn check_image(
    preprocess: &mut ObjectReader<'_>,
    facts: Option<PictureFacts>,
    model: &ModelConfig,
    errors: &mut Vec<FieldError>,
) -> Option<ImagePreprocess> {
    let Some(facts) = facts else {
        if preprocess.present("image").is_some() {
            preprocess.error("image", "the dataset has no column of pictures", errors);
        }
        return None;
    };
    let mut image = preprocess.object("image", errors);
    let size = check_size(&mut image, facts.usual, errors);
    let resize = image.choice(
        "resize",
        Resize::Fit,
        &[("fit", Resize::Fit), ("fill", Resize::Fill), ("stretch", Resize::Stretch)],
        errors,
    );
    let colors = [("auto", None), ("grey", Some(PictureColor::Grey)), ("rgb", Some(PictureColor::Rgb))];
    let usual = if facts.usual.channels == 1 { PictureColor::Grey } else { PictureColor::Rgb };
    let color = image.choice("color", None, &colors, errors).unwrap_or(usual);
    let normalize = image.choice(
        "normalize",
        PictureNormalize::Standard,
        &[("standard", PictureNormalize::Standard), ("unit", PictureNormalize::Unit)],
        errors,
    );
    let flatten = !model.reads_pictures();
    if image.boolean("flatten", flatten, errors) != flatten {
        let detail =
            format!("it is {flatten} for {:?}: linear models read pixels, networks read pictures", model.name());
        image.error("flatten", detail, errors);
    }
    let checked = ImagePreprocess { size, resize, color, normalize, flatten };
    let values = checked.spec().shape.values();
    if values > MAX_PICTURE_VALUES {
        let detail = format!("a picture would have {values} values; at most {MAX_PICTURE_VALUES} are allowed");
        image.error("size", detail, errors);
    }
    image.finish(errors);
    Some(checked)
}

fn check_size(image: &mut ObjectReader<'_>, usual: PictureShape, errors: &mut Vec<FieldError>) -> [usize; 2] {
    let default = shrunk(usual);
    if image.present("size").is_none() {
        return default;
    }
    let items = image.array("size", 2, errors);
    let mut sides = Vec::new();
    for (pointer, value) in &items {
        match value.as_u64() {
            Some(side) if (1..=MAX_SIDE).contains(&side) => sides.push(side as usize),
            _ => {
                let found = value.as_number().map_or_else(|| kind(value).to_owned(), ToString::to_string);
                let detail = format!("expected a whole number of pixels from 1 to {MAX_SIDE}, found {found}");
                errors.push(FieldError { pointer: pointer.clone(), detail });
            }
        }
    }
    match sides[..] {
        [height, width] => [height, width],
        _ => {
            if items.len() != 2 {
                image.error("size", "expected [height, width] in pixels", errors);
            }
            default
        }
    }
}

/// The usual size, made smaller so that its longer side is short enough.
fn shrunk(usual: PictureShape) -> [usize; 2] {
    let longest = usual.height.max(usual.width).max(1);
    let side = |side: usize| if longest <= MOST_BY_DEFAULT { side } else { side * MOST_BY_DEFAULT / longest };
    [side(usual.height).max(1), side(usual.width).max(1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{ConfigLimits, DatasetFacts, TrainConfig};
    use serde_json::{Value, json};

    fn facts(usual: Option<(usize, usize, usize)>) -> DatasetFacts {
        let shape = |(height, width, channels)| PictureFacts { usual: PictureShape { height, width, channels } };
        DatasetFacts { pictures: usual.map(shape), ..super::super::tests::facts() }
    }

    fn check(request: Value, facts: &DatasetFacts) -> Result<Option<ImagePreprocess>, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(&request, "", &mut errors);
        let config = TrainConfig::check(&mut reader, facts, &ConfigLimits::STANDARD, &mut errors);
        reader.finish(&mut errors);
        let told: Vec<_> = errors.into_iter().map(|error| (error.pointer, error.detail)).collect();
        if told.is_empty() { Ok(config.preprocess.image) } else { Err(told) }
    }

    #[test]
    fn the_usual_size_and_color_are_taken_but_no_larger_than_needed() {
        let logistic = json!({"model": {"type": "logistic"}});
        let found = check(logistic.clone(), &facts(Some((8, 8, 1)))).unwrap().unwrap();
        assert_eq!((found.size, found.color, found.flatten), ([8, 8], PictureColor::Grey, true));
        let found = check(logistic, &facts(Some((300, 1_200, 3)))).unwrap().unwrap();
        assert_eq!((found.size, found.color), ([16, 64], PictureColor::Rgb));
    }

    #[test]
    fn what_is_asked_for_is_taken_and_what_comes_back_may_be_asked_for_again() {
        let image = json!({"size": [10, 20], "resize": "fill", "color": "grey", "normalize": "unit", "flatten": true});
        let request = json!({"model": {"type": "logistic"}, "preprocess": {"image": image}});
        let found = check(request, &facts(Some((8, 8, 3)))).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&found).unwrap(), image);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let image =
            json!({"size": [0, 2.5], "resize": "squeeze", "color": "cmyk", "normalize": 1, "flatten": false, "x": 1});
        let request = json!({"model": {"type": "logistic"}, "preprocess": {"image": image}});
        let told = check(request, &facts(Some((8, 8, 3)))).unwrap_err();
        let places: Vec<&str> = told.iter().map(|(pointer, _)| pointer.rsplit('/').next().unwrap()).collect();
        assert_eq!(places, ["0", "1", "resize", "color", "normalize", "flatten", "x"], "{told:?}");
        for size in [json!([5]), json!([1, 2, 3]), json!(7), json!([2_048, 2_048])] {
            let request = json!({"model": {"type": "logistic"}, "preprocess": {"image": {"size": size}}});
            let told = check(request, &facts(Some((8, 8, 3)))).unwrap_err();
            assert!(told.iter().all(|(pointer, _)| pointer.starts_with("/preprocess/image/size")), "{told:?}");
        }
    }

    #[test]
    fn tables_have_no_pictures_to_speak_of() {
        assert_eq!(check(json!({}), &facts(None)), Ok(None));
        let told = check(json!({"preprocess": {"image": {}}}), &facts(None)).unwrap_err();
        assert_eq!(told, [("/preprocess/image".to_owned(), "the dataset has no column of pictures".to_owned())]);
    }
}
