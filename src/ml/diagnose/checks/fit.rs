//! What was learnt, against a constant and against simple models.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, percent};
use super::super::{Checked, Code, Run, Setting, networks};
use crate::ml::config::{CnnSize, ModelConfig, Optimizer};

/// How much less relative loss a simple model needs for the other to have failed.
const BETTER: f64 = 0.05;

pub(super) fn of_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    let (Some(test), Some(train)) = (run.test.relative_loss(), run.train.relative_loss()) else { return Vec::new() };
    let mut checked = vec![
        collapsed(run),
        stuck(run, test),
        saturated(setting, run, test),
        over_regularized(setting, run, train, test),
        under_fitting(setting, run, train, test),
    ];
    checked.extend(over_fitting(setting, run));
    checked
}

fn collapsed(run: &Run<'_>) -> Checked {
    const AREA: f64 = 0.6;
    const SPREAD: f64 = 0.1;
    let (area, spread) = (run.test.auc().unwrap_or(0.5), run.test.spread() / run.test.prevalence());
    let found = run.test.share_above_half() == 0.0 && area < AREA && spread < SPREAD;
    Checked::new(Code::MajorityCollapse, spread, SPREAD).found_if(found, || {
        Told::error(
            "The model gives every row nearly the same low probability: it has learnt the prevalence and nothing else."
                .to_owned(),
            Evidence::new()
                .beside("spread_of_probabilities_over_prevalence", spread, 1.0)
                .beside("roc_auc", area, 0.5)
                .with("share_above_one_half", 0.0),
            "See whether there is a signal, whether columns are scaled, and how large the steps were: the findings \
             before this one say so.",
        )
    })
}

fn stuck(run: &Run<'_>, test: f64) -> Checked {
    const LEAST: f64 = 0.97;
    /// Above it the model has learnt something, and the wrong thing.
    const MOST: f64 = 1.1;
    let least = run.relative_curve().into_iter().fold(test, f64::min);
    let baseline = run.best_baseline().unwrap_or(1.0);
    let is_stuck = least > LEAST && least < MOST && run.epochs_run >= 5;
    Checked::new(Code::StuckAtBaseRate, least, LEAST).found_if(is_stuck, || {
        let title = format!("The loss never got below {} of that of a constant.", percent(least));
        let evidence = Evidence::new()
            .beside("least_relative_loss", least, 1.0)
            .with("relative_loss_of_the_best_baseline", baseline)
            .count("epochs_run", run.epochs_run);
        if baseline < least - BETTER {
            Told::error(
                title,
                evidence,
                "A simple model learns from these columns: look at rates, scales and penalties.",
            )
        } else {
            Told::info(title, evidence, "Simple models do no better: these columns say little of the labels.")
        }
    })
}

fn saturated(setting: &Setting<'_>, run: &Run<'_>, test: f64) -> Checked {
    const LIMIT: f64 = 0.05;
    let share = run.test.saturated();
    Checked::new(Code::SaturatedLogits, share, LIMIT).found_if(share > LIMIT && test > 1.0, || {
        let mut patch = json!({"regularization": {"l2": 1e-3}});
        if setting.is_unscaled() {
            patch["preprocess"] = json!({"numeric": {"scale": "standard"}});
        }
        Told::warning(
            format!("{} of the test rows have a logit beyond 15, and the loss is worse than a constant's: the model is sure and wrong.", percent(share)),
            Evidence::new().beside("saturated_share", share, 0.0).beside("relative_loss", test, 1.0),
            "Scale the columns, lower the learning rate, add a penalty on the weights.",
        )
        .patch(patch)
    })
}

fn over_regularized(setting: &Setting<'_>, run: &Run<'_>, train: f64, test: f64) -> Checked {
    const PENALTY: f64 = 0.5;
    const DROPOUT: f64 = 0.6;
    const SPREAD: f64 = 0.1;
    let last = run.curves.last();
    let penalty = last.and_then(|log| log.penalty).unwrap_or(0.0);
    let loss = last.and_then(|log| log.train_loss).unwrap_or(0.0);
    let share = if penalty > 0.0 { penalty / (penalty + loss) } else { 0.0 };
    let dropout = networks::dropout(&setting.config.model);
    let area = run.test.auc().unwrap_or(0.5);
    let spread = run.test.spread() / run.test.prevalence();
    let is_held = penalty > 0.0 || setting.weight_decay() > 1e-3 || dropout > 0.3;
    let is_flat = spread < SPREAD && area > 0.65;
    let learnt_little = train > 0.9 && run.best_baseline().is_some_and(|best| best < test - BETTER);
    let found = share > PENALTY || (is_held && (is_flat || learnt_little)) || (dropout > DROPOUT && learnt_little);
    Checked::new(Code::OverRegularized, share, PENALTY).found_if(found, || {
        Told::warning(
            "Penalty, weight decay or dropout leave the model no room: it ranks rows but hardly tells them apart."
                .to_owned(),
            Evidence::new()
                .beside("penalty_share_of_the_objective", share, 0.0)
                .beside("spread_of_probabilities_over_prevalence", spread, 1.0)
                .beside("train_relative_loss", train, 1.0)
                .with("roc_auc", area)
                .with("dropout", dropout)
                .with("weight_decay", setting.weight_decay()),
            "Weaken them a hundredfold, and strengthen again only if training rows are learnt by heart.",
        )
        .patch(loosened(setting, dropout))
    })
}

fn loosened(setting: &Setting<'_>, dropout: f64) -> Value {
    let penalty = &setting.config.regularization.penalty;
    let mut patch = json!({"regularization": {"l1": penalty.l1 / 100.0, "l2": (penalty.l2 / 100.0).min(1e-4)}});
    if penalty.l1 / 100.0 > 1e-4 {
        patch["regularization"]["l1"] = json!(0.0);
    }
    if dropout > 0.3 {
        patch["model"] = networks::with_little_dropout(&setting.config.model);
    }
    if let Some(Optimizer::Adamw { weight_decay, .. }) = setting.config.optimizer {
        patch["optimizer"] = json!({"weight_decay": (weight_decay / 100.0).min(1e-4)});
    }
    patch
}

fn under_fitting(setting: &Setting<'_>, run: &Run<'_>, train: f64, test: f64) -> Checked {
    const LITTLE: f64 = 0.9;
    let baseline = run.best_baseline().unwrap_or(1.0);
    let gap = test - baseline;
    Checked::new(Code::UnderFitting, gap, BETTER).found_if(train > LITTLE && gap > BETTER, || {
        Told::warning(
            format!(
                "A simple model reaches {} of the constant's loss on the test rows, this one {}.",
                percent(baseline),
                percent(test)
            ),
            Evidence::new().beside("relative_loss", test, baseline).beside("train_relative_loss", train, 1.0),
            "Give the model more room: hidden layers, more epochs, weaker penalties.",
        )
        .patch(roomier(setting))
    })
}

fn roomier(setting: &Setting<'_>) -> Value {
    match &setting.config.model {
        ModelConfig::Logistic { .. } => json!({
            "model": {"type": "mlp", "tolerance": null, "max_iterations": null},
            "regularization": {"l1": 0.0, "l2": 0.0, "strength": null},
            "optimizer": null,
            // A shape that no line has shows only after some hundred steps.
            "training": {"batch_size": 64, "early_stopping": {"patience": 40}},
        }),
        ModelConfig::Cnn(cnn) => {
            let mut patch = loosened(setting, networks::dropout(&setting.config.model));
            if cnn.size == Some(CnnSize::Small) {
                patch["model"]["size"] = json!("medium");
            }
            longer(setting, &mut patch);
            patch
        }
        ModelConfig::Mlp(mlp) => {
            let mut patch = loosened(setting, mlp.dropout);
            let is_small = mlp.hidden_layers.iter().all(|&units| units < 32);
            if is_small {
                patch["model"]["hidden_layers"] = json!([64, 64]);
                patch["model"]["residual"] = json!(false);
            }
            longer(setting, &mut patch);
            patch
        }
    }
}

fn longer(setting: &Setting<'_>, patch: &mut Value) {
    if let Some(training) = &setting.config.training {
        patch["training"]["epochs"] = json!(training.epochs.max(200));
        patch["training"]["early_stopping"] = json!({"patience": 40, "min_delta": 0.0});
    }
}

fn over_fitting(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const GAP: f64 = 0.1;
    const RISE: f64 = 1.1;
    let validation = run.validation.relative_loss()?;
    let gap = run.train.auc()? - run.validation.auc()?;
    let curve = run.relative_curve();
    let least = curve.iter().copied().fold(f64::INFINITY, f64::min);
    let last = curve.last().copied().unwrap_or(validation);
    let stopping = setting.config.training.as_ref().and_then(|training| training.early_stopping.as_ref());
    let keeps_last = setting.config.training.is_some() && !stopping.is_some_and(|stopping| stopping.restore_best);
    let rises = keeps_last && curve.len() > 1 && last > RISE * least;
    let found = rises || (gap > GAP && validation > 1.0);
    Some(Checked::new(Code::OverFitting, gap, GAP).found_if(found, || {
        Told::warning(
            format!(
                "Training rows are learnt by heart: the ROC AUC is {gap:.2} higher on them than on validation rows."
            ),
            Evidence::new().beside("roc_auc_gap", gap, 0.0).beside("validation_relative_loss", validation, 1.0).beside(
                "last_relative_loss",
                last,
                least,
            ),
            "Let early stopping go back to the best epoch; then a penalty, dropout, or fewer units.",
        )
        .patch(held_back(setting))
    }))
}

fn held_back(setting: &Setting<'_>) -> Value {
    if setting.config.training.is_none() {
        return json!({"regularization": {"l2": (setting.config.regularization.penalty.l2 * 10.0).max(1e-2)}});
    }
    json!({
        "training": {"early_stopping": {
            "monitor": if setting.config.loss.has_inverse() { "validation_loss" } else { "validation_average_precision" },
            "patience": 20, "min_delta": 0.0, "restore_best": true, "start_from_epoch": 1
        }},
    })
}
