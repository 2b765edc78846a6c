//! Learning curves, ROC, precision against recall.

use super::{Material, nothing, share, short};
use crate::draw::{Axis, Body, Chart, Dot, Figure, Mark, Role, Ticks};
use crate::ml::metrics::base_rate_entropy;
use crate::ml::observe::EpochLog;

impl Material {
    /// Losses by epoch, beside the loss of giving every row the prevalence.
    pub(super) fn learning_curves(&self) -> Figure {
        const TITLE: &str = "Learning curves";
        let training = &self.record.training;
        if self.record.job_id.is_none() {
            return nothing(TITLE, "the model was imported; its learning curves are where it was trained");
        }
        if self.epochs.len() < 2 {
            let reason = format!("a convex solver has no learning curves: {} iterations", training.epochs_run);
            return nothing(TITLE, reason);
        }
        let line = |loss: fn(&EpochLog) -> Option<f64>| -> Vec<(f64, f64)> {
            self.epochs.iter().filter_map(|log| Some((log.epoch as f64, loss(log)?))).collect()
        };
        let (train, validation) = (line(|log| log.train_loss), line(|log| log.validation_loss));
        let no_skill = base_rate_entropy(self.record.report.prevalence);
        let all = || train.iter().chain(&validation).map(|point| point.1);
        let high = all().fold(no_skill, f64::max).min(4.0 * all().fold(0.0, f64::max).max(no_skill));
        let last = self.epochs.last().map_or(1.0, |log| log.epoch as f64);
        let best = training.best_epoch as f64;
        let subtitle = format!(
            "best epoch {} of {}; ended by {}",
            training.best_epoch,
            training.epochs_run,
            training.stopped_by.replace('_', " ")
        );
        let description = format!(
            "Training loss from {} to {}, validation loss from {} to {}; giving every row the prevalence has {}.",
            ends(&train).0,
            ends(&train).1,
            ends(&validation).0,
            ends(&validation).1,
            short(no_skill),
        );
        let marks = vec![
            Mark::Dashed {
                name: Some("no skill".to_owned()),
                role: Role::Muted,
                points: vec![(1.0, no_skill), (last, no_skill)],
            },
            Mark::Line { name: Some("training, as resampled".to_owned()), role: Role::First, points: train },
            Mark::Line { name: Some("validation".to_owned()), role: Role::Second, points: validation },
            Mark::Dashed {
                name: Some("best epoch".to_owned()),
                role: Role::Third,
                points: vec![(best, 0.0), (best, high * 1.05)],
            },
        ];
        let x = Axis { label: "epoch".to_owned(), low: 1.0, high: last, ticks: Ticks::Plain };
        let y = Axis { label: "mean loss (nats)".to_owned(), low: 0.0, high: high * 1.05, ticks: Ticks::Plain };
        Figure { title: TITLE.to_owned(), subtitle, description, body: Body::Chart(Chart { x, y, marks }) }
    }

    /// True against false positives over all thresholds.
    pub(super) fn roc(&self) -> Figure {
        const TITLE: &str = "ROC curve";
        let report = &self.record.report;
        if report.curves.roc.is_empty() {
            return nothing(TITLE, "the test rows do not have both classes");
        }
        let points = report.curves.roc.iter().map(|point| (point.false_positive_rate, point.true_positive_rate));
        let matrix = report.confusion_matrix;
        let present = matrix.recall().ok().zip(matrix.specificity().ok());
        let mut marks = vec![
            Mark::Dashed { name: Some("no skill".to_owned()), role: Role::Muted, points: vec![(0.0, 0.0), (1.0, 1.0)] },
            Mark::Line { name: Some("model".to_owned()), role: Role::First, points: points.collect() },
        ];
        marks.extend(present.map(|(recall, specificity)| self.operating_point(1.0 - specificity, recall)));
        let metric = self.metric("roc_auc", "area");
        Figure {
            title: TITLE.to_owned(),
            subtitle: format!("{}; {metric}", self.test_rows()),
            description: format!("True against false positive rate over all thresholds; {metric}, no skill 0.5."),
            body: Body::Chart(Chart { x: unit("false positive rate"), y: unit("true positive rate"), marks }),
        }
    }

    /// Precision against recall, as the steps that average precision is the area of.
    pub(super) fn precision_recall(&self) -> Figure {
        const TITLE: &str = "Precision and recall";
        let report = &self.record.report;
        if report.curves.precision_recall.is_empty() {
            return nothing(TITLE, "no test row is positive");
        }
        let mut points = Vec::with_capacity(2 * report.curves.precision_recall.len());
        let mut before = 0.0;
        for point in &report.curves.precision_recall {
            points.extend([(before, point.precision), (point.recall, point.precision)]);
            before = point.recall;
        }
        let matrix = report.confusion_matrix;
        let mut marks = vec![
            Mark::Dashed {
                name: Some(format!("no skill: {}", short(report.prevalence))),
                role: Role::Muted,
                points: vec![(0.0, report.prevalence), (1.0, report.prevalence)],
            },
            Mark::Line { name: Some("model".to_owned()), role: Role::First, points },
        ];
        let present = matrix.recall().ok().zip(matrix.precision().ok());
        marks.extend(present.map(|(recall, precision)| self.operating_point(recall, precision)));
        let metric = self.metric("average_precision", "average precision");
        let no_skill = share(report.prevalence);
        Figure {
            title: TITLE.to_owned(),
            subtitle: format!("{}; {metric}", self.test_rows()),
            description: format!("Precision against recall over all thresholds; {metric}, no skill {no_skill}."),
            body: Body::Chart(Chart { x: unit("recall"), y: unit("precision"), marks }),
        }
    }

    /// Where the threshold is.
    fn operating_point(&self, x: f64, y: f64) -> Mark {
        let name = format!("threshold {}", short(self.record.threshold));
        Mark::Dots { name: Some(name), role: Role::Second, dots: vec![Dot { x, y, low: y, high: y }] }
    }
}

/// From 0 to 1.
pub(super) fn unit(label: &str) -> Axis {
    Axis { label: label.to_owned(), low: 0.0, high: 1.0, ticks: Ticks::Plain }
}

fn ends(line: &[(f64, f64)]) -> (String, String) {
    let end = |point: Option<&(f64, f64)>| point.map_or("none".to_owned(), |point| short(point.1));
    (end(line.first()), end(line.last()))
}
