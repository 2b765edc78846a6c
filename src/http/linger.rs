//! Reads on for a moment after a refusal.
//!
//! A client that is still sending when the connection is closed gets a reset, which throws the answer away before it
//! is read. So what is left of a refused body is read and forgotten, within limits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

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
    request.map(|body| Body::new(Lingering { body: Some(body), asked: !waits }))
}

struct Lingering {
    /// `None` after the end.
    body: Option<Body>,
    /// Whether the client sends or has been told to.
    asked: bool,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| self.asked && !body.is_end_stream());
        if let (Some(left), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(MAX_TIME, forget(left)));
        }
    }
}

async fn forget(mut body: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > MAX_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::StreamExt;

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
