//! One line per request, written and counted when its answer has been sent or given up.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::Method;
use http_body_util::BodyExt;
use tracing::Span;

use super::connection::Active;
use super::metrics::Seen;
use super::request_id::RequestId;

/// What is known of a request before its answer.
pub(super) struct LogLine {
    pub(super) request_id: RequestId,
    pub(super) method: Method,
    /// The template, such as `/v1/jobs/{job_id}`; `None` for paths that do not exist.
    pub(super) route: Option<Arc<str>>,
    pub(super) started: Instant,
    pub(super) seen: Seen,
    /// Ends with the answer.
    pub(super) _span: Span,
}

/// Whether there may be so many requests of this kind in a second that a line for each would be of use to nobody, and
/// writing it would take longer than the answer.
pub(super) fn is_frequent(method: &Method, route: Option<&str>) -> bool {
    let route = route.unwrap_or_default();
    method == Method::POST && (route.ends_with("/predict") || route.ends_with("/infer"))
}

impl LogLine {
    /// The body of the answer, which writes the line when it is dropped: sent to its end, or given up by the client.
    /// Until then the connection counts as busy.
    pub(super) fn attach(self, status: u16, body: Body, active: Option<Active>) -> Body {
        let mut sent = Sent { line: self, status, bytes: 0, _active: active };
        Body::new(body.inspect_frame(move |frame| sent.count(frame.data_ref().map_or(0, |data| data.len()))))
    }
}

struct Sent {
    line: LogLine,
    status: u16,
    bytes: u64,
    _active: Option<Active>,
}

impl Sent {
    fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.line.seen.answered(self.status, self.line.started);
        if self.status < 400 && is_frequent(&self.line.method, self.line.route.as_deref()) {
            tracing::debug!(
                request_id = %self.line.request_id,
                method = %self.line.method,
                route = self.line.route.as_deref().unwrap_or("none"),
                status = self.status,
                seconds = self.line.started.elapsed().as_secs_f64(),
                bytes = self.bytes,
                "answered"
            );
            return;
        }
        tracing::info!(
            request_id = %self.line.request_id,
            method = %self.line.method,
            route = self.line.route.as_deref().unwrap_or("none"),
            status = self.status,
            seconds = self.line.started.elapsed().as_secs_f64(),
            bytes = self.bytes,
            "answered"
        );
    }
}
