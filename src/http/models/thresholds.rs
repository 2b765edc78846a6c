//! `GET /v1/models/{model_id}/thresholds`: what every threshold would do on the validation rows, and which one each rule
//! would choose.

use std::ops::ControlFlow;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::dossiers::{dossier, validation};
use super::find;
use super::plots::costs;
use super::threshold_view::ThresholdView;
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::extract::{Id, Query};
use crate::http::respond;
use crate::ml::config::{Evaluation, ThresholdRule};
use crate::ml::dossier::Dossier;
use crate::ml::metrics::{
    ClassScale, ConfusionMatrix, Costs, Ranking, ThresholdBasis, ThresholdPoint, choose_among, point_at,
    threshold_intervals, threshold_points,
};
use crate::ml::pipeline::threshold_seed;
use crate::records::{ModelId, ModelRecord};

/// Rows drawn for the intervals of one answer, and the most samples of them.
const MAX_DRAWN_ROWS: usize = 10_000_000;
const MAX_SAMPLES: usize = 200;
/// With fewer samples there are no intervals.
const MIN_SAMPLES: usize = 40;

#[derive(Debug, Serialize)]
struct ThresholdsView<'a> {
    /// `validation` or `out_of_fold`: never the rows that the report is computed on.
    computed_on: &'static str,
    rows: usize,
    positives: usize,
    prevalence: f64,
    /// What rates and costs are computed for, if it is not the rows' own.
    assumed_prevalence: Option<f64>,
    costs: Costs,
    /// How many thresholds part the rows differently; `points` may have fewer.
    distinct: usize,
    current: PointView,
    optima: Vec<Optimum<'a>>,
    points: Vec<PointView>,
}

/// What one rule would choose.
#[derive(Debug, Serialize)]
struct Optimum<'a> {
    threshold: ThresholdView<'a>,
    at: PointView,
}

/// One threshold. Counts are those of the rows; rates and cost those at the assumed prevalence.
#[derive(Debug, Serialize)]
struct PointView {
    threshold: f64,
    lowest_accepted: Option<f64>,
    confusion_matrix: ConfusionMatrix,
    #[serde(flatten)]
    rates: Map<String, Value>,
    cost_per_row: f64,
    /// Why a rate is null.
    #[serde(skip_serializing_if = "Map::is_empty")]
    undefined: Map<String, Value>,
}

/// What is asked.
struct Question {
    costs: Costs,
    prevalence: Option<f64>,
    max_points: usize,
    rules: Vec<ThresholdRule>,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let question = Question::read(query)?;
    let record = find(&state, id).await?;
    let dossier = dossier(&state, &record).await?;
    let turn = state.models.turn().await?;
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        answer(&question, &record, &dossier, &headers)
    });
    answer.await.map_err(ApiError::internal)?
}

impl Question {
    fn read(mut query: Query) -> Result<Self, ApiError> {
        let costs = costs(&mut query);
        let prevalence = query.optional_number("prevalence", 1e-6, 1.0 - 1e-6);
        let max_points = query.integer("max_points", 1_000, 3, 10_000) as usize;
        let share = |query: &mut Query, name, default| query.number(name, default, 1e-6, 1.0);
        let rules = vec![
            ThresholdRule::MaxFBeta { beta: query.number("beta", 1.0, 0.01, 100.0) },
            ThresholdRule::MaxMcc,
            ThresholdRule::MaxBalancedAccuracy,
            ThresholdRule::MinCost { false_positive: costs.false_positive, false_negative: costs.false_negative },
            ThresholdRule::RecallAtPrecision { precision: share(&mut query, "precision", 0.9) },
            ThresholdRule::PrecisionAtRecall { recall: share(&mut query, "recall", 0.9) },
            ThresholdRule::AlertRate { fraction: share(&mut query, "fraction", 0.1) },
        ];
        query.finish()?;
        Ok(Self { costs, prevalence, max_points, rules })
    }
}

fn answer(
    question: &Question,
    record: &ModelRecord,
    dossier: &Dossier,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let scores = validation(dossier)?;
    let ranking = Ranking::of_probabilities(&scores.labels, &scores.probabilities).map_err(|reason| {
        ApiError::internal(format!("the scores of the validation rows cannot be ranked: {reason}"))
    })?;
    let positives = scores.labels.iter().filter(|&&label| label).count();
    let rows = scores.rows();
    let scale = ClassScale::of_labels(&scores.labels, question.prevalence);
    let view = |point: ThresholdPoint| PointView::from(point);
    let at = |threshold: f64| view(point_at(&ranking, threshold, scale, question.costs));
    let points = threshold_points(&ranking, scale, question.costs, question.max_points).unwrap_or_default();
    let bases = bases(question, &ranking, scale, dossier)?;
    let optima = question.rules.iter().zip(&bases).map(|(rule, (value, basis))| Optimum {
        threshold: ThresholdView::new(rule, *value, Some(basis)),
        at: at(*value),
    });
    let document = ThresholdsView {
        computed_on: dossier.chosen_on.name(),
        rows,
        positives,
        prevalence: positives as f64 / rows.max(1) as f64,
        assumed_prevalence: question.prevalence.filter(|_| scale != ClassScale::NATURAL),
        costs: question.costs,
        distinct: ranking.distinct() + usize::from(ranking.scores().last().is_some_and(|&highest| highest < 1.0)),
        current: at(record.threshold),
        optima: optima.collect(),
        points: points.into_iter().map(view).collect(),
    };
    respond::resource(headers, &document)
}

/// What each rule chooses, and how sure it is.
fn bases(
    question: &Question,
    ranking: &Ranking,
    scale: ClassScale,
    dossier: &Dossier,
) -> Result<Vec<(f64, ThresholdBasis)>, ApiError> {
    let samples = (MAX_DRAWN_ROWS / ranking.rows().max(1)).min(MAX_SAMPLES).min(dossier.evaluation.bootstrap);
    let bootstrap = if samples < MIN_SAMPLES { 0 } else { samples };
    let evaluation = Evaluation { bootstrap, ..dossier.evaluation.clone() };
    let step = &mut |_: f64| ControlFlow::Continue(());
    let seed = threshold_seed(dossier.seed);
    let intervals = threshold_intervals(&question.rules, ranking, scale, &evaluation, seed, step)
        .map_err(|_| ApiError::internal("the computation was stopped though nobody stops it"))?;
    let cuts = ranking.cuts();
    let choose = |(rule, ci): (&ThresholdRule, Option<[f64; 2]>)| {
        let chosen = choose_among(rule, &cuts, scale);
        (chosen.value, chosen.basis(dossier.chosen_on, ranking.labels(), ci))
    };
    Ok(question.rules.iter().zip(intervals).map(choose).collect())
}

impl From<ThresholdPoint> for PointView {
    fn from(point: ThresholdPoint) -> Self {
        let (mut rates, mut undefined) = (Map::new(), Map::new());
        for (name, rate) in point.rates.named() {
            rates.insert(name.to_owned(), rate.map_or(Value::Null, Value::from));
            if let Err(reason) = rate {
                undefined.insert(name.to_owned(), Value::from(reason.to_string()));
            }
        }
        Self {
            threshold: point.threshold,
            lowest_accepted: point.lowest_accepted,
            confusion_matrix: point.counts,
            rates,
            cost_per_row: point.cost_per_row,
            undefined,
        }
    }
}
