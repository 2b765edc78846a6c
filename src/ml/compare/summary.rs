//! From results of folds to a table: means, intervals, differences, and what can be said about them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::parts::Divided;
use super::student::{critical_value, two_sided_p};
use super::unit::{Unit, UnitResult};
use crate::ml::config::CompareConfig;
use crate::ml::pipeline::TrainError;

/// The table of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub metric: String,
    pub higher_is_better: bool,
    pub folds: usize,
    pub repeats: usize,
    pub confidence: f64,
    /// Rows that were compared on, and the positive ones among them; the rows set aside are not counted.
    pub rows: usize,
    pub positives: usize,
    /// Names of candidates.
    pub best: String,
    pub chosen: String,
    /// What the numbers say, in words.
    pub statement: String,
    /// In the order of the configuration.
    pub candidates: Vec<CandidateSummary>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CandidateSummary {
    pub name: String,
    /// Why it could not be trained on some fold; it then takes no part.
    pub failure: Option<String>,
    /// By name.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// Of one fold, on average; with several folds at once they share the machine.
    pub seconds: f64,
    /// The difference from the best candidate in the metric that is compared by; `None` of a candidate without it.
    pub versus_best: Option<Versus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    pub mean: f64,
    /// Of the folds, with n - 1.
    pub std: f64,
    /// For the mean, corrected for what folds share; `None` of a single fold.
    pub ci: Option<[f64; 2]>,
}

/// A paired difference: on each fold this candidate minus the best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    pub difference: f64,
    pub ci: Option<[f64; 2]>,
    pub p_value: Option<f64>,
    /// Whether chance alone makes such a difference often enough.
    pub noise: bool,
}

pub(super) fn summarize(
    divided: &Divided,
    config: &CompareConfig,
    results: &BTreeMap<Unit, UnitResult>,
) -> Result<Comparison, TrainError> {
    let table = Table { config, results };
    let complete: Vec<(usize, f64)> = (0..config.candidates.len())
        .filter_map(|index| Some((index, mean(&table.values(index, &config.metric)?))))
        .collect();
    let sign = if config.higher_is_better() { 1.0 } else { -1.0 };
    let better =
        |one: &&(usize, f64), two: &&(usize, f64)| (sign * one.1).total_cmp(&(sign * two.1)).then(two.0.cmp(&one.0));
    let Some(&(best, _)) = complete.iter().max_by(better) else {
        return Err(TrainError::NoCandidate { reason: table.first_failure() });
    };
    let summaries: Vec<CandidateSummary> =
        (0..config.candidates.len()).map(|index| table.summary(index, best)).collect();
    let as_good = |summary: &CandidateSummary| summary.versus_best.is_some_and(|versus| versus.noise);
    let chosen = summaries.iter().position(as_good).unwrap_or(best);
    let name = |index: usize| config.candidates.get(index).map(|candidate| candidate.name.clone()).unwrap_or_default();
    Ok(Comparison {
        metric: config.metric.clone(),
        higher_is_better: config.higher_is_better(),
        folds: config.cross_validation.folds,
        repeats: config.cross_validation.repeats,
        confidence: config.confidence,
        rows: divided.labels().len(),
        positives: divided.labels().iter().filter(|label| **label).count(),
        best: name(best),
        chosen: name(chosen),
        statement: statement(config, &summaries, best, chosen),
        candidates: summaries,
    })
}

struct Table<'a> {
    config: &'a CompareConfig,
    results: &'a BTreeMap<Unit, UnitResult>,
}

impl Table<'_> {
    fn of(&self, candidate: usize) -> impl Iterator<Item = &UnitResult> {
        self.results.iter().filter(move |(unit, _)| unit.candidate == candidate).map(|(_, result)| result)
    }

    /// One value per fold, in the order of the folds; nothing if one of them is missing.
    fn values(&self, candidate: usize, metric: &str) -> Option<Vec<f64>> {
        let values: Option<Vec<f64>> = self.of(candidate).map(|result| result.metrics.get(metric).copied()).collect();
        let folds = self.config.cross_validation.folds * self.config.cross_validation.repeats;
        values.filter(|values| values.len() == folds)
    }

    fn first_failure(&self) -> String {
        let failure = self.results.values().find_map(|result| result.failure.clone());
        failure.unwrap_or_else(|| format!("{} is undefined on some fold of each", self.config.metric))
    }

    fn summary(&self, candidate: usize, best: usize) -> CandidateSummary {
        let names: BTreeSet<&String> = self.of(candidate).flat_map(|result| result.metrics.keys()).collect();
        let metrics = names.into_iter().filter_map(|name| {
            let values = self.values(candidate, name)?;
            let spread = self.spread(&values);
            Some((name.clone(), MetricSummary { mean: spread.mean, std: spread.std, ci: spread.ci }))
        });
        let seconds: Vec<f64> = self.of(candidate).map(|result| result.seconds).collect();
        CandidateSummary {
            name: self.config.candidates.get(candidate).map(|candidate| candidate.name.clone()).unwrap_or_default(),
            failure: self.of(candidate).find_map(|result| result.failure.clone()),
            metrics: metrics.collect(),
            seconds: mean(&seconds),
            versus_best: self.versus(candidate, best),
        }
    }

    fn versus(&self, candidate: usize, best: usize) -> Option<Versus> {
        let own = self.values(candidate, &self.config.metric)?;
        let other = self.values(best, &self.config.metric)?;
        let differences: Vec<f64> = own.iter().zip(&other).map(|(own, other)| own - other).collect();
        let Spread { mean, error, freedom, ci, .. } = self.spread(&differences);
        let p_value = if candidate == best || mean == 0.0 {
            Some(1.0)
        } else {
            error.map(|error| if error > 0.0 { two_sided_p(mean / error, freedom) } else { 0.0 })
        };
        let noise = p_value.is_none_or(|p| p > 1.0 - self.config.confidence);
        Some(Versus { difference: mean, ci, p_value, noise })
    }

    /// With J = k r results of folds that are 1/k of the rows each, the variance of the mean is taken to be
    /// `(1/J + 1/(k - 1)) s²`: the second term stands for what the training rows of the folds have in common.
    fn spread(&self, values: &[f64]) -> Spread {
        let count = values.len() as f64;
        let mean = mean(values);
        let freedom = count - 1.0;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let variance = if freedom > 0.0 { squares / freedom } else { 0.0 };
        let folds = self.config.cross_validation.folds as f64;
        let error = (freedom > 0.0).then(|| ((1.0 / count + 1.0 / (folds - 1.0)) * variance).sqrt());
        let width = error.map(|error| error * critical_value(self.config.confidence, freedom));
        Spread { mean, std: variance.sqrt(), error, freedom, ci: width.map(|width| [mean - width, mean + width]) }
    }
}

struct Spread {
    mean: f64,
    std: f64,
    /// The standard error of the mean.
    error: Option<f64>,
    freedom: f64,
    ci: Option<[f64; 2]>,
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn statement(config: &CompareConfig, summaries: &[CandidateSummary], best: usize, chosen: usize) -> String {
    let name = |index: usize| summaries.get(index).map(|summary| summary.name.as_str()).unwrap_or_default();
    let others = summaries.iter().enumerate().filter(|(index, _)| *index != best);
    let named = |noise: bool| {
        let of = |summary: &CandidateSummary| summary.versus_best.is_some_and(|versus| versus.noise == noise);
        let names: Vec<&str> =
            others.clone().filter(|(_, summary)| of(summary)).map(|(_, summary)| summary.name.as_str()).collect();
        names.join(", ")
    };
    let mut text = format!("{} has the best mean {}.", name(best), config.metric);
    match (named(true), named(false)) {
        (same, worse) if same.is_empty() && !worse.is_empty() => {
            text.push_str(" All others are worse by more than noise.");
        }
        (same, worse) => {
            if !same.is_empty() {
                text.push_str(&format!(" The differences of {same} from it are noise."));
            }
            if !worse.is_empty() {
                text.push_str(&format!(" Worse by more than noise: {worse}."));
            }
        }
    }
    if chosen == best {
        text.push_str(" It is the one that was trained.");
    } else {
        text.push_str(&format!(" {} is the simplest that is as good, and was trained.", name(chosen)));
    }
    let failed: Vec<&str> =
        summaries.iter().filter(|summary| summary.versus_best.is_none()).map(|summary| summary.name.as_str()).collect();
    if !failed.is_empty() {
        text.push_str(&format!(" Not compared: {}.", failed.join(", ")));
    }
    text
}
