//! The one file of a multipart body, streamed like a raw one.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};

use super::parameters::{FormatKind, MAX_NAME_CHARS};
use super::receive::{Received, unsupported};
use crate::http::AppState;
use crate::http::body::{BodyFault, BodyStream};
use crate::http::error::ApiError;
use crate::http::problem::FieldProblem;

/// Bytes outside the file: boundaries, headers, preamble. The parser holds them in memory.
const MAX_OVERHEAD_BYTES: u64 = 1 << 20;

/// Stores the part called `file`; any other part is refused.
pub(super) async fn receive(state: &AppState, headers: &HeaderMap, bytes: BodyStream) -> Result<Received, ApiError> {
    let shared = Arc::new(Shared::default());
    let body = Body::from_stream(Metered { inner: bytes, shared: shared.clone(), overhead: 0, rest: false });
    let mut request = Request::new(body);
    if let Some(content_type) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    let mut multipart = Multipart::from_request(request, state).await.map_err(|_| {
        ApiError::new(crate::http::error::Code::MalformedRequest, "the multipart body names no boundary")
    })?;
    let received = match multipart.next_field().await.map_err(|error| shared.refusal(error))? {
        Some(field) => store(state, field, &shared).await?,
        None => return Err(one_file("the body has no part")),
    };
    match no_more(&mut multipart, &shared).await {
        Ok(()) => Ok(received),
        Err(error) => {
            state.store.blobs().discard(received.staged).await?;
            Err(error)
        }
    }
}

async fn store(state: &AppState, field: Field<'_>, shared: &Arc<Shared>) -> Result<Received, ApiError> {
    if field.name() != Some("file") {
        return Err(one_file("the first part has another name"));
    }
    let kind = kind_of(&field).ok_or_else(unsupported)?;
    let file_name = field.file_name().and_then(stem);
    shared.in_file.store(true, Ordering::Release);
    let pieces = field.map_err(|error| shared.fault(error));
    let staged = state.store.blobs().stage(pieces, state.config.max_decompressed_bytes).await?;
    shared.in_file.store(false, Ordering::Release);
    Ok(Received { staged, kind, file_name })
}

async fn no_more(multipart: &mut Multipart, shared: &Shared) -> Result<(), ApiError> {
    match multipart.next_field().await.map_err(|error| shared.refusal(error))? {
        Some(_) => Err(one_file("there is another part after it")),
        None => Ok(()),
    }
}

fn one_file(found: &str) -> ApiError {
    ApiError::invalid([FieldProblem::in_parameter("file", format!("expected exactly one part called file; {found}"))])
}

/// By the part's media type, else by the file's extension, else CSV.
fn kind_of(field: &Field<'_>) -> Option<FormatKind> {
    let media_type = field.content_type().and_then(|value| value.split(';').next());
    let by_name = field.file_name().and_then(FormatKind::of_file_name);
    match media_type.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None => Some(by_name.unwrap_or(FormatKind::Csv)),
        // What clients say of files they do not know.
        Some("application/octet-stream" | "text/plain") => by_name,
        Some(other) => FormatKind::of_media_type(other),
    }
}

/// The name of a file without its directories and extensions, fit to be the name of a dataset.
fn stem(file_name: &str) -> Option<String> {
    let base = file_name.rsplit(['/', '\\']).next()?;
    let stem = base.split('.').find(|part| !part.is_empty())?;
    let name: String = stem.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    Some(name).filter(|name| !name.trim().is_empty())
}

/// What the stream below the parser knows and the parser would lose.
#[derive(Default)]
struct Shared {
    /// Whether the parser is within the file, whose bytes are passed on and not held.
    in_file: AtomicBool,
    fault: Mutex<Option<BodyFault>>,
}

impl Shared {
    /// Why the parser failed: the body below it did, or it is not multipart.
    fn fault(&self, error: MultipartError) -> BodyFault {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(BodyFault::Multipart(error))
    }

    fn refusal(&self, error: MultipartError) -> ApiError {
        self.fault(error).into()
    }
}

/// Feeds the parser one piece at a time and counts what it holds. The parser takes all that is ready before it
/// passes anything on: a client faster than the disk would fill the memory.
struct Metered {
    inner: BodyStream,
    shared: Arc<Shared>,
    overhead: u64,
    /// A piece was just given; say that there is none before the next.
    rest: bool,
}

impl Metered {
    fn meter(&mut self, piece: Bytes) -> Result<Bytes, BodyFault> {
        self.rest = true;
        if self.shared.in_file.load(Ordering::Acquire) {
            self.overhead = 0;
            return Ok(piece);
        }
        self.overhead += piece.len() as u64;
        match self.overhead > MAX_OVERHEAD_BYTES {
            true => Err(BodyFault::MultipartOverhead { limit_bytes: MAX_OVERHEAD_BYTES }),
            false => Ok(piece),
        }
    }

    /// Keeps the fault for whoever asks and ends the parser's stream with a mark of it.
    fn keep(&self, fault: BodyFault) -> std::io::Error {
        let mark = std::io::Error::other(fault.to_string());
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        mark
    }
}

impl Stream for Metered {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.inner.poll_next_unpin(context);
        polled.map(|next| next.map(|piece| piece.and_then(|piece| self.meter(piece)).map_err(|fault| self.keep(fault))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_becomes_a_name() {
        assert_eq!(stem("mammography.csv").as_deref(), Some("mammography"));
        assert_eq!(stem("C:\\data\\a.b.csv.gz").as_deref(), Some("a"));
        assert_eq!(stem("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!((stem(".csv").as_deref(), stem("..."), stem("dir/")), (Some("csv"), None, None));
    }

    #[tokio::test]
    async fn what_the_parser_holds_is_bounded_outside_the_file_only() {
        let pieces = || futures::stream::repeat_with(|| Ok(Bytes::from(vec![0; 1 << 18]))).take(8).boxed();
        let shared = Arc::new(Shared::default());
        let metered =
            |shared: &Arc<Shared>| Metered { inner: pieces(), shared: shared.clone(), overhead: 0, rest: false };
        let taken: Vec<_> = metered(&shared).collect().await;
        assert_eq!(taken.iter().filter(|piece| piece.is_ok()).count(), 4);
        assert!(matches!(*shared.fault.lock().unwrap(), Some(BodyFault::MultipartOverhead { .. })));
        let shared = Arc::new(Shared::default());
        shared.in_file.store(true, Ordering::Release);
        assert_eq!(metered(&shared).try_collect::<Vec<_>>().await.unwrap().len(), 8);
    }
}
