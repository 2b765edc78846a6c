//! `Idempotency-Key` on requests that create: sent twice, done once, answered alike.
//!
//! A key is held only a few seconds at a time and the hold renewed while the request is at work: uploads may take
//! hours, and yet a client whose server died need not wait for hours until it may send its request again.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use sha2::{Digest, Sha256};
use tokio_util::task::AbortOnDropHandle;

use super::AppState;
use super::auth::Principal;
use super::error::{ApiError, Code};
use super::problem::FieldProblem;
use super::respond;
use crate::store::{Begin, IdempotentAnswer, Store, StoredAnswer};

/// The name of the header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_KEY_CHARS: usize = 200;

/// The key that the request came with, if any: 1 to 200 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let (Some(value), more) = (values.next(), values.next()) else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|text| more.is_none() && is_key(text));
        let wrong = || {
            let detail = format!("expected one key of 1 to {MAX_KEY_CHARS} visible ASCII characters");
            ApiError::invalid([FieldProblem::in_parameter("Idempotency-Key", detail)])
        };
        text.map(|text| Self(Some(text.to_owned()))).ok_or_else(wrong)
    }
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a request that creates is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub status: StatusCode,
    pub location: String,
    /// The resource as JSON.
    pub body: String,
}

impl Created {
    pub fn into_response(self) -> Response {
        let tag = respond::tag_of(self.body.as_bytes());
        respond::json(self.status, self.body, &tag, Some(&self.location))
    }
}

/// Whether the request is to be done, or was done before.
pub enum Begun {
    Fresh(Hold),
    /// Compare [`Replay::answer`] with what this request asks for.
    Before(Replay),
}

/// The answer of an earlier request with the same key.
pub struct Replay(StoredAnswer);

impl Replay {
    /// The first answer again.
    ///
    /// # Errors
    /// 422 if this request, by its fingerprint, is another one.
    pub fn answer(self, request_sha256: &str) -> Result<Response, ApiError> {
        let stored = self.0;
        if stored.request_sha256 != request_sha256 {
            let detail = "an Idempotency-Key belongs to one request; send a new one";
            return Err(ApiError::new(Code::IdempotencyKeyReused, detail));
        }
        let status = StatusCode::from_u16(stored.status).map_err(ApiError::internal)?;
        let tag = respond::tag_of(stored.body.as_bytes());
        Ok(respond::json(status, stored.body, &tag, stored.location.as_deref()))
    }
}

/// Takes the key for this request, if it came with one. Keys are told apart by principal and operation.
///
/// # Errors
/// 409 while another request with the key is at work.
pub async fn begin(
    state: &AppState,
    principal: &Principal,
    operation: &str,
    key: IdempotencyKey,
) -> Result<Begun, ApiError> {
    let Some(key) = key.0 else { return Ok(Begun::Fresh(Hold(None))) };
    let principal = format!("{} {operation}", principal.name());
    let hold_seconds = state.config.idempotency_hold_seconds;
    match state.store.begin_idempotent(&principal, &key, hold_seconds).await? {
        Begin::Started => Ok(Begun::Fresh(Hold::new(&state.store, principal, key, hold_seconds))),
        Begin::InProgress => {
            Err(ApiError::new(Code::IdempotencyKeyInUse, "try again when the first request is answered"))
        }
        Begin::Done(answer) => Ok(Begun::Before(Replay(answer))),
    }
}

/// The right to answer for a key. Given back when the request is refused or given up.
pub struct Hold(Option<Held>);

struct Held {
    store: Store,
    principal: String,
    key: String,
    /// Renews the hold until this is dropped.
    _renewal: AbortOnDropHandle<()>,
}

impl Hold {
    fn new(store: &Store, principal: String, key: String, hold_seconds: f64) -> Self {
        let renewal = tokio::spawn(renew(store.clone(), principal.clone(), key.clone(), hold_seconds));
        Self(Some(Held { store: store.clone(), principal, key, _renewal: AbortOnDropHandle::new(renewal) }))
    }

    /// What to store together with what is created; nothing if the request has no key.
    pub fn answer(&self, request_sha256: &str, created: &Created) -> Option<IdempotentAnswer> {
        self.0.as_ref().map(|held| IdempotentAnswer {
            principal: held.principal.clone(),
            key: held.key.clone(),
            request_sha256: request_sha256.to_owned(),
            status: created.status.as_u16(),
            location: Some(created.location.clone()),
            body: created.body.clone(),
        })
    }

    /// Ends the request: keeps the key if it was answered, and frees it if it was refused, before the client hears
    /// of the refusal and may send the request again.
    pub async fn settle<T>(mut self, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        if let (Some(held), Err(_)) = (self.0.take(), &outcome) {
            held.abandon().await;
        }
        outcome
    }
}

impl Held {
    async fn abandon(self) {
        if let Err(error) = self.store.abandon_idempotent(&self.principal, &self.key).await {
            tracing::warn!(error = %crate::telemetry::Chain(&error), "an idempotency key stays held until its time is over");
        }
    }
}

/// Renews a hold three times as often as it would lapse. Should that fail for so long that another request takes the
/// key over, the one that ends second is refused.
async fn renew(store: Store, principal: String, key: String, hold_seconds: f64) {
    loop {
        tokio::time::sleep(Duration::from_secs_f64(hold_seconds / 3.0)).await;
        if let Err(error) = store.renew_idempotent(&principal, &key, hold_seconds).await {
            tracing::warn!(error = %crate::telemetry::Chain(&error), "the hold on an idempotency key is not renewed");
        }
    }
}

impl Drop for Hold {
    /// A request whose client went away, or that ran into its time limit, ends here.
    fn drop(&mut self) {
        if let (Some(held), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(held.abandon());
        }
    }
}

/// The fingerprint of a request: of the parts that make it what it is.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length first, so that no two lists of parts run together into the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        assert!(is_key("order-17") && is_key(&"k".repeat(200)));
        assert!(!is_key("") && !is_key("a b") && !is_key("ü") && !is_key(&"k".repeat(201)));
    }

    #[test]
    fn fingerprints_keep_parts_apart() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_eq!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"ab", b"c"]));
    }

    #[test]
    fn an_answer_is_replayed_to_the_same_request_only() {
        let stored = || {
            Replay(StoredAnswer {
                request_sha256: "f".to_owned(),
                status: 201,
                location: Some("/v1/datasets/1".to_owned()),
                body: "{}".to_owned(),
            })
        };
        let response = stored().answer("f").unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
            (201, "/v1/datasets/1")
        );
        assert_eq!(stored().answer("g").unwrap_err().code(), Code::IdempotencyKeyReused);
    }
}
