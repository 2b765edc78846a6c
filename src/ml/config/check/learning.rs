//! What is learnt and how it is judged: `model`, `loss`, `regularization`, `calibration`, `threshold` and
//! `evaluation`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::network::check_mlp;
use super::picture_network::check_cnn;
use crate::ml::config::reader::{FieldError, ObjectReader, Range, kind};
use crate::ml::config::*;
use crate::ml::labels::ClassCounts;

pub(super) fn check_model(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> ModelConfig {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Logistic,
        Mlp,
        Cnn,
    }
    let mut model = reader.object("model", errors);
    let kinds = [("logistic", Kind::Logistic), ("mlp", Kind::Mlp), ("cnn", Kind::Cnn)];
    let kind = model.choice("type", Kind::Mlp, &kinds, errors);
    let config = match kind {
        Kind::Logistic => ModelConfig::Logistic {
            tolerance: model.number("tolerance", 1e-8, Range::Closed(1e-12, 1e-1), errors),
            max_iterations: model.integer("max_iterations", 1_000, 1, 1_000_000, errors) as usize,
        },
        Kind::Mlp => ModelConfig::Mlp(check_mlp(&mut model, limits, errors)),
        Kind::Cnn => ModelConfig::Cnn(check_cnn(&mut model, limits, errors)),
    };
    model.finish(errors);
    config
}

pub(super) fn check_loss(
    reader: &mut ObjectReader<'_>,
    class_counts: Option<&BTreeMap<String, usize>>,
    errors: &mut Vec<FieldError>,
) -> Loss {
    const KINDS: [(&str, &str); 6] = [
        ("bce", "bce"),
        ("focal", "focal"),
        ("asymmetric", "asymmetric"),
        ("logit_adjusted", "logit_adjusted"),
        ("ldam", "ldam"),
        ("class_balanced", "class_balanced"),
    ];
    let logistic = is_logistic(reader);
    let mut loss = reader.object("loss", errors);
    let kind = loss.choice("type", "bce", &KINDS, errors);
    let config = match kind {
        "focal" => Loss::Focal {
            gamma: loss.number("gamma", 2.0, Range::Closed(0.0, 10.0), errors),
            alpha: loss.number("alpha", 0.25, Range::Open(0.0, 1.0), errors),
        },
        "asymmetric" => Loss::Asymmetric {
            gamma_positive: loss.number("gamma_positive", 1.0, Range::Closed(0.0, 10.0), errors),
            gamma_negative: loss.number("gamma_negative", 4.0, Range::Closed(0.0, 10.0), errors),
            margin: loss.number("margin", 0.05, Range::Below(0.0, 0.5), errors),
        },
        "logit_adjusted" => Loss::LogitAdjusted { tau: loss.number("tau", 1.0, Range::Closed(0.0, 10.0), errors) },
        "ldam" => Loss::Ldam {
            max_margin: loss.number("max_margin", 0.5, Range::Above(0.0, 10.0), errors),
            scale: loss.number("scale", 30.0, Range::Above(0.0, 1_000.0), errors),
        },
        "class_balanced" => Loss::ClassBalanced { beta: loss.number("beta", 0.999, Range::Below(0.0, 1.0), errors) },
        _ => Loss::Bce {
            class_weight: loss.present("class_weight").and_then(|value| {
                let pointer = loss.pointer("class_weight");
                check_class_weight(value, &pointer, class_counts, errors)
            }),
            label_smoothing: loss.number("label_smoothing", 0.0, Range::Below(0.0, 1.0), errors),
        },
    };
    let convex = match &config {
        Loss::Bce { label_smoothing, .. } => *label_smoothing == 0.0,
        other => matches!(other, Loss::ClassBalanced { .. }),
    };
    if logistic && !convex {
        let member = if kind == "bce" { "label_smoothing" } else { "type" };
        let detail = "a logistic model is fitted with bce without label smoothing, or with class_balanced; \
                      other losses are for networks";
        loss.error(member, detail, errors);
    }
    loss.finish(errors);
    config
}

fn check_class_weight(
    value: &Value,
    pointer: &str,
    class_counts: Option<&BTreeMap<String, usize>>,
    errors: &mut Vec<FieldError>,
) -> Option<ClassWeight> {
    let mut error = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
    if value.as_str() == Some("balanced") {
        return Some(ClassWeight::Balanced(BalancedTag::Balanced));
    }
    let Some(members) = value.as_object() else {
        let hint = if value.is_array() {
            "; a list has no labels and would weigh positions in a batch instead of classes"
        } else {
            ""
        };
        error(
            pointer.to_owned(),
            format!("expected null, \"balanced\" or an object {{label: weight}}, found {}{hint}", kind(value)),
        );
        return None;
    };
    let mut weights = BTreeMap::new();
    for (label, weight) in members {
        let pointer = format!("{pointer}/{}", label.replace('~', "~0").replace('/', "~1"));
        match weight.as_f64() {
            Some(weight) if weight > 0.0 && weight <= 1e6 => {
                weights.insert(label.clone(), weight);
            }
            _ => error(pointer.clone(), "expected a weight above 0 and at most 1000000".to_owned()),
        }
        if class_counts.is_some_and(|counts| !counts.contains_key(label)) {
            error(pointer, "this is not one of the target's two labels".to_owned());
        }
    }
    for label in class_counts.into_iter().flat_map(BTreeMap::keys) {
        if !members.contains_key(label) {
            error(pointer.to_owned(), format!("the label {label:?} has no weight; both labels need one"));
        }
    }
    Some(ClassWeight::PerLabel(weights))
}

pub(super) fn check_regularization(
    reader: &mut ObjectReader<'_>,
    counts: Option<ClassCounts>,
    resample: &[ResampleStep],
    errors: &mut Vec<FieldError>,
) -> Penalty {
    let is_logistic = is_logistic(reader);
    let mut regularization = reader.object("regularization", errors);
    let strength = regularization.choice("strength", None, &[("auto", Some(Strength::Auto))], errors);
    // A convex model without any penalty diverges on separable data; a network has early stopping instead. A search
    // for the strength starts from scikit-learn's penalty, so that the strength is its 1 / (C n).
    let without_l1 = regularization.present("l1").and_then(Value::as_f64).is_none_or(|l1| l1 == 0.0);
    let default_l2 = match (is_logistic, strength) {
        (false, _) => 0.0,
        (true, None) => 1e-4,
        (true, Some(Strength::Auto)) => {
            if without_l1 {
                0.5
            } else {
                0.0
            }
        }
    };
    let penalty = Regularization {
        l1: regularization.number("l1", 0.0, Range::Closed(0.0, 1e6), errors),
        l2: regularization.number("l2", default_l2, Range::Closed(0.0, 1e6), errors),
    };
    if strength == Some(Strength::Auto) {
        let refused =
            if is_logistic { search_refusal(&penalty, counts, resample) } else { Some(ONLY_LOGISTIC.to_owned()) };
        if let Some(detail) = refused {
            regularization.error("strength", detail, errors);
        }
    }
    regularization.finish(errors);
    Penalty { penalty, strength }
}

const ONLY_LOGISTIC: &str =
    "only a logistic model can search for its strength; give l1 and l2, or \"model\": {\"type\": \"logistic\"}";

/// Why the strength of a penalty cannot be searched for, if it cannot.
fn search_refusal(penalty: &Regularization, counts: Option<ClassCounts>, resample: &[ResampleStep]) -> Option<String> {
    if penalty.l1 == 0.0 && penalty.l2 == 0.0 {
        return Some("the strength multiplies l1 and l2, and both are 0".to_owned());
    }
    let counts = counts?;
    let (folds, minority) = (TrainConfig::STRENGTH_FOLDS, counts.positive.min(counts.negative));
    if minority < folds {
        return Some(format!(
            "the search divides the training rows into {folds} folds, each with rows of both classes; the minority \
             class has about {minority} training rows"
        ));
    }
    // The fold with the most rows of the minority leaves the fewest to learn from.
    let left = minority - minority.div_ceil(folds);
    let needed = resample.first().and_then(|step| step.method.neighbours()).map_or(0, |k| k + 1);
    (needed > left).then(|| {
        format!(
            "the search resamples within each of {folds} folds, where about {left} training rows of the minority \
             class are left; the first resampling step needs {needed}"
        )
    })
}

pub(super) fn is_logistic(reader: &mut ObjectReader<'_>) -> bool {
    let model = reader.present("model");
    model.and_then(|model| model.get("type")).and_then(Value::as_str) == Some("logistic")
}

pub(super) fn check_calibration(
    reader: &mut ObjectReader<'_>,
    loss: &Loss,
    errors: &mut Vec<FieldError>,
) -> Calibration {
    let mut calibration = reader.object("calibration", errors);
    let default = if loss.has_inverse() { CalibrationMethod::Prior } else { CalibrationMethod::Platt };
    let choices = CALIBRATION_METHODS.map(|method| (method.name(), method));
    let method = calibration.choice("method", default, &choices, errors);
    if method == CalibrationMethod::Prior && !loss.has_inverse() {
        let detail = format!(
            "what the loss {:?} does to probabilities has no exact inverse; use auto or a map, such as platt, \
             which is fitted on rows that the model has not learnt from, or none",
            loss.name()
        );
        calibration.error("method", detail, errors);
    }
    let on = check_decided_on(&mut calibration, errors);
    if on == DecidedOn::OutOfFold && matches!(method, CalibrationMethod::None | CalibrationMethod::Prior) {
        calibration.error("on", format!("the method {:?} is fitted to no rows; leave this out", method.name()), errors);
    }
    let prevalence = calibration.optional_number("prevalence", Range::Open(0.0, 1.0), errors);
    if prevalence.is_some() && method == CalibrationMethod::None {
        let detail = "without a calibration the probabilities hold at no known prevalence; use prior, auto or a map";
        calibration.error("prevalence", detail, errors);
    }
    calibration.finish(errors);
    Calibration { method, on, prevalence }
}

const CALIBRATION_METHODS: [CalibrationMethod; 7] = [
    CalibrationMethod::None,
    CalibrationMethod::Prior,
    CalibrationMethod::Auto,
    CalibrationMethod::Platt,
    CalibrationMethod::Temperature,
    CalibrationMethod::Beta,
    CalibrationMethod::Isotonic,
];

fn check_decided_on(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> DecidedOn {
    let choices = [DecidedOn::Validation, DecidedOn::OutOfFold].map(|on| (on.name(), on));
    reader.choice("on", DecidedOn::Validation, &choices, errors)
}

pub(super) fn check_threshold(reader: &mut ObjectReader<'_>, errors: &mut Vec<FieldError>) -> Threshold {
    let mut threshold = reader.object("threshold", errors);
    let rule = read_rule(&mut threshold, "max_f_beta", errors);
    let on = check_decided_on(&mut threshold, errors);
    if on == DecidedOn::OutOfFold && matches!(rule, ThresholdRule::Fixed { .. }) {
        threshold.error("on", "a fixed threshold is chosen on no rows; leave this out", errors);
    }
    threshold.finish(errors);
    Threshold { rule, on }
}

/// A rule that is set on its own, as `{"rule": "max_mcc"}`; `{"value": 0.3}` alone is a fixed threshold.
///
/// # Errors
/// With every mistake, pointers from the root of `value`.
pub fn check_threshold_rule(value: &Value) -> Result<ThresholdRule, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut threshold = ObjectReader::new(value, "", &mut errors);
    let has = |name: &str| value.get(name).is_some_and(|member| !member.is_null());
    let has_value = has("value");
    if !has_value && !has("rule") && errors.is_empty() {
        threshold.error("rule", "expected a rule, or a value from 0 to 1", &mut errors);
    }
    let rule = read_rule(&mut threshold, if has_value { "fixed" } else { "max_f_beta" }, &mut errors);
    if matches!(rule, ThresholdRule::Fixed { .. }) && !has_value {
        threshold.error("value", "this rule needs a number from 0 to 1", &mut errors);
    }
    threshold.finish(&mut errors);
    if errors.is_empty() { Ok(rule) } else { Err(errors) }
}

fn read_rule(threshold: &mut ObjectReader<'_>, default: &'static str, errors: &mut Vec<FieldError>) -> ThresholdRule {
    const RULES: [(&str, &str); 8] = [
        ("fixed", "fixed"),
        ("max_f_beta", "max_f_beta"),
        ("max_mcc", "max_mcc"),
        ("max_balanced_accuracy", "max_balanced_accuracy"),
        ("min_cost", "min_cost"),
        ("recall_at_precision", "recall_at_precision"),
        ("precision_at_recall", "precision_at_recall"),
        ("alert_rate", "alert_rate"),
    ];
    match threshold.choice("rule", default, &RULES, errors) {
        "fixed" => ThresholdRule::Fixed { value: threshold.number("value", 0.5, Range::Closed(0.0, 1.0), errors) },
        "max_mcc" => ThresholdRule::MaxMcc,
        "max_balanced_accuracy" => ThresholdRule::MaxBalancedAccuracy,
        "min_cost" => ThresholdRule::MinCost {
            false_positive: required(threshold, "false_positive", Range::Above(0.0, 1e12), errors),
            false_negative: required(threshold, "false_negative", Range::Above(0.0, 1e12), errors),
        },
        "recall_at_precision" => ThresholdRule::RecallAtPrecision {
            precision: required(threshold, "precision", Range::Above(0.0, 1.0), errors),
        },
        "precision_at_recall" => {
            ThresholdRule::PrecisionAtRecall { recall: required(threshold, "recall", Range::Above(0.0, 1.0), errors) }
        }
        "alert_rate" => {
            ThresholdRule::AlertRate { fraction: required(threshold, "fraction", Range::Above(0.0, 1.0), errors) }
        }
        _ => ThresholdRule::MaxFBeta { beta: threshold.number("beta", 1.0, Range::Closed(0.01, 100.0), errors) },
    }
}

/// A number without a default; its absence is a mistake.
fn required(reader: &mut ObjectReader<'_>, name: &'static str, range: Range, errors: &mut Vec<FieldError>) -> f64 {
    if reader.present(name).is_none() {
        reader.error(name, format!("this rule needs a number {range}"), errors);
    }
    reader.number(name, 1.0, range, errors)
}
