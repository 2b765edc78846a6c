//! What the rows of a batch can teach.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Severity, Told, percent};
use super::super::{Checked, Code, Setting, networks};
use crate::ml::config::{BatchKind, Training};

pub(super) fn of_config(setting: &Setting<'_>) -> Vec<Checked> {
    let Some(training) = &setting.config.training else { return Vec::new() };
    let mut checked = vec![without_positives(setting, training)];
    checked.extend(small_normalized(setting, training));
    checked
}

fn without_positives(setting: &Setting<'_>, training: &Training) -> Checked {
    const LIMIT: f64 = 0.05;
    /// From here on it slows learning down.
    const MANY: f64 = 0.2;
    let learnt = setting.learnt();
    let rows = learnt.total().max(1) as f64;
    let share = learnt.positive.min(learnt.negative) as f64 / rows;
    let batch = training.batch_size as f64;
    let lacking = match training.batches {
        _ if batch >= rows => 0.0,
        BatchKind::Shuffled => (1.0 - share).powf(batch),
        BatchKind::Stratified => (1.0 - share * batch).max(0.0),
        BatchKind::Balanced => 0.0,
    };
    Checked::new(Code::BatchesWithoutPositives, lacking, MANY).found_if(lacking > LIMIT, || {
        Told::new(
            if lacking > MANY { Severity::Warning } else { Severity::Info },
            format!(
                "{} of the batches of {} rows hold no row of the rarer class and teach only that it is rare.",
                percent(lacking),
                training.batch_size
            ),
            Evidence::new()
                .beside("batches_without", lacking, LIMIT)
                .with("minority_rows_per_batch", share * batch)
                .beside("batch_size", batch, (3.0 / share).ceil()),
            "Use batches of at least three over the share of the rarer class, or give each batch its share.",
        )
        .patch(fuller_batches(share, rows))
    })
}

/// A batch size that nearly always has a row of the rarer class, where an epoch still has some batches of it; else
/// batches of half each.
fn fuller_batches(share: f64, rows: f64) -> Value {
    const LARGEST: f64 = 4_096.0;
    const BATCHES_PER_EPOCH: f64 = 8.0;
    let size = (3.0 / share).ceil().max(1.0) as usize;
    let size = size.checked_next_power_of_two().unwrap_or(usize::MAX);
    if (size as f64) <= LARGEST.min(rows / BATCHES_PER_EPOCH) {
        json!({"training": {"batch_size": size}})
    } else {
        json!({"training": {"batches": "balanced"}})
    }
}

fn small_normalized(setting: &Setting<'_>, training: &Training) -> Option<Checked> {
    const LEAST: usize = 8;
    const USUAL: usize = 32;
    if !networks::normalizes_over_the_batch(&setting.config.model) {
        return None;
    }
    let size = training.batch_size;
    Some(Checked::new(Code::SmallNormalizedBatches, size as f64, LEAST as f64).found_if(size < LEAST, || {
        Told::warning(
            format!("Batch normalization goes by the mean and spread of {size} rows, which are mostly chance."),
            Evidence::new().beside("batch_size", size as f64, USUAL as f64),
            "Use larger batches, or normalize each row over its units (layer).",
        )
        .patch(json!({"training": {"batch_size": USUAL}}))
    }))
}
