//! Reads on for a moment after a refusal.
//!
//! A client that is still sending when the connection is closed gets a reset, which throws the answer away before it
//! is read. So what is left of a refused body is read and forgotten, within limits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use futures::{Stream, StreamExt};

/// What is read of a body that nobody wants any more.
const MAX_BYTES: usize = 8 << 20;
const MAX_TIME: Duration = Duration::from_secs(2);

/// The request, whose body is read on when it is dropped before its end.
pub(super) fn keep_reading(request: Request) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    // Such a client waits for leave to send; the answer tells it not to.
    let waits = request.headers().contains_key(header::EXPECT);
    request.map(|body| Body::from_stream(Lingering { pieces: Some(body.into_data_stream()), asked: !waits }))
}

struct Lingering {
    /// `None` after the end.
    pieces: Option<BodyDataStream>,
    /// Whether the client sends or has been told to.
    asked: bool,
}

impl Stream for Lingering {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.asked = true;
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let polled = pieces.poll_next_unpin(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.pieces = None;
        }
        polled
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.pieces.take().filter(|_| self.asked);
        if let (Some(left), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(MAX_TIME, forget(left)));
        }
    }
}

async fn forget(mut pieces: BodyDataStream) {
    let mut bytes = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        bytes += piece.len();
        if bytes > MAX_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn request(taken: &Arc<AtomicUsize>, expects: bool) -> Request {
        let taken = taken.clone();
        let pieces = futures::stream::repeat_with(move || {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024]))
        });
        let mut request = Request::new(Body::from_stream(pieces.take(100)));
        if expects {
            request.headers_mut().insert(header::EXPECT, axum::http::HeaderValue::from_static("100-continue"));
        }
        keep_reading(request)
    }

    #[tokio::test]
    async fn a_body_dropped_early_is_read_to_its_end() {
        let taken = Arc::new(AtomicUsize::new(0));
        drop(request(&taken, false));
        while taken.load(Ordering::SeqCst) < 100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_for_leave_is_not_given_it() {
        let taken = Arc::new(AtomicUsize::new(0));
        drop(request(&taken, true));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken.load(Ordering::SeqCst), 0);
    }
}
