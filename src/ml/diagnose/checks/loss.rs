//! What the loss is told to do.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told};
use super::super::{Checked, Code, Setting};
use crate::ml::config::{ClassWeight, Loss};
use crate::ml::metrics::base_rate_entropy;

pub(super) fn of_config(setting: &Setting<'_>) -> Vec<Checked> {
    let mut checked = vec![inverted_weights(setting), double_correction(setting)];
    checked.extend(label_smoothing(setting));
    checked
}

/// The weight of the rarer class over that of the other.
fn minority_weight(setting: &Setting<'_>) -> f64 {
    let weights = setting.weights();
    let ratio = weights.positive / weights.negative;
    if setting.train.minority_is_positive() { ratio } else { 1.0 / ratio }
}

fn inverted_weights(setting: &Setting<'_>) -> Checked {
    /// Nearly balanced classes have no rarer one to speak of.
    const IMBALANCED: f64 = 1.5;
    const STRONGLY: f64 = 4.0;
    let focal = match setting.config.loss {
        Loss::Focal { alpha, .. } if setting.train.minority_is_positive() => Some(alpha / (1.0 - alpha)),
        Loss::Focal { alpha, .. } => Some((1.0 - alpha) / alpha),
        _ => None,
    };
    let ratio = focal.unwrap_or_else(|| minority_weight(setting));
    let needed = if focal.is_some() { STRONGLY } else { IMBALANCED };
    // Rows that are learnt from as often as each other need no weights; the imbalance that counts is what is learnt.
    let found = ratio < 1.0 && setting.imbalance() > needed;
    Checked::new(Code::InvertedWeights, ratio, 1.0).found_if(found, || {
        let evidence = Evidence::new().beside("weight_of_the_rarer_class", ratio, 1.0).with("imbalance_ratio", setting.imbalance());
        if focal.is_some() {
            let alpha = if setting.train.minority_is_positive() { 0.75 } else { 0.25 };
            return Told::info(
                "The focal loss weighs the rarer class less than the other.".to_owned(),
                evidence,
                "Its authors chose so for easy negatives of images; on a table try an alpha that favours the rarer class.",
            )
            .patch(json!({"loss": {"alpha": alpha}}));
        }
        Told::warning(
            "The rarer class weighs less than the more frequent one: the imbalance is made worse.".to_owned(),
            evidence,
            "Exchange the weights, or leave them out.",
        )
        .patch(json!({"loss": {"class_weight": null}}))
    })
}

fn double_correction(setting: &Setting<'_>) -> Checked {
    /// Odds of the rarer class, as learnt, beyond which it has become the larger one.
    const LIMIT: f64 = 2.0;
    const NOTABLE: f64 = 1.5;
    let (learnt, weight) = (setting.learnt(), minority_weight(setting));
    let odds = learnt.positive as f64 / learnt.negative as f64;
    let odds = if setting.train.minority_is_positive() { odds } else { 1.0 / odds };
    let resampled = odds * setting.imbalance();
    let effective = odds * weight;
    let is_both = resampled > NOTABLE && weight > NOTABLE;
    let found = is_both || effective > LIMIT;
    Checked::new(Code::DoubleCorrection, effective, LIMIT).found_if(found, || {
        let title = format!(
            "Resampling multiplies the odds of the rarer class by {resampled:.1} and weights by {weight:.1}: it is learnt as if it were {effective:.2} times as frequent as the other."
        );
        let evidence = Evidence::new()
            .beside("effective_odds", effective, 1.0)
            .with("odds_factor_of_resampling", resampled)
            .with("odds_factor_of_weights", weight);
        let remedy = "Use one of the two, and no more than makes the classes equal.";
        let told = if effective > LIMIT { Told::warning(title, evidence, remedy) } else { Told::info(title, evidence, remedy) };
        told.maybe_patch(without_weights(&setting.config.loss))
    })
}

fn without_weights(loss: &Loss) -> Option<Value> {
    match loss {
        Loss::Bce { class_weight: Some(ClassWeight::Balanced(_) | ClassWeight::PerLabel(_)), .. } => {
            Some(json!({"loss": {"class_weight": null}}))
        }
        Loss::ClassBalanced { .. } => Some(json!({"loss": {"type": "bce", "beta": null}})),
        _ => None,
    }
}

fn label_smoothing(setting: &Setting<'_>) -> Option<Checked> {
    const STRONG: f64 = 0.2;
    let Loss::Bce { label_smoothing, .. } = setting.config.loss else { return None };
    // A perfect model of smoothed labels has this loss.
    let floor = base_rate_entropy(label_smoothing / 2.0);
    let entropy = base_rate_entropy(setting.learnt().prevalence());
    let found = label_smoothing > STRONG || (label_smoothing > 0.0 && floor >= entropy);
    Some(Checked::new(Code::StrongLabelSmoothing, label_smoothing, STRONG).found_if(found, || {
        Told::warning(
            format!("Label smoothing of {label_smoothing} tells the model that a negative row is positive with {}, far more often than positives are.", label_smoothing / 2.0),
            Evidence::new()
                .beside("label_smoothing", label_smoothing, 0.0)
                .beside("least_possible_loss", floor, entropy)
                .with("prevalence", setting.learnt().prevalence()),
            "Leave it out, or keep half of it well below the prevalence.",
        )
        .patch(json!({"loss": {"label_smoothing": 0.0}}))
    }))
}
