//! Causes that pictures have.

use std::collections::BTreeMap;

use evenkeel::ml::config::{DatasetFacts, FeatureFacts, PictureFacts};
use evenkeel::ml::diagnose::{Code, Severity};
use evenkeel::ml::picture::{Originals, PictureShape, Pictures};
use evenkeel::ml::seed::{Rng, Seed};
use evenkeel::ml::table::{Column, Table, Values};
use rand::Rng as _;
use serde_json::json;

use super::support::{Made, assert_not_found, found, number, told, troubles};
use crate::support::Data;

const SHAPE: PictureShape = PictureShape { height: 12, width: 12, channels: 1 };

/// Pictures of one shape, and which of them are positive: one in six.
struct Drawn {
    pixels: Vec<Vec<u8>>,
    labels: Vec<bool>,
    originals: Option<Originals>,
}

impl Drawn {
    /// Each picture as `draw` makes it of its label.
    fn new(count: usize, seed: u64, mut draw: impl FnMut(bool, &mut Rng) -> Vec<u8>) -> Self {
        let mut rng = Seed(seed).stream("drawn");
        let labels: Vec<bool> = (0..count).map(|row| row % 6 == 0).collect();
        let pixels = labels.iter().map(|&label| draw(label, &mut rng)).collect();
        Self { pixels, labels, originals: None }
    }

    fn data(self) -> Data {
        let count = self.labels.len();
        let pictures = Pictures::new(SHAPE, self.pixels.concat()).unwrap();
        let pictures = match self.originals {
            Some(originals) => pictures.with_originals(originals),
            None => pictures,
        };
        let levels = vec!["other".to_owned(), "rare".to_owned()];
        let codes = self.labels.iter().map(|&label| u32::from(label)).collect();
        let columns = vec![
            Column { name: "image".to_owned(), values: Values::Pictures(pictures) },
            Column { name: "label".to_owned(), values: Values::Categorical { codes, levels } },
        ];
        let fact = |column: &Column| FeatureFacts {
            name: column.name.clone(),
            column_type: column.values.column_type(),
            distinct: 2,
            values: None,
        };
        let positives = self.labels.iter().filter(|&&label| label).count();
        let facts = DatasetFacts {
            rows: count,
            target: "label".to_owned(),
            positive_label: "rare".to_owned(),
            columns: columns.iter().map(fact).collect(),
            origin_columns: Vec::new(),
            pictures: Some(PictureFacts { usual: SHAPE }),
            class_counts: BTreeMap::from([("other".to_owned(), count - positives), ("rare".to_owned(), positives)]),
        };
        Data { table: Table::new(columns).unwrap(), facts }
    }
}

/// Two blobs of light on a dim ground, one above the other where `upright`, else side by side.
fn blobs(upright: bool, rng: &mut Rng) -> Vec<u8> {
    let (y, x, apart) = (rng.random_range(3.5..7.5), rng.random_range(3.5..7.5), rng.random_range(2.0..3.2));
    let (dy, dx) = if upright { (apart, 0.0) } else { (0.0, apart) };
    let value = |place: usize| {
        let (py, px) = ((place / 12) as f64, (place % 12) as f64);
        let light = |cy: f64, cx: f64| 150.0 * (-((py - cy).powi(2) + (px - cx).powi(2)) / 1.5).exp();
        light(y - dy, x - dx) + light(y + dy, x + dx)
    };
    let pixels: Vec<f64> = (0..SHAPE.values()).map(value).collect();
    pixels.into_iter().map(|value| (value + rng.random_range(10.0..40.0)).min(255.0) as u8).collect()
}

#[test]
fn sound_pictures_have_no_trouble_and_are_looked_at() {
    let diagnosis = Drawn::new(900, 1, blobs).data().diagnose(&json!({}));
    assert_eq!(troubles(&diagnosis), Vec::<&str>::new(), "{}", told(&diagnosis));
    let looked = |code| diagnosis.checks.iter().any(|check| check.name == code && check.passed);
    for code in [Code::UnscaledPixels, Code::UnreadablePictures, Code::PictureClues, Code::NearDuplicatePictures] {
        assert!(looked(code), "{}", code.as_str());
    }
    assert_eq!(diagnosis.baselines.len(), 3);
    assert!(diagnosis.baselines.iter().all(|baseline| baseline.average_precision.is_some()));
}

#[test]
fn pictures_that_were_scaled_before_they_were_saved_are_an_error() {
    let mut drawn = Drawn::new(600, 2, blobs);
    drawn.pixels.iter_mut().flatten().for_each(|value| *value /= 100);
    let finding = found(&drawn.data().diagnose(&json!({})), Code::UnscaledPixels);
    assert_eq!(finding.severity, Severity::Error);
    assert!(number(&finding, "largest_pixel_value") < 0.02);
}

#[test]
fn columns_of_pixels_that_are_not_scaled_are_an_error() {
    let pixels = |made: Made| {
        (0..70).fold(made, |made, column| {
            made.with_numbers(&format!("p{column}"), move |row, _| ((row * 7919 + column * 104_729) % 256) as f64)
        })
    };
    let made = pixels(Made { columns: Vec::new(), ..Made::new(600, 6, 3) }).data();
    let finding = found(&made.diagnose(&json!({"preprocess": {"numeric": {"scale": "none"}}})), Code::UnscaledPixels);
    assert_eq!((finding.severity, number(&finding, "largest_pixel_value")), (Severity::Error, 255.0));
    let patch = finding.patch.unwrap();
    assert_not_found(&made.diagnose(&patch), Code::UnscaledPixels);
}

#[test]
fn pictures_that_were_saved_anew_are_found_across_the_split() {
    let mut drawn = Drawn::new(600, 4, blobs);
    // A fifth of the pictures once more, a little brighter: some of each pair are judged by what the other has taught.
    let mut rng = Seed(4).stream("again");
    for row in (0..600).step_by(5) {
        let again = drawn.pixels[row].iter().map(|&value| value.saturating_add(3 + rng.random_range(0..3))).collect();
        drawn.pixels.push(again);
        drawn.labels.push(drawn.labels[row]);
    }
    let finding = found(&drawn.data().diagnose(&json!({})), Code::NearDuplicatePictures);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(number(&finding, "share_of_positives_with_one") > 0.05, "{finding:?}");
    assert!(number(&finding, "twins_with_the_same_label") > 0.99, "{finding:?}");
}

#[test]
fn a_class_that_was_taken_in_another_light_or_format_is_seen() {
    let mut drawn = Drawn::new(600, 5, blobs);
    for (pixels, label) in drawn.pixels.iter_mut().zip(&drawn.labels) {
        pixels.iter_mut().for_each(|value| *value = value.saturating_add(if *label { 30 } else { 0 }));
    }
    let data = drawn.data();
    let finding = found(&data.diagnose(&json!({})), Code::PictureClues);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.title.starts_with("The mean brightness"), "{}", finding.title);
    let patched = data.patched(&json!({}), &finding.patch.unwrap());
    assert_eq!(patched["augment"].as_array().unwrap().len(), 2);
    data.config(&patched);

    let mut drawn = Drawn::new(600, 6, blobs);
    let sizes = drawn.labels.iter().map(|&label| if label { [96, 96] } else { [90, 100] }).collect();
    drawn.originals = Some(Originals { sizes, unreadable: 0 });
    let finding = found(&drawn.data().diagnose(&json!({})), Code::PictureClues);
    assert!(finding.title.contains("of the file alone tells the classes apart"), "{}", finding.title);
    assert_eq!((number(&finding, "roc_auc_of_the_number"), finding.patch), (1.0, None));
}

#[test]
fn small_pictures_of_large_files_and_files_that_cannot_be_read_are_said() {
    let mut drawn = Drawn::new(600, 7, blobs);
    drawn.originals = Some(Originals { sizes: vec![[120, 120]; 600], unreadable: 40 });
    let data = drawn.data();
    let diagnosis = data.diagnose(&json!({}));
    let finding = found(&diagnosis, Code::LowResolution);
    assert_eq!((finding.severity, number(&finding, "pixels_of_the_file_per_pixel")), (Severity::Warning, 10.0));
    assert_eq!(finding.patch, Some(json!({"preprocess": {"image": {"size": [24, 24]}}})));
    let finding = found(&diagnosis, Code::UnreadablePictures);
    assert_eq!((finding.severity, number(&finding, "unreadable_files")), (Severity::Warning, 40.0));
    let mut drawn = Drawn::new(600, 7, blobs);
    drawn.originals = Some(Originals { sizes: vec![[24, 24]; 600], unreadable: 1 });
    let diagnosis = drawn.data().diagnose(&json!({}));
    assert_not_found(&diagnosis, Code::LowResolution);
    assert_eq!(found(&diagnosis, Code::UnreadablePictures).severity, Severity::Info);
}

#[test]
fn a_turn_that_makes_one_class_of_the_other_is_seen_and_left_out() {
    let data = Drawn::new(900, 8, blobs).data();
    // Blobs side by side are blobs above each other when they are turned by a right angle.
    let steps = json!({"augment": [
        {"method": "rotation", "degrees": [90, 90]}, {"method": "horizontal_flip"}, {"method": "rotation", "degrees": 5}
    ]});
    let finding = found(&data.diagnose(&steps), Code::MeaningChangingAugmentation);
    assert_eq!((finding.severity, number(&finding, "step")), (Severity::Warning, 0.0));
    assert!(number(&finding, "share_that_looks_like_the_other_class") > 0.5, "{finding:?}");
    let mended = data.patched(&steps, &finding.patch.unwrap());
    assert_eq!(mended["augment"].as_array().unwrap().len(), 2);
    assert_not_found(&data.diagnose(&mended), Code::MeaningChangingAugmentation);
}

#[test]
fn computed_pictures_are_ghosts_and_copies_are_not() {
    let data = Drawn::new(600, 9, blobs).data();
    let steps = json!({"resample": [{"method": "smote", "sampling_strategy": 0.5}, {"method": "tomek_links"}]});
    let finding = found(&data.diagnose(&steps), Code::InterpolatedPictures);
    assert_eq!(finding.severity, Severity::Warning);
    let mended = data.patched(&steps, &finding.patch.unwrap());
    let methods: Vec<&str> =
        mended["resample"].as_array().unwrap().iter().map(|s| s["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["random_over_sampler", "tomek_links"]);
    assert_eq!(mended["resample"][0]["sampling_strategy"], json!(0.5));
    assert_not_found(&data.diagnose(&mended), Code::InterpolatedPictures);
    let table = Made::new(600, 6, 9).data().diagnose(&steps);
    assert_not_found(&table, Code::InterpolatedPictures);
}
