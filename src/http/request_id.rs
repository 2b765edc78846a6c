//! The id of a request, which its answer, its log lines and its problem documents bear.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// The header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_CHARS: usize = 64;

/// 1 to 64 visible ASCII characters, in place: every request has one, and hands it on several times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId {
    bytes: [u8; MAX_CHARS],
    length: usize,
}

impl RequestId {
    /// The id that a request brings, if it is a sane one, or a new one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&REQUEST_ID).and_then(|value| Self::sane(value.as_bytes()));
        given.unwrap_or_else(Self::random)
    }

    fn sane(given: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_CHARS];
        bytes.get_mut(..given.len())?.copy_from_slice(given);
        let is_sane = !given.is_empty() && given.iter().all(u8::is_ascii_graphic);
        is_sane.then_some(Self { bytes, length: given.len() })
    }

    fn random() -> Self {
        let mut bytes = [0; MAX_CHARS];
        let length = match bytes.first_chunk_mut::<{ Hyphenated::LENGTH }>() {
            Some(start) => Uuid::now_v7().hyphenated().encode_lower(start).len(),
            None => 0,
        };
        Self { bytes, length }
    }

    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// `None` never happens: visible ASCII characters are what values are made of.
    pub(super) fn to_header(self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.as_str()).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(value: &[u8]) -> String {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(value).unwrap())]);
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_sane_id_is_kept() {
        for id in ["a", "order-17/retry:2", &"x".repeat(64)] {
            assert_eq!(given(id.as_bytes()), id);
        }
    }

    #[test]
    fn any_other_is_replaced_by_a_new_one() {
        for id in ["", "a b", "\u{fc}", "a\tb", &"x".repeat(65)] {
            assert!(given(id.as_bytes()).parse::<Uuid>().is_ok(), "{id:?}");
        }
        let (one, other) = (RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse::<Uuid>().unwrap().get_version_num(), 7);
        assert_eq!(one.to_header().unwrap(), one.as_str());
    }
}
