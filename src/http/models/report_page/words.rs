//! What numbers mean, in a sentence each.

use crate::http::models::plots::{count, share, short};
use crate::ml::config::ThresholdRule;
use crate::ml::metrics::{ConfusionMatrix, Metric, Report};
use crate::records::{ModelRecord, Verdict};

/// A verdict as a heading and a sentence.
pub(super) fn verdict(record: &ModelRecord) -> (&'static str, String) {
    let area = record.report.metrics.get("roc_auc");
    match record.verdict {
        Verdict::Ok => {
            let lower = area.and_then(|metric| metric.ci).map(|[low, _]| short(low));
            let bound = lower.map_or(String::new(), |low| format!(" Its ROC AUC is above {low}, where chance is 0.5."));
            (
                "The model ranks rows better than chance.",
                format!("Shown on test rows that nothing was learnt from.{bound}"),
            )
        }
        Verdict::NoSkill => (
            "The model has shown no skill.",
            "On the test rows its ranking cannot be told from chance. Do not use it.".to_owned(),
        ),
        Verdict::Degenerate => (
            "The model gives every test row the same answer.",
            "Whatever its accuracy, it decides nothing: look at the threshold first, then at the training.".to_owned(),
        ),
    }
}

/// What a metric's value means; empty where the table says it all.
pub(super) fn metric(name: &str, metric: &Metric, report: &Report) -> String {
    let Some(value) = metric.value else {
        return metric.reason.clone().unwrap_or_default();
    };
    let matrix = report.confusion_matrix;
    match name {
        "average_precision" => match metric.no_skill {
            Some(chance) if chance > 0.0 => format!("{:.1} times what no skill reaches", value / chance),
            _ => String::new(),
        },
        "roc_auc" => format!("in {} of pairs the positive row scores above the negative one", share(value)),
        "relative_log_loss" if value < 1.0 => {
            format!("the probabilities explain {} of the uncertainty about the class", share(1.0 - value))
        }
        "relative_log_loss" => "the probabilities are worse than giving every row the prevalence".to_owned(),
        "ece" => "mean distance between predicted probability and observed share".to_owned(),
        "precision" => {
            format!("of {} rows predicted positive, {} are", count(matrix.predicted_positive()), count(matrix.tp))
        }
        "recall" => format!("of {} positive rows, {} are found", count(matrix.positives()), count(matrix.tp)),
        "specificity" => {
            format!("of {} negative rows, {} are left alone", count(matrix.negatives()), count(matrix.tn))
        }
        "accuracy" => match metric.no_skill {
            Some(chance) if value <= chance => "no better than always naming the larger class".to_owned(),
            _ => "always naming the larger class has the value beside".to_owned(),
        },
        _ => String::new(),
    }
}

/// A rule with its parameters.
pub(super) fn rule(rule: &ThresholdRule) -> String {
    match rule {
        ThresholdRule::Fixed { .. } => "set to this value".to_owned(),
        ThresholdRule::MaxFBeta { beta } => format!("the highest F-score (beta {beta})"),
        ThresholdRule::MaxMcc => "the highest Matthews correlation".to_owned(),
        ThresholdRule::MaxBalancedAccuracy => "the highest balanced accuracy".to_owned(),
        ThresholdRule::MinCost { false_positive, false_negative } => {
            format!("the least cost: {false_positive} for a false positive, {false_negative} for a false negative")
        }
        ThresholdRule::RecallAtPrecision { precision } => {
            format!("the highest recall with a precision of at least {precision}")
        }
        ThresholdRule::PrecisionAtRecall { recall } => {
            format!("the highest precision with a recall of at least {recall}")
        }
        ThresholdRule::AlertRate { fraction } => format!("at most {} of rows predicted positive", share(*fraction)),
    }
}

/// What the model does with a thousand rows like the test rows.
pub(super) fn per_thousand(matrix: ConfusionMatrix) -> Option<String> {
    let total = matrix.total();
    let of = |rows: u64| (rows as f64 * 1_000.0 / total as f64).round();
    (total > 0).then(|| {
        format!(
            "Of 1,000 rows like these it would raise about {} alarms, {} of them right, and miss about {} positives.",
            of(matrix.predicted_positive()),
            of(matrix.tp),
            of(matrix.fn_)
        )
    })
}
