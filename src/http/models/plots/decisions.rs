//! What decisions come to: the confusion matrix, cost against threshold; and what they rest on.

use super::probabilities::log_odds;
use super::{Material, nothing, share, short};
use crate::draw::{Axis, Bar, Bars, Body, Chart, Figure, Mark, Matrix, Role, Ticks};
use crate::ml::config::ThresholdRule;
use crate::ml::metrics::{ClassScale, Ranking, choose_among, threshold_points};

/// Thresholds of the curve, at most.
const MAX_POINTS: usize = 1_000;

impl Material {
    pub(super) fn confusion_matrix(&self) -> Figure {
        let (report, classes) = (&self.record.report, &self.record.classes);
        let matrix = report.confusion_matrix;
        let description = format!(
            "Of {} test rows that are {}, {} are found; of {} that are {}, {} are taken for it.",
            matrix.positives(),
            classes.positive,
            matrix.tp,
            matrix.negatives(),
            classes.negative,
            matrix.fp
        );
        Figure {
            title: "Confusion matrix".to_owned(),
            subtitle: format!("{}; threshold {}", self.test_rows(), short(report.threshold)),
            description,
            body: Body::Matrix(Matrix {
                negative: classes.negative.clone(),
                positive: classes.positive.clone(),
                tp: matrix.tp,
                fp: matrix.fp,
                fn_: matrix.fn_,
                tn: matrix.tn,
            }),
        }
    }

    /// The mean cost of a validation row at every threshold.
    pub(super) fn cost_against_threshold(&self) -> Figure {
        const TITLE: &str = "Cost against threshold";
        let Some(scores) = self.dossier.as_ref().and_then(|dossier| dossier.validation.as_ref()) else {
            return nothing(TITLE, "the scores of the validation rows were not kept");
        };
        let Ok(ranking) = Ranking::of_probabilities(&scores.labels, &scores.probabilities) else {
            return nothing(TITLE, "the validation rows have no probabilities");
        };
        let Ok(points) = threshold_points(&ranking, ClassScale::NATURAL, self.costs, MAX_POINTS) else {
            return nothing(TITLE, "there are no validation rows");
        };
        let inner = points.iter().filter(|point| point.threshold > 0.0 && point.threshold < 1.0);
        let ends = inner.map(|point| log_odds(point.threshold));
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        let (low, high) = (low - 0.3, high + 0.3);
        // The cost at a threshold holds from it up to the next higher one: the points fall from high to low.
        let mut curve = Vec::with_capacity(2 * points.len());
        let mut right = high;
        for point in &points {
            let left = log_odds(point.threshold).clamp(low, high);
            curve.extend([(right, point.cost_per_row), (left, point.cost_per_row)]);
            right = left;
        }
        let highest = points.iter().fold(0.0_f64, |highest, point| highest.max(point.cost_per_row));
        let costs = self.costs;
        let rule =
            ThresholdRule::MinCost { false_positive: costs.false_positive, false_negative: costs.false_negative };
        let cheapest = choose_among(&rule, &ranking.cuts(), ClassScale::NATURAL).value;
        let at = |name: String, threshold: f64, role: Role| {
            let x = log_odds(threshold).clamp(low, high);
            Mark::Dashed { name: Some(name), role, points: vec![(x, 0.0), (x, highest * 1.05)] }
        };
        let marks = vec![
            Mark::Line { name: Some("cost".to_owned()), role: Role::First, points: curve },
            at(format!("threshold {}", short(self.record.threshold)), self.record.threshold, Role::Second),
            at(format!("cheapest {}", short(cheapest)), cheapest, Role::Third),
        ];
        let x = Axis { label: "threshold (even steps in log-odds)".to_owned(), low, high, ticks: Ticks::Odds };
        let y = Axis { label: "mean cost of a row".to_owned(), low: 0.0, high: highest * 1.05, ticks: Ticks::Plain };
        let positives = scores.labels.iter().filter(|&&label| label).count();
        Figure {
            title: TITLE.to_owned(),
            subtitle: format!(
                "{} validation rows, {} positive; false positive {}, false negative {}",
                super::count(scores.rows() as u64),
                super::count(positives as u64),
                costs.false_positive,
                costs.false_negative
            ),
            description: format!("The mean cost of a row by threshold; it is least at {}.", short(cheapest)),
            body: Body::Chart(Chart { x, y, marks }),
        }
    }

    /// How far average precision falls when a column is shuffled.
    pub(super) fn importances(&self) -> Figure {
        const TITLE: &str = "Importance of columns";
        let Some(dossier) = &self.dossier else {
            return nothing(TITLE, "the model was made by a version that computed none");
        };
        let importance = &dossier.explanation.importance;
        if let Some(reason) = &importance.reason {
            return nothing(TITLE, reason.clone());
        }
        let mut columns: Vec<_> = importance.columns.iter().collect();
        columns.sort_by(|a, b| b.average_precision.value.total_cmp(&a.average_precision.value));
        let bar = |column: &&crate::ml::explain::ColumnImportance| Bar {
            label: column.column.clone(),
            value: column.average_precision.value,
            ci: Some(column.average_precision.ci),
        };
        let first = columns.first().map_or(String::new(), |column| {
            format!(" Most: {}, by {}.", column.column, short(column.average_precision.value))
        });
        let confidence = share(importance.confidence);
        Figure {
            title: TITLE.to_owned(),
            subtitle: format!(
                "{} test rows, {} of them positive; {} shuffles, {confidence} intervals",
                super::count(importance.rows as u64),
                super::count(importance.positives as u64),
                importance.repeats
            ),
            description: format!("How far average precision falls when the values of a column are shuffled.{first}"),
            body: Body::Bars(Bars {
                label: "fall of average precision when shuffled".to_owned(),
                bars: columns.iter().map(bar).collect(),
            }),
        }
    }
}
