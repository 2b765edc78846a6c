//! Answers that begin before the rows have ended.
//!
//! The body is cut into blocks of whole rows as it comes; blocks are scored side by side and sent in order. A block is
//! cut when enough has come, or when nothing more comes and nothing is at work, so that whoever sends one row and waits
//! gets its prediction. The status is decided by the first block: until then a mistake is refused as ever. After that
//! the answer can only end early: in NDJSON with a last line `{"error": ...}`, in the other formats by breaking off.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use futures::FutureExt;
use futures::stream::{FuturesOrdered, StreamExt, TryStreamExt};
use tracing::Instrument;

use super::accept::Media;
use super::answer::{About, response};
use super::backlog::{Backlog, backlog};
use super::blocks::{Block, Cutter, invalid_rows};
use super::call::Call;
use super::encode::{Encoder, text};
use super::rows::{check_not_empty, max_field_bytes};
use super::score::{Scale, score_rows};
use super::turn::{Size, at_block_turn};
use crate::http::AppState;
use crate::http::body::{self, BodyStream};
use crate::http::error::{ApiError, Code};
use crate::http::extract::upload_limits;
use crate::http::models::Served;
use crate::http::problem::{self, Dialect};
use crate::http::request_id::RequestId;
use crate::http::routes::AsItComes;
use crate::ml::table::{CellError, TableLimits};
use crate::telemetry::Chain;

/// Bytes that are worth a block: few enough for them, and what is made of them, to stay in the cache of a processor.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks of one request that are at work, or done and not sent: one more than processors that most machines have left
/// for one request.
const BLOCKS_AT_ONCE: usize = 4;

/// Answers while the rows come.
///
/// # Errors
/// 429 if too many are being answered, and for what is wrong up to the end of the first block.
pub(super) async fn respond(
    state: &AppState,
    served: Arc<Served>,
    call: Call,
    headers: &HeaderMap,
    sent: Body,
    request_id: Option<RequestId>,
) -> Result<Response, ApiError> {
    let slot = state.models.stream_slot()?;
    let Some(cutter) = Cutter::new(&call, state.config.max_batch_bytes) else {
        return Err(ApiError::internal("a format without blocks was to be streamed"));
    };
    let pieces = body::decoded(headers, sent, upload_limits(state))?;
    let mut source = Source { pieces, cutter, ended: false };
    let scale = Arc::new(Scale::new(&served, call.instead)?);
    let scorer = Scorer { state: state.clone(), served: served.clone(), scale: scale.clone(), call };
    let first = first_block(&mut source, &scorer).await?;
    let about = About { served: &served, scale: &scale, ignored_columns: &first.ignored_columns };
    let (encoder, head) = Encoder::new(call.answer, &about, false)?;
    let (sink, answer) = backlog(state.config.prediction_backlog_bytes);
    let mut answer = response(call.answer, &about, answer);
    answer.extensions_mut().insert(AsItComes);
    let max_rows = state.config.max_streamed_rows;
    let mut output = Output { sink, encoder, served, scale, rows: 0, max_rows, request_id };
    let answering = async move {
        let _slot = slot;
        let written = match output.sink.send(head).await {
            true => output.write(first).await,
            false => Ok(false),
        };
        match written {
            Ok(true) => pump(source, scorer, output).await,
            Ok(false) => {}
            Err(error) => output.fail(error).await,
        }
    };
    tokio::spawn(answering.in_current_span());
    Ok(answer)
}

/// The first block that has rows.
async fn first_block(source: &mut Source, scorer: &Scorer) -> Result<Scored, ApiError> {
    loop {
        if let Some(block) = source.ready(true)? {
            let scored = scorer.clone().score(block).await.map_err(|fault| fault.refusal(0))?;
            if !scored.probabilities.is_empty() {
                return Ok(scored);
            }
        } else if source.ended {
            check_not_empty(0)?;
        } else {
            source.wait().await?;
        }
    }
}

/// Scores and sends what still comes, until it ends, fails, or nobody reads.
async fn pump(mut source: Source, scorer: Scorer, mut output: Output) {
    let mut working = FuturesOrdered::new();
    let mut fault = None;
    loop {
        while fault.is_none() && working.len() < BLOCKS_AT_ONCE {
            match source.ready(working.is_empty()) {
                Ok(Some(block)) => working.push_back(scorer.clone().score(block)),
                Ok(None) => break,
                Err(error) => fault = Some(error),
            }
        }
        let reads_on = fault.is_none() && !source.ended && working.len() < BLOCKS_AT_ONCE;
        if working.is_empty() && !reads_on {
            break;
        }
        tokio::select! {
            biased;
            () = output.sink.abandoned() => return,
            Some(scored) = working.next(), if !working.is_empty() => {
                let scored = scored.map_err(|fault: Fault| fault.refusal(output.rows));
                match async { output.write(scored?).await }.await {
                    Ok(true) => {}
                    Ok(false) => return,
                    // Of all that is wrong, the first is told.
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
            }
            read = source.wait(), if reads_on => {
                if let Err(error) = read {
                    fault = Some(error);
                }
            }
        }
    }
    match fault {
        Some(error) => output.fail(error).await,
        None => output.finish().await,
    }
}

/// A body as it comes.
struct Source {
    pieces: BodyStream,
    cutter: Cutter,
    ended: bool,
}

impl Source {
    /// A block, if enough has come or nothing more does; also if rows are here, nothing more is just now, and the rest
    /// of the work `is_idle`.
    fn ready(&mut self, is_idle: bool) -> Result<Option<Block>, ApiError> {
        let max_row_bytes = TableLimits::STANDARD.max_row_bytes;
        while !self.ended && !self.cutter.is_full(BLOCK_BYTES) {
            match self.pieces.try_next().now_or_never() {
                Some(piece) => self.take(piece.map_err(ApiError::from)?.as_deref())?,
                None if is_idle => return Ok(self.cutter.cut()),
                None => return Ok(None),
            }
        }
        match self.cutter.cut() {
            Some(block) => Ok(Some(block)),
            None if self.ended => self.cutter.rest(),
            None if self.cutter.is_overlong(max_row_bytes) => {
                self.ended = true;
                self.cutter.rest()
            }
            None => Ok(None),
        }
    }

    /// Waits for the next piece.
    async fn wait(&mut self) -> Result<(), ApiError> {
        let piece = self.pieces.try_next().await?;
        self.take(piece.as_deref())
    }

    fn take(&mut self, piece: Option<&[u8]>) -> Result<(), ApiError> {
        match piece {
            Some(piece) => self.cutter.push(piece),
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }
}

/// Scores blocks.
#[derive(Clone)]
struct Scorer {
    state: AppState,
    served: Arc<Served>,
    scale: Arc<Scale>,
    call: Call,
}

/// A block that was scored.
struct Scored {
    probabilities: Vec<f64>,
    ignored_columns: Vec<String>,
    /// Its rows as they are sent, where that does not depend on what was sent before.
    text: Option<Vec<u8>>,
}

/// What is wrong with a block.
enum Fault {
    Rows(Vec<CellError>),
    Other(ApiError),
}

impl Fault {
    /// As it is told, where `before` rows came before the block.
    fn refusal(self, before: u64) -> ApiError {
        match self {
            Fault::Rows(errors) => invalid_rows(errors, before),
            Fault::Other(error) => error,
        }
    }
}

impl Scorer {
    async fn score(self, block: Block) -> Result<Scored, Fault> {
        let size = Size { bytes: block.bytes(), rows: block.rows(&self.served) };
        let Self { state, served, scale, call } = self;
        let (model, pictures) = (served.clone(), state.config.tables.pictures);
        let work = move || {
            let max_field_bytes = max_field_bytes(&served);
            let limits = TableLimits { max_rows: u64::MAX, max_field_bytes, pictures, ..TableLimits::STANDARD };
            let rows = match block.read(&call, &served, &limits) {
                Ok(rows) => rows,
                Err(errors) => return Ok(Err(errors)),
            };
            let probabilities = score_rows(&served, &rows, &scale)?;
            let text = match call.answer {
                Media::Csv | Media::Ndjson => Some(text(call.answer, &served, scale.threshold, &probabilities, None)?),
                _ => None,
            };
            Ok(Ok(Scored { probabilities, ignored_columns: rows.ignored_columns, text }))
        };
        match at_block_turn(&state, &model, size, work).await {
            Ok(Ok(scored)) => Ok(scored),
            Ok(Err(errors)) => Err(Fault::Rows(errors)),
            Err(error) => Err(Fault::Other(error)),
        }
    }
}

/// Where predictions go.
struct Output {
    sink: Backlog,
    encoder: Encoder,
    served: Arc<Served>,
    scale: Arc<Scale>,
    /// Sent so far.
    rows: u64,
    max_rows: u64,
    request_id: Option<RequestId>,
}

impl Output {
    /// Sends the predictions of a block. Whether anybody still reads.
    async fn write(&mut self, scored: Scored) -> Result<bool, ApiError> {
        self.rows += scored.probabilities.len() as u64;
        if self.rows > self.max_rows {
            let detail = format!("more than {} rows; no more are predicted in one request", self.max_rows);
            return Err(ApiError::new(Code::TooManyRows, detail));
        }
        let bytes = match scored.text {
            Some(text) => text,
            None => self.encoder.rows(&self.served, self.scale.threshold, &scored.probabilities, None)?,
        };
        Ok(self.sink.send(bytes).await)
    }

    async fn finish(self) {
        match self.encoder.finish() {
            Ok(bytes) => _ = self.sink.send(bytes).await,
            Err(error) => {
                log(&error, self.request_id.as_ref());
                self.sink.break_off(error.to_string());
            }
        }
    }

    /// Ends the answer early, so that nobody takes it for whole.
    async fn fail(self, error: ApiError) {
        log(&error, self.request_id.as_ref());
        if let Encoder::Text(Media::Ndjson) = self.encoder {
            let mut line = b"{\"error\":".to_vec();
            line.append(&mut problem::document(
                &error,
                self.request_id.as_ref().map(RequestId::as_str),
                Dialect::Problem,
            ));
            line.extend_from_slice(b"}\n");
            self.sink.send(line).await;
        } else {
            self.sink.break_off(error.to_string());
        }
    }
}

/// The answer has begun, and so the middleware will not log what ended it.
fn log(error: &ApiError, request_id: Option<&RequestId>) {
    let (code, request_id) = (error.code().as_str(), request_id.map_or("none", RequestId::as_str));
    match (error.code().status().is_server_error(), error.cause()) {
        (true, Some(cause)) => tracing::error!(request_id, code, error = %Chain(cause), "an answer broke off"),
        (true, None) => tracing::error!(request_id, code, "an answer broke off"),
        (false, _) => tracing::debug!(request_id, code, detail = error.detail(), "an answer broke off"),
    }
}
