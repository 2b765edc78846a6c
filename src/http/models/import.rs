//! `POST /v1/models`: the artifact of a model that another Evenkeel made becomes a model here, or leaves nothing behind.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::representation::ModelView;
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::body::{self, BodyLimits};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Query, media_type};
use crate::http::idempotency::{self, Begun, Created, Hold, IdempotencyKey};
use crate::ml::model::{Model, card_of};
use crate::records::{ModelCard, ModelFeature, ModelId, ModelRecord};
use crate::store::{NewModel, StagedBlob};
use crate::telemetry::Chain;

/// Models are named with at most this many characters.
const MAX_NAME_CHARS: usize = 200;
/// Of what a refusal says.
const MAX_DETAIL_CHARS: usize = 2_000;
const MEDIA_TYPE: &str = "application/octet-stream";

/// What the query asks for.
struct Asked {
    name: String,
    /// What the body must hash to.
    sha256: Option<String>,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    principal: Principal,
    key: IdempotencyKey,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let busy = |_| ApiError::new(Code::TooManyRequests, "as many uploads as are allowed are under way");
    let _slot = state.uploads.clone().try_acquire_owned().map_err(busy)?;
    let asked = Asked::read(query)?;
    let begun = idempotency::begin(&state, &principal, "importModel", key).await?;
    match begun {
        Begun::Fresh(hold) => {
            let created = import(&state, request, &asked, &hold).await;
            hold.settle(created).await.map(Created::into_response)
        }
        Begun::Before(replay) => {
            let staged = receive(&state, request).await?;
            let fingerprint = asked.fingerprint(&staged);
            state.store.blobs().discard(staged).await?;
            replay.answer(&fingerprint)
        }
    }
}

impl Asked {
    fn read(mut query: Query) -> Result<Self, ApiError> {
        let has_name = query.raw("name").is_some();
        let name = query.text("name", MAX_NAME_CHARS);
        if !has_name {
            query.error("name", "expected a name for the model, found none");
        }
        let sha256 = query.raw("sha256").map(|text| text.to_ascii_lowercase());
        if sha256.as_ref().is_some_and(|text| text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            query.error("sha256", "expected 64 hexadecimal digits");
        }
        query.finish()?;
        Ok(Self { name: name.unwrap_or_default(), sha256 })
    }

    /// What makes two imports the same request: the name and the bytes.
    fn fingerprint(&self, staged: &StagedBlob) -> String {
        idempotency::fingerprint(&[self.name.as_bytes(), staged.sha256.as_bytes()])
    }
}

/// Streams the body to the blob store.
async fn receive(state: &AppState, request: Request) -> Result<StagedBlob, ApiError> {
    let (parts, body) = request.into_parts();
    require_media_type(&parts.headers)?;
    let max_bytes = state.config.max_artifact_bytes;
    let idle = Duration::from_secs_f64(state.config.body_idle_seconds);
    let limits = BodyLimits { max_bytes, max_decompressed_bytes: max_bytes, idle };
    let bytes = body::decoded(&parts.headers, body, limits)?;
    Ok(state.store.blobs().stage(bytes, max_bytes).await?)
}

fn require_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    if media_type(headers).as_deref() == Some(MEDIA_TYPE) {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, format!("send the artifact as {MEDIA_TYPE}")))
}

async fn import(state: &AppState, request: Request, asked: &Asked, hold: &Hold) -> Result<Created, ApiError> {
    let staged = receive(state, request).await?;
    let model = match examine(state, asked, &staged).await {
        Ok(model) => model,
        Err(error) => {
            discard(state, staged).await;
            return Err(error);
        }
    };
    let fingerprint = asked.fingerprint(&staged);
    state.store.blobs().keep(staged).await?;
    // The answer is stored with the model, in one transaction; it is written when the version is known.
    let answer = |record: &ModelRecord| {
        let created = created(record).ok()?;
        hold.answer(&fingerprint, &created)
    };
    created(&state.store.import_model(model, answer).await?)
}

/// Reads the staged bytes as the model that they must be, one file per processor at a time.
async fn examine(state: &AppState, asked: &Asked, staged: &StagedBlob) -> Result<NewModel, ApiError> {
    if let Some(expected) = asked.sha256.as_ref().filter(|expected| **expected != staged.sha256) {
        let detail = format!("expected bytes with the SHA-256 {expected}, found {}", staged.sha256);
        return Err(ApiError::new(Code::InvalidModel, detail));
    }
    let turn = state.models.turn().await?;
    let file = state.store.blobs().open_staged(staged).await?;
    let (name, sha256, size_bytes) = (asked.name.clone(), staged.sha256.clone(), staged.size_bytes);
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read(file, name, sha256, size_bytes)
    });
    read.await.map_err(ApiError::internal)?
}

fn read(mut file: File, name: String, sha256: String, size_bytes: u64) -> Result<NewModel, ApiError> {
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).map_err(ApiError::internal)?);
    file.read_to_end(&mut bytes).map_err(ApiError::unavailable)?;
    let model = Model::from_bytes(&bytes).map_err(refusal)?;
    let Some(card) = card_of(&bytes).map_err(refusal)? else {
        let detail = "the artifact says nothing of the model's training and worth, as those of older versions; export \
                      it from a newer one, or train it again";
        return Err(ApiError::new(Code::InvalidModel, detail));
    };
    drop(bytes);
    let card = ModelCard::from_bytes(&card, &model.classes).map_err(refusal)?;
    Ok(NewModel {
        id: ModelId::new(),
        name,
        sha256,
        size_bytes,
        features: ModelFeature::all_of(&model),
        classes: model.classes,
        threshold_rule: model.threshold_rule,
        threshold: model.threshold,
        threshold_basis: card.threshold_basis,
        dossier_sha256: None,
        training: card.training,
        verdict: card.verdict,
        report: card.report,
    })
}

/// What is wrong with the file, cut short: it may repeat what is in it.
fn refusal(error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
    let detail: String = Chain(&error).to_string().chars().take(MAX_DETAIL_CHARS).collect();
    ApiError::new(Code::InvalidModel, detail).caused_by(error)
}

fn created(record: &ModelRecord) -> Result<Created, ApiError> {
    let body = serde_json::to_string(&ModelView::from(record)).map_err(ApiError::internal)?;
    Ok(Created { status: StatusCode::CREATED, location: format!("/v1/models/{}", record.id), body })
}

/// Removes what was refused. If that fails the sweeper removes it later; the client is told of its own mistake.
async fn discard(state: &AppState, staged: StagedBlob) {
    if let Err(error) = state.store.blobs().discard(staged).await {
        tracing::warn!(error = %Chain(&error), "a refused model stays staged until the next sweep");
    }
}
