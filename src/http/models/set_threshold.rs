//! `PUT /v1/models/{model_id}/threshold`: another threshold without another training.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ndarray::Array2;

use super::dossiers::{dossier, test, validation};
use super::find_loaded;
use super::representation::ModelView;
use super::threshold_view::ThresholdDocument;
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::error::ApiError;
use crate::http::extract::{Id, JsonBody};
use crate::http::respond;
use crate::ml::config::{ThresholdRule, check_threshold_rule};
use crate::ml::dossier::{Dossier, Scores};
use crate::ml::metrics::{
    ClassScale, Ranking, ReportInput, ThresholdBasis, affordable, choose_at, threshold_intervals, verdict,
};
use crate::ml::model::Model;
use crate::ml::pipeline::{report_seed, threshold_seed};
use crate::ml::sets::EvalSet;
use crate::records::{ModelCard, ModelId, ModelRecord};
use crate::store::{NewThreshold, SetThreshold};

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    principal: Principal,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let rule = check_threshold_rule(&body).map_err(ApiError::invalid)?;
    let (record, model) = find_loaded(&state, id).await?;
    check_preconditions(&state, &record, &headers).await?;
    if rule == record.threshold_rule {
        // The rows have not changed either, so it would choose the same again.
        return answer(&state, &record).await;
    }
    let dossier = dossier(&state, &record).await?;
    let turn = state.models.turn().await?;
    let before = record.clone();
    let chosen = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        Chosen::by(rule, &before, &model, &dossier)
    });
    let chosen = chosen.await.map_err(ApiError::internal)??;
    let new = NewThreshold {
        size_bytes: chosen.artifact.len() as u64,
        sha256: state.store.blobs().put(chosen.artifact.into()).await?,
        rule: chosen.rule,
        threshold: chosen.threshold,
        basis: chosen.basis,
        report: chosen.report,
        verdict: chosen.verdict,
        set_by: principal.name(),
    };
    match state.store.set_threshold(&record, new).await? {
        SetThreshold::Set(record) => {
            state.models.served.changed(id).await;
            answer(&state, &record).await
        }
        SetThreshold::Changed => Err(respond::changed()),
        SetThreshold::Gone => Err(ApiError::not_found("model")),
    }
}

/// The tag may be the model's or that of its threshold.
async fn check_preconditions(state: &AppState, record: &ModelRecord, headers: &HeaderMap) -> Result<(), ApiError> {
    let changes = state.store.threshold_changes(record).await?;
    let threshold = respond::tagged(&ThresholdDocument::new(record, &changes))?.1;
    let model = respond::tagged(&ModelView::from(record))?.1;
    respond::check_match(headers, &[&threshold, &model])
}

async fn answer(state: &AppState, record: &ModelRecord) -> Result<Response, ApiError> {
    let changes = state.store.threshold_changes(record).await?;
    let (body, tag) = respond::tagged(&ThresholdDocument::new(record, &changes))?;
    Ok(respond::json(StatusCode::OK, body, &tag, None))
}

/// A threshold and all that follows from it.
struct Chosen {
    rule: ThresholdRule,
    threshold: f64,
    basis: ThresholdBasis,
    report: crate::ml::metrics::Report,
    verdict: crate::ml::metrics::Verdict,
    artifact: Vec<u8>,
}

impl Chosen {
    /// Chooses on the validation rows, as training does, and evaluates on the test rows.
    fn by(rule: ThresholdRule, record: &ModelRecord, model: &Arc<Model>, dossier: &Dossier) -> Result<Self, ApiError> {
        let prevalence = model.calibrator.deployment_prevalence;
        let (threshold, basis) = choose_on(&rule, validation(dossier)?, prevalence, dossier)?;
        let scores = test(dossier)?;
        let evaluation = affordable(&dossier.evaluation, scores.rows());
        // The report is at the prevalence of the data.
        let natural = |&shown: &f64| model.calibrator.unshifted(shown);
        let probabilities: Vec<f64> = scores.probabilities.iter().map(natural).collect();
        let input = ReportInput {
            eval: &rows(scores),
            probabilities: &probabilities,
            threshold: natural(&threshold),
            classes: &record.classes,
            evaluation: &evaluation,
            seed: report_seed(dossier.seed),
        };
        let step = &mut |_: f64| ControlFlow::Continue(());
        let report = record.report.clone().at_threshold(&input, step).map_err(|_| stopped())?;
        let verdict = verdict(&report, &probabilities);
        let mut model = Model::clone(model);
        model.threshold_rule = rule.clone();
        model.threshold = threshold;
        let card = ModelCard::new(Some(basis.clone()), &record.training, verdict, &report);
        let card = card.to_bytes().map_err(ApiError::internal)?;
        let artifact = model.to_bytes_with_card(&card).map_err(ApiError::internal)?;
        Ok(Self { rule, threshold, basis, report, verdict, artifact })
    }
}

/// The threshold on the probabilities that predictions give, at the deployment prevalence if there is one.
fn choose_on(
    rule: &ThresholdRule,
    scores: &Scores,
    prevalence: Option<f64>,
    dossier: &Dossier,
) -> Result<(f64, ThresholdBasis), ApiError> {
    let chosen = choose_at(rule, &rows(scores), &scores.probabilities, prevalence);
    let ci = match Ranking::of_probabilities(&scores.labels, &scores.probabilities) {
        Err(_) => None,
        Ok(ranking) => {
            let evaluation = affordable(&dossier.evaluation, scores.rows());
            let (rules, seed) = (std::slice::from_ref(rule), threshold_seed(dossier.seed));
            let scale = ClassScale::of_labels(&scores.labels, prevalence);
            let step = &mut |_: f64| ControlFlow::Continue(());
            let found = threshold_intervals(rules, &ranking, scale, &evaluation, seed, step);
            found.map_err(|_| stopped())?.into_iter().next().flatten()
        }
    };
    Ok((chosen.value, chosen.basis(dossier.chosen_on, &scores.labels, ci)))
}

/// Rows of which nothing but labels and scores is needed.
fn rows(scores: &Scores) -> EvalSet {
    EvalSet::new(Array2::zeros((scores.rows(), 0)), scores.labels.clone())
}

fn stopped() -> ApiError {
    ApiError::internal("the computation was stopped though nobody stops it")
}
