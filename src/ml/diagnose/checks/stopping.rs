//! When training ends, and by what.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, percent};
use super::super::{Checked, Code, Run, Setting};
use crate::ml::config::{EarlyStopping, Monitor, Training};
use crate::ml::metrics::base_rate_entropy;
use crate::ml::observe::StoppedBy;

/// Epochs without an improvement that early stopping waits unless told otherwise.
const USUAL_PATIENCE: usize = 20;

pub(super) fn of_config(setting: &Setting<'_>) -> Vec<Checked> {
    let training = setting.config.training.as_ref();
    let Some(stopping) = training.and_then(|training| training.early_stopping.as_ref()) else { return Vec::new() };
    vec![impatient(setting, stopping), misleading(setting, stopping)]
}

pub(super) fn of_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    let Some(training) = &setting.config.training else { return Vec::new() };
    let mut checked = vec![too_early(run, training)];
    checked.extend(vanished_rate(run, training));
    checked
}

fn impatient(setting: &Setting<'_>, stopping: &EarlyStopping) -> Checked {
    const LEAST_PATIENCE: usize = 3;
    /// The share of the constant's loss that an epoch has to gain to count.
    const LARGEST_DELTA: f64 = 0.05;
    let entropy = base_rate_entropy(setting.train.prevalence());
    let scale = if stopping.monitor == Monitor::ValidationLoss { entropy } else { 1.0 };
    let delta = if scale > 0.0 { stopping.min_delta / scale } else { 0.0 };
    let found = stopping.patience < LEAST_PATIENCE || delta > LARGEST_DELTA;
    Checked::new(Code::ImpatientStopping, stopping.patience as f64, LEAST_PATIENCE as f64).found_if(found, || {
        Told::warning(
            format!(
                "Early stopping gives up after {} epoch(s) that do not gain {}: the loss of a constant is {entropy:.3} here.",
                stopping.patience, stopping.min_delta
            ),
            Evidence::new()
                .beside("patience", stopping.patience as f64, USUAL_PATIENCE as f64)
                .beside("min_delta", stopping.min_delta, 0.0)
                .with("min_delta_over_the_loss_of_a_constant", delta),
            "Wait longer, and count every gain.",
        )
        .patch(json!({"training": {"early_stopping": {"patience": USUAL_PATIENCE, "min_delta": 0.0}}}))
    })
}

fn misleading(setting: &Setting<'_>, stopping: &EarlyStopping) -> Checked {
    let by_probability = matches!(stopping.monitor, Monitor::ValidationLoss | Monitor::ValidationBrier);
    let has_inverse = setting.config.loss.has_inverse();
    let found = by_probability && !has_inverse;
    Checked::new(Code::MisleadingMonitor, f64::from(u8::from(found)), 1.0).found_if(found, || {
        Told::warning(
            format!(
                "Early stopping follows {}, but the loss {} moves probabilities away from the prevalence: the better the model, the worse that value may get.",
                stopping.monitor.name(),
                setting.config.loss.name()
            ),
            Evidence::new().beside("monitors_probabilities", 1.0, 0.0),
            "Follow the ranking instead: average precision.",
        )
        .patch(json!({"training": {"early_stopping": {"monitor": "validation_average_precision"}}}))
    })
}

fn too_early(run: &Run<'_>, training: &Training) -> Checked {
    /// The share of the loss that an epoch still gains at the end.
    const STEEP: f64 = 0.01;
    let (validation, train) = (run.relative_curve(), run.train_losses());
    let slope = Run::final_slope(&validation).unwrap_or(0.0).min(Run::final_slope(&train).unwrap_or(0.0));
    let ran_out = run.stopped_by == StoppedBy::Epochs && slope > STEEP;
    let few = run.stopped_by == StoppedBy::EarlyStopping && run.epochs_run < 5;
    // A handful of epochs has no slope to go by.
    let hardly = run.stopped_by == StoppedBy::Epochs && run.epochs_run < 4 && run.best_epoch == run.epochs_run;
    Checked::new(Code::StoppedTooEarly, slope, STEEP).found_if(ran_out || few || hardly, || {
        Told::warning(
            format!(
                "Training ended after {} epochs while the loss still fell by {} an epoch.",
                run.epochs_run,
                percent(slope)
            ),
            Evidence::new()
                .count("epochs_run", run.epochs_run)
                .beside("loss_gained_per_epoch_at_the_end", slope, 0.0)
                .count("best_epoch", run.best_epoch),
            "Allow more epochs and let early stopping decide.",
        )
        .patch(longer(training))
    })
}

/// More epochs, ended by early stopping at its defaults.
fn longer(training: &Training) -> Value {
    const USUAL_EPOCHS: usize = 200;
    let epochs = (training.epochs * 4).clamp(USUAL_EPOCHS, 10_000);
    let mut patch = json!({"training": {"epochs": epochs}});
    let patience = training.early_stopping.as_ref().map_or(USUAL_PATIENCE, |s| s.patience.max(USUAL_PATIENCE));
    patch["training"]["early_stopping"] = json!({"patience": patience, "min_delta": 0.0, "restore_best": true});
    patch
}

fn vanished_rate(run: &Run<'_>, training: &Training) -> Option<Checked> {
    /// Below this share of the largest rate a step does next to nothing.
    const VANISHED: f64 = 1e-3;
    /// The share of all epochs that may be run so; schedules end low on purpose.
    const LIMIT: f64 = 0.25;
    const STEEP: f64 = 2e-3;
    let largest = run.curves.iter().map(|log| log.learning_rate).fold(0.0, f64::max);
    let is_alive = |rate: f64| rate >= VANISHED * largest;
    let last_alive = run.curves.iter().rposition(|log| is_alive(log.learning_rate))?;
    let idle = (run.curves.len() - 1 - last_alive) as f64 / run.curves.len() as f64;
    let losses: Vec<f64> = run.curves[..=last_alive].iter().filter_map(|log| log.train_loss).collect();
    // The steps get smaller with the rate, so that it is the steepest part of the way that counts.
    let steepest = losses.windows(4).filter_map(Run::final_slope).fold(0.0, f64::max);
    let found = largest > 0.0 && idle > LIMIT && steepest > STEEP;
    Some(Checked::new(Code::LearningRateVanished, idle, LIMIT).found_if(found, || {
        let warm_up = json!({"training": {"schedule": constant(training)}});
        Told::warning(
            format!("The schedule had taken the learning rate away for {} of the epochs, after the loss had still been falling.", percent(idle)),
            Evidence::new()
                .beside("epochs_without_a_rate", idle, 0.0)
                .with("last_learning_rate", run.curves.last().map_or(0.0, |log| log.learning_rate))
                .with("largest_learning_rate", largest),
            "Keep the rate constant, or let it fall over all epochs (cosine).",
        )
        .patch(warm_up)
    }))
}

/// A constant schedule in the place of any other.
fn constant(training: &Training) -> Value {
    let mut patch = json!({"type": "constant"});
    if let (Ok(Value::Object(members)), Value::Object(changes)) = (serde_json::to_value(&training.schedule), &mut patch)
    {
        let others = members.keys().filter(|name| !["type", "warm_up_epochs"].contains(&name.as_str()));
        others.for_each(|name| _ = changes.insert(name.clone(), Value::Null));
    }
    patch
}
