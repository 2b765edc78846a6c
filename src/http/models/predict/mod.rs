//! Predictions: rows in, a probability and a class for each out, in any of five formats each way.
//!
//! [`predict`] answers a request with a model, whatever path it was found by. It is made of parts that others use too:
//! [`find_served`] gives the model of an id, [`at_turn`] bounds what is computed at a time,
//! [`mod@score`] turns a table into probabilities and classes.
//!
//! Small bodies, and those in JSON and Parquet, are read as a whole, so that all their mistakes are reported at once;
//! CSV, NDJSON and Arrow of any length are answered while they come ([`stream`]).

mod accept;
mod answer;
mod backlog;
mod blocks;
mod call;
mod encode;
mod heat_map;
mod json_body;
mod pictures;
mod rows;
mod score;
mod stream;
mod turn;
mod wording;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;

use super::dossiers::dossier;
use super::explained::Explained;
use super::{Served, find_served};
use crate::http::AppState;
use crate::http::body;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, small_body_limits};
use crate::http::request_id::RequestId;
use crate::ml::dossier::Dossier;
use crate::ml::picture::Views;
use crate::records::ModelId;
use accept::Media;
use answer::About;
pub(in crate::http) use answer::HEADERS;
use call::Call;
pub(super) use heat_map::handle as heat_map_by_id;
pub(in crate::http) use heat_map::heat_map;
use rows::{Found, RowLimits, score_body};
pub(in crate::http) use score::{Instead, Scored, score};
pub(super) use turn::Workers;
pub(in crate::http) use turn::{Size, at_turn};
pub(super) use wording::Wording;

/// Bodies up to this length are read as a whole, whatever their format.
const WHOLE_BYTES: u64 = 1 << 20;

/// `POST /v1/models/{model_id}/predict`.
pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    request: Request,
) -> Result<Response, ApiError> {
    by_id(&state, id, request).await
}

/// Answers a request to predict with the model of an id.
///
/// # Errors
/// As [`predict`], and what finding the model answers.
pub(in crate::http) async fn by_id(state: &AppState, id: ModelId, request: Request) -> Result<Response, ApiError> {
    // Asked for before the body, so that a body for no model is not read to its end.
    let served = find_served(state, id).await?;
    predict(state, served, request, None).await
}

/// Rows as they were asked about, which another model may be asked about as well.
#[derive(Debug, Clone)]
pub(in crate::http) struct Asked {
    call: Call,
    bytes: Bytes,
    /// Of a body whose parts only this tells apart.
    content_type: Option<HeaderValue>,
    limits: RowLimits,
}

impl Asked {
    /// How much it is to ask a model.
    pub(in crate::http) fn size(&self, served: &Served) -> Size {
        match served.model.picture_spec() {
            Some(spec) if self.call.rows == Media::Picture => {
                Size::of_picture(&self.bytes, self.call.instead.views.map_or(1, Views::count), &spec)
            }
            // Pictures of few bytes may have many pixels.
            Some(_) => Size::LARGE,
            None => Size::of_text(served, self.bytes.len()),
        }
    }

    /// Asks a model. Takes as long as it takes: call it through [`at_turn`].
    ///
    /// # Errors
    /// 400, 413, 422 if the rows are not rows for this model.
    pub(in crate::http) fn score(&self, served: &Served) -> Result<Scored, ApiError> {
        score_body(self, served).map(|found| found.scored)
    }
}

/// Is told what was asked and what was found, before the answer is sent. Called where the work was done: what takes
/// long belongs into a task of its own. Requests that are answered while their rows come are not told of.
pub(in crate::http) type Watch = Arc<dyn Fn(&Asked, &Scored) + Send + Sync>;

/// Answers a request to predict with a model.
///
/// # Errors
/// 400, 406, 413, 415, 422 for what is wrong with the request, 429 if too much is being computed, 409 if explanations are
/// asked for that the model does not have.
pub(in crate::http) async fn predict(
    state: &AppState,
    served: Arc<Served>,
    request: Request,
    watch: Option<Watch>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let call = Call::read(parts.uri.query().unwrap_or_default(), &parts.headers)?;
    if call.can_stream() && !is_short(&parts.headers) {
        let request_id = parts.extensions.get::<RequestId>().copied();
        return stream::respond(state, served, call, &parts.headers, sent, request_id).await;
    }
    let dossier = match call.explain {
        true => Some(dossier(state, &served.record).await?),
        false => None,
    };
    let bytes = body::collected(&parts.headers, sent, small_body_limits(state)).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).filter(|_| call.rows.is_pictures()).cloned();
    let asked = Asked { call, bytes, content_type, limits: RowLimits::new(&state.config, &call) };
    let size = match dossier {
        // Explaining a row is as much work as predicting thousands.
        Some(_) => Size::LARGE,
        None => asked.size(&served),
    };
    let model = served.clone();
    at_turn(state, &model, size, move || answer(&served, dossier.as_deref(), &asked, watch)).await
}

/// Whether a body says that it is short, and is as long as it says.
pub(in crate::http) fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    !headers.contains_key(header::CONTENT_ENCODING) && length.is_some_and(|length| length <= WHOLE_BYTES)
}

/// All of the work that needs no waiting, from bytes to bytes. With a dossier, predictions are explained.
fn answer(
    served: &Served,
    dossier: Option<&Dossier>,
    asked: &Asked,
    watch: Option<Watch>,
) -> Result<Response, ApiError> {
    let found = score_body(asked, served)?;
    let explained = match dossier {
        Some(dossier) => explain(served, dossier, &found)?,
        None => None,
    };
    if let Some(watch) = watch {
        watch(asked, &found.scored);
    }
    let body = answer::write(asked.call.answer, served, &found, explained.as_ref())?;
    let about = About { served, scale: &found.scored.scale, ignored_columns: &found.ignored_columns };
    Ok(answer::response(asked.call.answer, &about, Body::from(body)))
}

/// What the columns contributed, unless there are no rows.
fn explain(served: &Served, dossier: &Dossier, found: &Found) -> Result<Option<Explained>, ApiError> {
    if found.scored.probabilities.is_empty() {
        return Ok(None);
    }
    let Some(rows) = &found.rows else {
        let rows = found.scored.probabilities.len();
        return Err(ApiError::new(Code::TooManyRows, format!("{rows} rows, more than are explained at once")));
    };
    let table = rows.to_table(&served.inputs).map_err(ApiError::internal)?;
    Explained::new(&served.model, &found.scored.scale.calibrator, dossier, &table).map(Some)
}
