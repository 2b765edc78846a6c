//! Predictions: rows in, a probability and a class for each out.
//!
//! [`predict`] answers a request with a model, whatever path it was found by. It is made of parts that others use too:
//! [`find_served`](super::find_served) gives the model of an id, [`at_turn`] bounds what is computed at a time,
//! [`score`] turns a table into probabilities and classes.

mod answer;
mod call;
mod json_body;
mod rows;
mod score;
mod turn;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;

use super::dossiers::dossier;
use super::explained::Explained;
use super::{Served, find_served};
use crate::http::AppState;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::extract::{Id, Query, small_body_limits};
use crate::ml::dossier::Dossier;
use crate::records::ModelId;
use call::Call;
use rows::{RowLimits, Rows, read_rows};
pub(in crate::http) use score::{Instead, Scale, Scored, score};
pub(in crate::http) use turn::{Size, at_turn};

/// `POST /v1/models/{model_id}/predict`.
pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    request: Request,
) -> Result<Response, ApiError> {
    // Asked for before the body, so that a body for no model is not read to its end.
    let served = find_served(&state, id).await?;
    predict(&state, served, request, None).await
}

/// Rows as they were asked about, which another model may be asked about as well.
#[derive(Debug, Clone)]
pub(in crate::http) struct Asked {
    call: Call,
    bytes: Bytes,
    limits: RowLimits,
}

impl Asked {
    /// How much it is to ask a model.
    pub(in crate::http) fn size(&self, served: &Served) -> Size {
        Size::of_text(served, self.bytes.len())
    }

    /// Asks a model. Takes as long as it takes: call it through [`at_turn`].
    ///
    /// # Errors
    /// 400, 413, 422 if the rows are not rows for this model.
    pub(in crate::http) fn score(&self, served: &Served) -> Result<Scored, ApiError> {
        let Rows { table, instead, .. } = read_rows(&self.call, &self.bytes, served, self.limits)?;
        score(served, &table, instead)
    }
}

/// Is told what was asked and what was found, before the answer is sent. Called where the work was done: what takes
/// long belongs into a task of its own.
pub(in crate::http) type Watch = Arc<dyn Fn(&Asked, &Scored) + Send + Sync>;

/// Answers a request to predict with a model.
///
/// # Errors
/// 400, 413, 415, 422 for what is wrong with the request, 429 if too much is being computed, 409 if explanations are
/// asked for that the model does not have.
pub(in crate::http) async fn predict(
    state: &AppState,
    served: Arc<Served>,
    request: Request,
    watch: Option<Watch>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let call = Call::read(Query::new(parts.uri.query().unwrap_or_default()), &parts.headers)?;
    let dossier = match call.explain {
        true => Some(dossier(state, &served.record).await?),
        false => None,
    };
    let bytes = body::collected(&parts.headers, sent, small_body_limits(state)).await?;
    let asked = Asked { call, bytes, limits: RowLimits::new(&state.config) };
    let size = match dossier {
        // Explaining a row is as much work as predicting thousands.
        Some(_) => Size { bytes: asked.bytes.len(), rows: usize::MAX },
        None => asked.size(&served),
    };
    let (model, work) = (served.clone(), move || answer(&served, dossier.as_deref(), &asked, watch));
    at_turn(state, &model, size, work).await.map(answer::response)
}

/// All of the work that needs no waiting, from bytes to bytes. With a dossier, predictions are explained.
fn answer(
    served: &Served,
    dossier: Option<&Dossier>,
    asked: &Asked,
    watch: Option<Watch>,
) -> Result<Vec<u8>, ApiError> {
    let Rows { table, ignored_columns, instead } = read_rows(&asked.call, &asked.bytes, served, asked.limits)?;
    let scored = score(served, &table, instead)?;
    let explained = dossier
        .filter(|_| table.rows() > 0)
        .map(|dossier| Explained::new(&served.model, &scored.scale.calibrator, dossier, &table))
        .transpose()?;
    if let Some(watch) = watch {
        watch(asked, &scored);
    }
    answer::to_json(served, &scored, &ignored_columns, explained.as_ref())
}
