//! How the model is judged.

use serde_json::json;

use super::super::finding::{Evidence, Told, percent};
use super::super::statistics::wilson_half_width;
use super::super::{Checked, Code, Run, Setting, networks};
use crate::ml::config::{Loss, ThresholdRule};
use crate::ml::metrics::ConfusionMatrix;

pub(super) fn of_run(setting: &Setting<'_>, run: &Run<'_>) -> Vec<Checked> {
    let mut checked = vec![incomparable_losses(setting)];
    checked.extend(accuracy_paradox(run));
    checked.extend(unsuitable_threshold(setting, run));
    checked.extend(optimistic_roc_auc(run));
    checked.extend(small_test_set(run));
    checked
}

fn accuracy_paradox(run: &Run<'_>) -> Option<Checked> {
    /// Above this share of one class accuracy looks like success.
    const LOOKS_GOOD: f64 = 0.8;
    const MARGIN: f64 = 0.005;
    let accuracy = run.report.confusion_matrix.accuracy().ok()?;
    let majority = run.test.prevalence().max(1.0 - run.test.prevalence());
    let mcc = run.report.metrics.get("mcc");
    let shown = mcc.is_some_and(|mcc| mcc.ci.map_or(mcc.value.is_some_and(|value| value > 0.1), |[low, _]| low > 0.0));
    let found = majority > LOOKS_GOOD && accuracy <= majority + MARGIN && accuracy > LOOKS_GOOD && !shown;
    Some(Checked::new(Code::AccuracyParadox, accuracy, majority + MARGIN).found_if(found, || {
        Told::error(
            format!("{} of the answers are right, and always naming the larger class would be right in {}: the decisions show no skill.", percent(accuracy), percent(majority)),
            Evidence::new()
                .beside("accuracy", accuracy, majority)
                .beside("mcc", mcc.and_then(|mcc| mcc.value).unwrap_or(0.0), 0.0)
                .beside("recall", run.report.confusion_matrix.recall().unwrap_or(0.0), 0.0),
            "Do not judge by accuracy. If the ranking is good, choose the threshold by a rule; if not, see the findings \
             before this one.",
        )
        .patch(json!({"threshold": {"rule": "max_f_beta", "beta": 1.0, "value": null}}))
    }))
}

fn unsuitable_threshold(setting: &Setting<'_>, run: &Run<'_>) -> Option<Checked> {
    const GOOD_RANKING: f64 = 0.7;
    const LOW_RECALL: f64 = 0.1;
    const GAIN: f64 = 0.05;
    if !matches!(setting.config.threshold.rule, ThresholdRule::Fixed { .. }) {
        return None;
    }
    let area = run.validation.auc()?;
    let at = |threshold: f64| ConfusionMatrix::at(&run.validation.labels, &run.validation.probabilities, threshold);
    let (recall, f1) = (at(run.report.threshold).recall().ok()?, at(run.report.threshold).f1().ok()?);
    let best = best_f1(run);
    let found = area >= GOOD_RANKING && (recall < LOW_RECALL || best - f1 > GAIN);
    Some(Checked::new(Code::UnsuitableThreshold, best - f1, GAIN).found_if(found, || {
        Told::warning(
            format!("The ranking is good, but the fixed threshold {} finds {} of the positive validation rows: a threshold problem, not one of training.", run.report.threshold, percent(recall)),
            Evidence::new().beside("f1", f1, best).with("recall", recall).beside("roc_auc", area, 0.5),
            "Choose the threshold by a rule, on validation rows.",
        )
        .patch(json!({"threshold": {"rule": "max_f_beta", "beta": 1.0, "value": null}}))
    }))
}

/// The largest F1 of the validation rows over all thresholds.
fn best_f1(run: &Run<'_>) -> f64 {
    let Ok(ranking) = crate::ml::metrics::Ranking::new(&run.validation.labels, &run.validation.probabilities) else {
        return 0.0;
    };
    let positives = run.validation.positives();
    let f1 = |cut: crate::ml::metrics::Cut| 2.0 * cut.tp as f64 / (cut.tp as f64 + cut.fp as f64 + positives);
    ranking.cuts().into_iter().map(f1).fold(0.0, f64::max)
}

fn incomparable_losses(setting: &Setting<'_>) -> Checked {
    let plain = matches!(setting.config.loss, Loss::Bce { class_weight: None, label_smoothing: 0.0 });
    let dropout = networks::dropout(&setting.config.model) > 0.0;
    let causes = [!plain, !setting.config.resample.is_empty(), !setting.config.augment.is_empty(), dropout];
    let found = causes.iter().filter(|cause| **cause).count();
    Checked::new(Code::IncomparableLosses, found as f64, 0.0).found_if(found > 0, || {
        Told::info(
            "Training and validation loss are not the same quantity here: the first is of the loss and the rows as \
             trained, the second plain cross-entropy at the natural prevalence."
                .to_owned(),
            Evidence::new().beside("differences", found as f64, 0.0),
            "Compare each curve with itself; a gap between them says nothing.",
        )
    })
}

/// Of rare positives an area above 0.9 forces an average precision of some ten times the prevalence, which may still
/// be little.
fn optimistic_roc_auc(run: &Run<'_>) -> Option<Checked> {
    const AREA: f64 = 0.9;
    const PRECISION: f64 = 0.3;
    const RARE: f64 = 0.1;
    let (area, precision) = (run.test.auc()?, run.test.average_precision()?);
    let prevalence = run.test.prevalence();
    let found = area > AREA && precision < PRECISION && prevalence < RARE;
    Some(Checked::new(Code::OptimisticRocAuc, precision, PRECISION).found_if(found, || {
        Told::info(
            format!("A ROC AUC of {area:.2} looks excellent, but the average precision is {precision:.2}: most alarms would be false."),
            Evidence::new().beside("roc_auc", area, 0.5).beside("average_precision", precision, prevalence),
            "Judge by average precision and by precision at the recall that is needed.",
        )
    }))
}

fn small_test_set(run: &Run<'_>) -> Option<Checked> {
    const LIMIT: f64 = 0.15;
    let recall = run.report.confusion_matrix.recall().ok()?;
    let half = wilson_half_width(recall, run.test.positives());
    Some(Checked::new(Code::SmallTestSet, half, LIMIT).found_if(half > LIMIT, || {
        let positives = run.test.positives();
        Told::warning(
            format!("Only {positives:.0} test rows are positive: recall is known to ± {half:.2} at best."),
            Evidence::new()
                .beside("recall_interval_half_width", half, 0.0)
                .with("recall", recall)
                .with("positive_test_rows", positives),
            "Collect more positives or give the test part a larger fraction, and compare models by repeated \
             cross-validation.",
        )
    }))
}
