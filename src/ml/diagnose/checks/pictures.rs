//! What is wrong with pictures, and with what is done to them.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, percent};
use super::super::survey::{Clue, Meaning, PictureSurvey};
use super::super::{Checked, Code, MatrixFacts, Setting, Severity, Survey};

/// With fewer rows of the rarer class a number may go with the classes by chance.
const LEAST_ROWS: usize = 10;

pub(super) fn of_config(setting: &Setting<'_>) -> Vec<Checked> {
    interpolated(setting).into_iter().collect()
}

pub(super) fn of_data(setting: &Setting<'_>, survey: &Survey, matrix: &MatrixFacts) -> Vec<Checked> {
    let Some(pictures) = &survey.pictures else { return pixel_columns(setting, survey, matrix).into_iter().collect() };
    let mut checked = vec![dark(pictures), unreadable(pictures), twins(pictures)];
    checked.extend(resolution(setting, pictures));
    checked.extend(clues(setting, pictures));
    checked.extend(meanings(setting, &pictures.meanings));
    checked
}

/// Pixels that were divided by 255 before they were saved as whole numbers.
fn dark(pictures: &PictureSurvey) -> Checked {
    const LIMIT: f64 = 0.02;
    let largest = f64::from(pictures.largest) / 255.0;
    Checked::new(Code::UnscaledPixels, largest, LIMIT).found_if(largest <= LIMIT, || {
        Told::error(
            format!(
                "No pixel is brighter than {} of white: the values were scaled before they were saved.",
                percent(largest)
            ),
            Evidence::new().beside("largest_pixel_value", largest, 1.0),
            "Save pictures with values from 0 to 255; they are scaled here, once.",
        )
    })
}

/// Columns of a table that are pixels.
fn pixel_columns(setting: &Setting<'_>, survey: &Survey, matrix: &MatrixFacts) -> Option<Checked> {
    const LEAST_COLUMNS: usize = 64;
    const MOST: f64 = 255.0;
    let numeric: Vec<bool> = survey.columns.iter().filter_map(|column| Some(column.numeric?.whole)).collect();
    let whole = numeric.iter().filter(|whole| **whole).count();
    if numeric.len() < LEAST_COLUMNS || whole * 10 < numeric.len() * 9 {
        return None;
    }
    let are_pixels = setting.is_unscaled() && matrix.largest > 1.5 && matrix.largest <= MOST;
    Some(Checked::new(Code::UnscaledPixels, matrix.largest, 1.5).found_if(are_pixels, || {
        Told::error(
            format!(
                "{} columns of whole numbers up to {} look like pixels and are not scaled.",
                numeric.len(),
                matrix.largest
            ),
            Evidence::new().beside("largest_pixel_value", matrix.largest, 1.0).count("columns", numeric.len()),
            "Let the columns be standardized, or upload pictures as an archive.",
        )
        .patch(json!({"preprocess": {"numeric": {"scale": "standard"}}}))
    }))
}

fn unreadable(pictures: &PictureSurvey) -> Checked {
    const LIMIT: f64 = 0.01;
    let files = pictures.unreadable as f64;
    // Those of the training part, against all that cannot be read: about as they were uploaded.
    let share = files / (files + pictures.pictures as f64).max(1.0);
    Checked::new(Code::UnreadablePictures, share, LIMIT).found_if(files > 0.0, || {
        let severity = if share > LIMIT { Severity::Warning } else { Severity::Info };
        Told::new(
            severity,
            format!("{files} files of the archive cannot be read as pictures and are no rows."),
            Evidence::new().beside("unreadable_files", files, 0.0).with("share_of_files", share),
            "Look at the list in the dataset's summary, save these files anew, and upload again: if one class was saved \
             another way, what is left of it is not as it was collected.",
        )
    })
}

fn resolution(setting: &Setting<'_>, pictures: &PictureSurvey) -> Option<Checked> {
    const NOTABLE: f64 = 4.0;
    const SEVERE: f64 = 8.0;
    let shrunk = pictures.shrunk?;
    Some(Checked::new(Code::LowResolution, shrunk, SEVERE).found_if(shrunk > NOTABLE, || {
        let title = format!("One pixel of the model stands for about {shrunk:.1} of the files along each side: what is smaller is not seen.");
        let evidence = Evidence::new().beside("pixels_of_the_file_per_pixel", shrunk, 1.0);
        let remedy = "If what tells the classes apart is small, let pictures be larger, or cut them to the part that matters \
                      before uploading.";
        let severity = if shrunk > SEVERE { Severity::Warning } else { Severity::Info };
        Told::new(severity, title, evidence, remedy).maybe_patch(twice_as_large(setting))
    }))
}

fn twice_as_large(setting: &Setting<'_>) -> Option<Value> {
    let [height, width] = setting.config.preprocess.image.as_ref()?.size;
    Some(json!({"preprocess": {"image": {"size": [2 * height, 2 * width]}}}))
}

/// A single number that ranks pictures almost without a mistake.
fn clues(setting: &Setting<'_>, pictures: &PictureSurvey) -> Option<Checked> {
    const OF_FILE: f64 = 0.9;
    const SEEN: f64 = 0.97;
    let tells = |clue: &&Clue| clue.auc > if clue.of_file { OF_FILE } else { SEEN };
    let best = pictures.clues.first()?;
    let telling = pictures.clues.iter().find(tells);
    let enough = setting.minority() >= LEAST_ROWS;
    let (value, limit) = (telling.unwrap_or(best).auc, if telling.unwrap_or(best).of_file { OF_FILE } else { SEEN });
    let found = telling.filter(|_| enough);
    Some(Checked::new(Code::PictureClues, value, limit).found_if(found.is_some(), || {
        let clue = found.unwrap_or(best);
        Told::warning(
            format!(
                "{} alone tells the classes apart: they may have been taken by another camera, light or program.",
                capitalized(clue.name)
            ),
            Evidence::new()
                .beside("roc_auc_of_the_number", clue.auc, 0.5)
                .beside("average_precision_of_the_number", clue.average_precision, setting.train.prevalence()),
            "Ask how pictures of each class came about. If the difference is not one of what they show, make all files alike \
             (size, format, brightness) or collect anew; augmentation by brightness and contrast hides a difference of light.",
        )
        .maybe_patch((!clue.of_file).then(|| with_light(setting)).flatten())
    }))
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The augmentation with changes of light behind it.
fn with_light(setting: &Setting<'_>) -> Option<Value> {
    let mut steps = serde_json::to_value(&setting.config.augment).ok()?;
    let list = steps.as_array_mut()?;
    for method in ["brightness", "contrast"] {
        if !setting.config.augment.iter().any(|step| step.method.name() == method) {
            list.push(json!({"method": method, "factor": [0.5, 1.5], "classes": "all"}));
        }
    }
    Some(json!({ "augment": steps }))
}

fn twins(pictures: &PictureSurvey) -> Checked {
    const NOTABLE: f64 = 0.01;
    const LIMIT: f64 = 0.05;
    const AGREEMENT: f64 = 0.9;
    const LEAST: usize = 3;
    let twins = &pictures.twins;
    let share = twins.twins as f64 / twins.judged.max(1) as f64;
    let positive = twins.positive_twins as f64 / twins.positives.max(1) as f64;
    let agreeing = twins.agreeing as f64 / twins.twins.max(1) as f64;
    let copied = twins.positive_twins >= LEAST && positive > LIMIT && agreeing >= AGREEMENT;
    Checked::new(Code::NearDuplicatePictures, positive, LIMIT).found_if(copied || share > NOTABLE, || {
        let title = format!(
            "{} of the validation and test pictures looked at, and {} of their positives, are nearly the same as a training picture.",
            percent(share),
            percent(positive)
        );
        let evidence = Evidence::new()
            .beside("share_with_nearly_the_same_training_picture", share, 0.0)
            .beside("share_of_positives_with_one", positive, 0.0)
            .with("twins_with_the_same_label", agreeing)
            .count("pictures_looked_at", twins.judged);
        let remedy = "Pictures of one thing, or one series, belong together: name the thing in a column of a manifest and split \
                      by it (group). What was learnt by heart is otherwise taken for what was understood.";
        let severity = if copied { Severity::Warning } else { Severity::Info };
        Told::new(severity, title, evidence, remedy)
    })
}

fn meanings(setting: &Setting<'_>, meanings: &[Meaning]) -> Option<Checked> {
    const LIMIT: f64 = 0.2;
    let changes = |meaning: &&Meaning| meaning.after > LIMIT && meaning.after > 2.0 * meaning.before + 0.1;
    let worst = meanings.iter().max_by(|a, b| a.after.total_cmp(&b.after))?;
    let changing: Vec<usize> = meanings.iter().filter(changes).map(|meaning| meaning.step).collect();
    let found = meanings.iter().filter(changes).max_by(|a, b| a.after.total_cmp(&b.after));
    Some(Checked::new(Code::MeaningChangingAugmentation, worst.after, LIMIT).found_if(found.is_some(), || {
        let meaning = found.unwrap_or(worst);
        Told::warning(
            format!(
                "{} makes {} of the rarer class's pictures look like the other class: they are learnt with the wrong label.",
                meaning.method,
                percent(meaning.after)
            ),
            Evidence::new()
                .beside("share_that_looks_like_the_other_class", meaning.after, meaning.before)
                .count("step", meaning.step)
                .count("pictures", meaning.asked),
            "Leave the step out, or let it do less (a smaller angle): a 6 that is turned upside down is a 9. The preview of \
             the augmentation shows what it makes.",
        )
        .maybe_patch(without_steps(setting, &changing))
    }))
}

fn without_steps(setting: &Setting<'_>, gone: &[usize]) -> Option<Value> {
    let kept = setting.config.augment.iter().enumerate().filter(|(index, _)| !gone.contains(index));
    let kept: Vec<_> = kept.map(|(_, step)| step).collect();
    Some(json!({ "augment": serde_json::to_value(kept).ok()? }))
}

/// Steps that compute new pictures from the pixels of others.
fn interpolated(setting: &Setting<'_>) -> Option<Checked> {
    setting.config.preprocess.image.as_ref()?;
    let makes = |method: &crate::ml::config::ResampleMethod| method.reads_rows() && method.makes_rows();
    let first = setting.config.resample.iter().position(|step| makes(&step.method));
    let steps = setting.config.resample.iter().filter(|step| makes(&step.method)).count();
    Some(Checked::new(Code::InterpolatedPictures, steps as f64, 0.0).found_if(first.is_some(), || {
        let name = first.and_then(|at| setting.config.resample.get(at)).map_or("", |step| step.method.name());
        Told::warning(
            format!("{name} computes pictures from the pixels of others: between two pictures lies their ghost, not a third."),
            Evidence::new().beside("steps_that_compute_pictures", steps as f64, 0.0),
            "Over-sample by copies and let augmentation make each copy different: it turns and moves what was really seen.",
        )
        .maybe_patch(with_copies(setting))
    }))
}

/// The same steps, with copies in place of computed pictures.
fn with_copies(setting: &Setting<'_>) -> Option<Value> {
    let of_step = |step: &crate::ml::config::ResampleStep| {
        if !(step.method.reads_rows() && step.method.adds_rows()) {
            return serde_json::to_value(step).ok();
        }
        let strategy = serde_json::to_value(&step.sampling_strategy).ok()?;
        Some(json!({"method": "random_over_sampler", "sampling_strategy": strategy}))
    };
    let steps = setting.config.resample.iter().map(of_step).collect::<Option<Vec<Value>>>()?;
    Some(json!({ "resample": steps }))
}
