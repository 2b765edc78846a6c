//! What a `compare` job left, as a table in memory and as a picture.

use super::AppState;
use super::error::ApiError;
use super::words::{count, interval, share, short};
use crate::draw::{Body, Figure, Forest, Shape, Stem};
use crate::ml::compare::{CandidateSummary, Comparison, MetricSummary};
use crate::records::{JobRecord, JobType};

/// Tables are a few kilobytes.
const MAX_BYTES: u64 = 8 << 20;

/// The table of a job; none if it is no comparison or has not succeeded.
pub(super) async fn load(state: &AppState, job: &JobRecord) -> Result<Option<Comparison>, ApiError> {
    let Some(result) = job.result.as_ref().filter(|_| job.job_type() == JobType::Compare) else { return Ok(None) };
    let bytes = state.store.blobs().get(&result.sha256, MAX_BYTES).await?;
    serde_json::from_slice(&bytes).map(Some).map_err(ApiError::internal)
}

/// How a candidate came off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Chosen,
    /// Not shown to be worse than the best.
    AsGood,
    Worse,
    NotCompared,
}

impl Standing {
    pub(super) fn of(candidate: &CandidateSummary, table: &Comparison) -> Self {
        match candidate.versus_best {
            _ if candidate.name == table.chosen => Standing::Chosen,
            None => Standing::NotCompared,
            Some(versus) if versus.noise => Standing::AsGood,
            Some(_) => Standing::Worse,
        }
    }

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Standing::Chosen => "chosen",
            Standing::AsGood => "not shown to be worse",
            Standing::Worse => "worse",
            Standing::NotCompared => "not compared",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Standing::Chosen => Shape::Diamond,
            Standing::AsGood => Shape::Disc,
            Standing::Worse | Standing::NotCompared => Shape::Ring,
        }
    }
}

/// The metric that is compared by, of one candidate.
pub(super) fn compared_by(candidate: &CandidateSummary, table: &Comparison) -> Option<MetricSummary> {
    candidate.metrics.get(&table.metric).copied().filter(|_| candidate.versus_best.is_some())
}

/// On which rows, and how often.
pub(super) fn basis(table: &Comparison) -> String {
    let times = if table.repeats == 1 { String::new() } else { format!(", {} times", table.repeats) };
    let (rows, positives) = (count(table.rows as u64), count(table.positives as u64));
    format!(
        "{rows} rows, {positives} of them positive; {} folds{times}; {} intervals",
        table.folds,
        share(table.confidence)
    )
}

/// One line for each candidate: its mean with its interval, marked by how it came off.
pub(super) fn figure(table: &Comparison) -> Figure {
    let metric = table.metric.replace('_', " ");
    let rows: Vec<Stem> = table.candidates.iter().map(|candidate| stem(candidate, table)).collect();
    let used =
        |standing: &Standing| table.candidates.iter().any(|candidate| Standing::of(candidate, table) == *standing);
    let legend = [Standing::Chosen, Standing::AsGood, Standing::Worse].into_iter().filter(used);
    let best = table.candidates.iter().find(|candidate| candidate.name == table.best);
    let reference = best.and_then(|best| compared_by(best, table));
    Figure {
        title: format!("Comparison by {metric}"),
        subtitle: basis(table),
        description: description(table),
        body: Body::Forest(Forest {
            label: format!("{}, mean of {} folds", label(table), table.folds * table.repeats),
            columns: ["mean".to_owned(), "s a fold".to_owned()],
            rows,
            reference: reference.map(|best| ("best mean".to_owned(), best.mean)),
            legend: legend.map(|standing| (standing.shape(), standing.words().to_owned())).collect(),
        }),
    }
}

fn stem(candidate: &CandidateSummary, table: &Comparison) -> Stem {
    let summary = compared_by(candidate, table);
    let why = || candidate.failure.clone().unwrap_or_else(|| format!("{} is undefined on some fold", table.metric));
    Stem {
        label: candidate.name.clone(),
        shape: Standing::of(candidate, table).shape(),
        value: summary.map(|summary| summary.mean),
        ci: summary.and_then(|summary| summary.ci),
        columns: [summary.map_or_else(why, |summary| short(summary.mean)), seconds(candidate.seconds)],
    }
}

/// To the millisecond, no finer than clocks and neighbours on the machine allow.
pub(super) fn seconds(value: f64) -> String {
    match value {
        long if long >= 100.0 => format!("{long:.0}"),
        some if some >= 1.0 => format!("{some:.1}"),
        few => format!("{few:.3}"),
    }
}

/// The metric with its unit and its direction.
fn label(table: &Comparison) -> String {
    let unit = match table.metric.as_str() {
        "log_loss" => " (nats, less is better)",
        _ if table.higher_is_better => " (more is better)",
        _ => " (less is better)",
    };
    format!("{}{unit}", table.metric.replace('_', " "))
}

fn description(table: &Comparison) -> String {
    let one = |candidate: &CandidateSummary| {
        let value = compared_by(candidate, table);
        let value = value.map_or("none".to_owned(), |value| format!("{}{}", short(value.mean), interval(value.ci)));
        format!("{} {value}", candidate.name)
    };
    let all: Vec<String> = table.candidates.iter().map(one).collect();
    format!(
        "{} Worse or not is judged by the differences on the same folds, not by whether intervals overlap. {}.",
        table.statement,
        all.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ml::compare::Versus;

    fn candidate(name: &str, mean: f64, noise: Option<bool>) -> CandidateSummary {
        let summary = MetricSummary { mean, std: 0.1, ci: Some([mean - 0.1, mean + 0.1]) };
        let versus = |noise| Versus { difference: mean - 0.8, ci: None, p_value: None, noise };
        CandidateSummary {
            name: name.to_owned(),
            failure: noise.is_none().then(|| "a reason".to_owned()),
            metrics: BTreeMap::from([("average_precision".to_owned(), summary)]),
            seconds: 1.25,
            versus_best: noise.map(versus),
        }
    }

    fn table() -> Comparison {
        Comparison {
            metric: "average_precision".to_owned(),
            higher_is_better: true,
            folds: 5,
            repeats: 2,
            confidence: 0.95,
            rows: 1_000,
            positives: 20,
            best: "best".to_owned(),
            chosen: "plain".to_owned(),
            statement: "They say so.".to_owned(),
            candidates: vec![
                candidate("plain", 0.78, Some(true)),
                candidate("best", 0.8, Some(true)),
                candidate("bad", 0.4, Some(false)),
                candidate("failed", 0.0, None),
            ],
        }
    }

    #[test]
    fn seconds_are_no_finer_than_they_are_known() {
        for (value, text) in [(0.001_26, "0.001"), (0.25, "0.250"), (12.34, "12.3"), (123.4, "123")] {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn each_candidate_is_marked_by_how_it_came_off() {
        let figure = figure(&table());
        let Body::Forest(forest) = &figure.body else { panic!("{figure:?}") };
        let shapes: Vec<Shape> = forest.rows.iter().map(|row| row.shape).collect();
        assert_eq!(shapes, [Shape::Diamond, Shape::Disc, Shape::Ring, Shape::Ring]);
        let names: Vec<&str> = forest.legend.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["chosen", "not shown to be worse", "worse"]);
        assert_eq!(forest.reference, Some(("best mean".to_owned(), 0.8)));
        assert_eq!((forest.rows[3].value, forest.rows[3].columns[0].as_str()), (None, "a reason"));
        assert_eq!(figure.subtitle, "1,000 rows, 20 of them positive; 5 folds, 2 times; 95 % intervals");
        assert_eq!(forest.label, "average precision (more is better), mean of 10 folds");
    }
}
