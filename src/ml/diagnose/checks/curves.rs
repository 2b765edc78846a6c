//! How the steps went: rates, gradients, units.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, percent};
use super::super::{Checked, Code, Run, Setting, networks};
use super::blockers::usual_rate;
use crate::ml::config::ModelConfig;
use crate::ml::nn::Design;
use crate::ml::nn::layout::ParameterKind;
use crate::ml::observe::EpochLog;

pub(super) fn of_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    if !setting.is_network() || run.curves.is_empty() {
        return Vec::new();
    }
    let mut checked = vec![rate_too_high(setting, run), rate_too_low(setting, run)];
    checked.extend(exploding(run));
    checked.extend(vanishing(setting, run));
    checked.extend(dead_units(setting, run));
    checked
}

/// The largest update ratio of any layer in each epoch.
fn update_ratios(run: &Run<'_>) -> Vec<f64> {
    let of_epoch = |log: &EpochLog| log.layers.iter().filter_map(|layer| layer.update_ratio).max_by(f64::total_cmp);
    run.curves.iter().filter_map(of_epoch).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn rate_of(setting: &Setting<'_>) -> f64 {
    setting.config.optimizer.as_ref().map_or(0.0, |optimizer| optimizer.learning_rate())
}

fn rate_too_high(setting: &Setting<'_>, run: &Run<'_>) -> Checked {
    /// Ten times what is healthy.
    const UPDATE: f64 = 3e-2;
    /// Times the loss of a constant after the first epoch, which starts from about 1.
    const FIRST_LOSS: f64 = 1.5;
    let update = median(update_ratios(run)).unwrap_or(0.0);
    let relative = run.relative_curve();
    let first = relative.first().copied().unwrap_or(1.0);
    let least = relative.iter().copied().fold(f64::INFINITY, f64::min);
    // Large steps that led to a better loss than any constant's are just large steps.
    let found = (update > UPDATE || first > FIRST_LOSS)
        && update > 1e-2
        && !setting.is_unscaled()
        && is_hurt(run, first, least);
    Checked::new(Code::LearningRateTooHigh, update, UPDATE).found_if(found, || {
        Told::error(
            format!("Each step moves the weights by {} of their size, and the loss does not settle.", percent(update)),
            Evidence::new()
                .beside("update_ratio", update, 1e-3)
                .beside("relative_loss_after_the_first_epoch", first, 1.0)
                .beside("least_relative_loss", least, 1.0)
                .beside("learning_rate", rate_of(setting), usual_rate(setting)),
            "Lower the learning rate tenfold or more, and bound the gradient.",
        )
        .patch(json!({"optimizer": {"learning_rate": (rate_of(setting) / 10.0).min(usual_rate(setting))}}))
    })
}

/// Whether large steps did harm: at the start, at the best point, or against a simple model.
fn is_hurt(run: &Run<'_>, first: f64, least: f64) -> bool {
    const FIRST_LOSS: f64 = 1.5;
    const WORSE: f64 = 0.05;
    let baseline = run.best_baseline().unwrap_or(1.0);
    let reached = run.test.relative_loss().unwrap_or(f64::INFINITY);
    first > FIRST_LOSS || least > 0.97 || reached > baseline + WORSE
}

fn rate_too_low(setting: &Setting<'_>, run: &Run<'_>) -> Checked {
    const UPDATE: f64 = 1e-4;
    /// The shares of the loss that count as next to nothing learnt.
    const GAINED: f64 = 0.1;
    const LEFT: f64 = 0.9;
    // The largest: a rate that a schedule took away later was high enough once.
    let update = update_ratios(run).into_iter().max_by(f64::total_cmp).unwrap_or(1.0);
    let losses = run.train_losses();
    let gained = match (losses.first(), losses.last()) {
        (Some(first), Some(last)) if *first > 0.0 => (first - last) / first,
        _ => 0.0,
    };
    let least = run.relative_curve().into_iter().fold(f64::INFINITY, f64::min);
    let found = update < UPDATE && gained.abs() < GAINED && least > LEFT && !has_dead_layer(run);
    Checked::new(Code::LearningRateTooLow, update, UPDATE).found_if(found, || {
        let rate = rate_of(setting);
        Told::error(
            format!("No step moved the weights by more than {update:.1e} of their size: in {} epochs next to nothing was learnt.", run.epochs_run),
            Evidence::new()
                .beside("update_ratio", update, 1e-3)
                .with("loss_gained", gained)
                .beside("least_relative_loss", least, 1.0)
                .beside("learning_rate", rate, usual_rate(setting)),
            "Raise the learning rate tenfold or more.",
        )
        .patch(json!({"optimizer": {"learning_rate": (rate * 10.0).max(usual_rate(setting))}}))
    })
}

/// Whether no gradient can pass some hidden layer.
fn has_dead_layer(run: &Run<'_>) -> bool {
    run.curves.last().is_some_and(|log| log.layers.iter().any(|layer| layer.dead_units == Some(1.0)))
}

fn exploding(run: &Run<'_>) -> Option<Checked> {
    const TIMES: f64 = 100.0;
    let norms: Vec<f64> = run.curves.iter().filter_map(|log| log.gradient_norm).collect();
    let (largest, usual) = (norms.iter().copied().fold(0.0, f64::max), median(norms.clone())?);
    let times = if usual > 0.0 { largest / usual } else { 1.0 };
    // Where nearly all gradients have vanished, one that is there is not a jump.
    let found = times > TIMES && largest > 1.0;
    Some(Checked::new(Code::ExplodingGradient, times, TIMES).found_if(found, || {
        Told::warning(
            format!("The gradient jumped to {times:.0} times its usual size."),
            Evidence::new().beside("largest_gradient_norm", largest, usual),
            "Bound the norm of the gradient; scale the columns if they are not.",
        )
        .patch(json!({"training": {"gradient_clipping": {"type": "norm", "max": usual.clamp(0.1, 1.0)}}}))
    }))
}

fn vanishing(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const LIMIT: f64 = 1e-4;
    let model = &setting.config.model;
    let [first_size, last_size] = end_sizes(setting, run)?.map(|size| size as f64);
    let ratio = |log: &EpochLog| {
        let (first, last) = (log.layers.first()?.gradient_norm?, log.layers.last()?.gradient_norm?);
        let ratio = (first / first_size.sqrt()) / (last / last_size.sqrt());
        ratio.is_finite().then_some(ratio)
    };
    let ratio = median(run.curves.iter().filter_map(ratio).collect())?;
    Some(Checked::new(Code::VanishingGradient, ratio, LIMIT).found_if(ratio < LIMIT && !has_dead_layer(run), || {
        Told::warning(
            format!(
                "The gradient of the first layer is {ratio:.1e} of that of the last: the first layers hardly learn."
            ),
            Evidence::new()
                .beside("first_over_last_gradient", ratio, 1.0)
                .count("hidden_layers", networks::hidden_layers(model)),
            "Use an activation that does not saturate, fewer layers, or normalization.",
        )
        .patch(json!({"model": networks::open(model)}))
    }))
}

/// Weights of the first layer and of the last; none of a network with no layer between.
fn end_sizes(setting: &Setting<'_>, run: &Run<'_>) -> Option<[usize; 2]> {
    match &setting.config.model {
        ModelConfig::Mlp(mlp) => {
            let widths: Vec<usize> = std::iter::once(run.features).chain(mlp.hidden_layers.iter().copied()).collect();
            Some([*widths.first()? * *widths.get(1)?, *widths.last()?])
        }
        ModelConfig::Cnn(cnn) => {
            let shape = setting.config.preprocess.image.as_ref()?.spec().shape;
            let design = Design::of_cnn(cnn, shape).ok()?;
            let weights = design.layout().tensors().iter().filter(|place| place.kind == ParameterKind::Weight);
            let sizes: Vec<usize> = weights.map(|place| place.rows * place.columns).collect();
            (sizes.len() > 1).then_some(())?;
            Some([*sizes.first()?, *sizes.last()?])
        }
        ModelConfig::Logistic { .. } => None,
    }
}

fn dead_units(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const LIMIT: f64 = 0.4;
    const LAYER: f64 = 0.999;
    let shares = run.curves.last()?.layers.iter().filter_map(|layer| layer.dead_units);
    let most = shares.max_by(f64::total_cmp)?;
    Some(Checked::new(Code::DeadUnits, most, LIMIT).found_if(most > LIMIT, || {
        let title = format!("{} of the units of a hidden layer answer every row alike.", percent(most));
        let evidence = Evidence::new().beside("dead_units", most, 0.0);
        let remedy = "Use an activation with a slope everywhere and a lower learning rate, and scale the columns.";
        let told =
            if most > LAYER { Told::error(title, evidence, remedy) } else { Told::warning(title, evidence, remedy) };
        told.patch(revived(setting))
    }))
}

fn revived(setting: &Setting<'_>) -> Value {
    let mut patch = json!({
        "model": networks::with_slopes(&setting.config.model),
        "optimizer": {"learning_rate": rate_of(setting).min(usual_rate(setting))},
    });
    if setting.is_unscaled() {
        patch["preprocess"] = json!({"numeric": {"scale": "standard"}});
    }
    if setting.weight_decay() > 0.01 {
        patch["optimizer"]["weight_decay"] = json!(1e-4);
    }
    patch
}
