//! `POST /v1/datasets`: an upload becomes a dataset, or leaves nothing behind.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::parameters::UploadParameters;
use super::receive::{Received, receive};
use super::representation::DatasetView;
use super::understand::{Understood, understand};
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Query;
use crate::http::idempotency::{self, Begun, Created, Hold, IdempotencyKey, Replay};
use crate::ml::table::TableFormat;
use crate::records::{DatasetId, DatasetRecord};
use crate::store::StagedBlob;

pub(super) async fn handle(
    State(state): State<AppState>,
    principal: Principal,
    key: IdempotencyKey,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let busy = |_| ApiError::new(Code::TooManyRequests, "as many uploads as are allowed are under way");
    let _slot = state.uploads.clone().try_acquire_owned().map_err(busy)?;
    let parameters = UploadParameters::read(query)?;
    let asked = request.uri().query().unwrap_or_default().to_owned();
    match idempotency::begin(&state, &principal, "createDataset", key).await? {
        Begun::Fresh(hold) => {
            let created = create(&state, request, &asked, parameters, &hold).await;
            hold.settle(created).await.map(Created::into_response)
        }
        Begun::Before(replay) => replayed(&state, request, &asked, &parameters, replay).await,
    }
}

/// The first answer again, if the body is the first one's, which only its bytes can tell.
async fn replayed(
    state: &AppState,
    request: Request,
    asked: &str,
    parameters: &UploadParameters,
    replay: Replay,
) -> Result<Response, ApiError> {
    let received = receive(state, request).await?;
    let format = parameters.format(received.kind);
    let fingerprint = format.and_then(|format| fingerprint(asked, &format, &received));
    state.store.blobs().discard(received.staged).await?;
    replay.answer(&fingerprint?)
}

async fn create(
    state: &AppState,
    request: Request,
    asked: &str,
    parameters: UploadParameters,
    hold: &Hold,
) -> Result<Created, ApiError> {
    let received = receive(state, request).await?;
    let (record, fingerprint) = match examine(state, &received, asked, parameters).await {
        Ok(examined) => examined,
        Err(error) => {
            discard(state, received.staged).await;
            return Err(error);
        }
    };
    state.store.blobs().keep(received.staged).await?;
    let created = answer(&record)?;
    state.store.insert_dataset(&record, hold.answer(&fingerprint, &created).as_ref()).await?;
    Ok(created)
}

/// Reads the staged bytes and describes them; gives the record and the fingerprint of the request.
async fn examine(
    state: &AppState,
    received: &Received,
    asked: &str,
    parameters: UploadParameters,
) -> Result<(DatasetRecord, String), ApiError> {
    let format = parameters.format(received.kind)?;
    let fingerprint = fingerprint(asked, &format, received)?;
    let file = state.store.blobs().open_staged(&received.staged).await?;
    let limits = state.config.tables.clone();
    let understood = understand(file, format.clone(), parameters.clone(), limits).await?;
    Ok((record(state, received, format, parameters, understood), fingerprint))
}

fn record(
    state: &AppState,
    received: &Received,
    format: TableFormat,
    parameters: UploadParameters,
    understood: Understood,
) -> DatasetRecord {
    let file_name = || received.file_name.clone();
    DatasetRecord {
        id: DatasetId::new(),
        name: parameters.name.or_else(file_name).unwrap_or_else(|| "dataset".to_owned()),
        created_at: state.store.clock().now(),
        format,
        size_bytes: received.staged.size_bytes,
        sha256: received.staged.sha256.clone(),
        rows: understood.rows,
        target: understood.target,
        positive_label: understood.positive_label,
        class_counts: understood.class_counts,
        columns: understood.columns,
        missing_markers: parameters.missing_markers,
        origin_columns: vec![],
    }
}

fn answer(record: &DatasetRecord) -> Result<Created, ApiError> {
    let body = serde_json::to_string(&DatasetView::from(record)).map_err(ApiError::internal)?;
    Ok(Created { status: StatusCode::CREATED, location: format!("/v1/datasets/{}", record.id), body })
}

/// What makes two uploads the same request: their parameters, their format, their file's name and its bytes.
fn fingerprint(asked: &str, format: &TableFormat, received: &Received) -> Result<String, ApiError> {
    let format = serde_json::to_vec(format).map_err(ApiError::internal)?;
    let file_name = received.file_name.as_deref().unwrap_or_default();
    let parts = [asked.as_bytes(), &format, file_name.as_bytes(), received.staged.sha256.as_bytes()];
    Ok(idempotency::fingerprint(&parts))
}

/// Removes what was refused. If that fails the sweeper removes it later; the client is told of its own mistake.
async fn discard(state: &AppState, staged: StagedBlob) {
    if let Err(error) = state.store.blobs().discard(staged).await {
        tracing::warn!(error = %crate::telemetry::Chain(&error), "a refused upload stays staged until the next sweep");
    }
}
