//! Which of several models answers a request: decided by the request's key, the same way by every process at any time.

use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::problem::FieldProblem;
use crate::http::request_id::REQUEST_ID;

/// Names whom or what a request is about, such as a customer: requests with one key are answered by one model.
const REQUEST_KEY: &str = "evenkeel-request-key";
const MAX_KEY_CHARS: usize = 200;

/// What decides which model answers: `Evenkeel-Request-Key`; without it the `X-Request-Id` that the client sent; without
/// that chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a>(Option<&'a [u8]>);

impl<'a> Key<'a> {
    /// # Errors
    /// 422 for a key that is none.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let mut keys = headers.get_all(REQUEST_KEY).iter();
        match (keys.next(), keys.next()) {
            (Some(key), None) if is_key(key) => Ok(Self(Some(key.as_bytes()))),
            (Some(_), _) => {
                let detail = format!("expected one key of 1 to {MAX_KEY_CHARS} visible ASCII characters");
                Err(ApiError::invalid([FieldProblem::in_parameter("Evenkeel-Request-Key", detail)]))
            }
            (None, _) => Ok(Self(headers.get(&REQUEST_ID).map(HeaderValue::as_bytes))),
        }
    }

    /// Where the request lies on the line from 0 to 2⁶⁴ that the targets of an alias divide.
    pub(super) fn point(self, alias: &str) -> u64 {
        match self.0 {
            Some(key) => hash(alias, key),
            None => hash(alias, Uuid::now_v7().as_bytes()),
        }
    }
}

fn is_key(key: &HeaderValue) -> bool {
    (1..=MAX_KEY_CHARS).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// The first eight bytes of the SHA-256 of the alias, a zero byte and the key, the most significant first. With the alias in it,
/// two aliases with the same shares divide the same keys differently.
fn hash(alias: &str, key: &[u8]) -> u64 {
    let hash = Sha256::new().chain_update(alias).chain_update([0]).chain_update(key).finalize();
    hash.iter().take(8).fold(0, |point, byte| (point << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn point(alias: &str, headers: &HeaderMap) -> Result<u64, ApiError> {
        Key::of(headers).map(|key| key.point(alias))
    }

    #[test]
    fn a_key_decides_and_a_request_id_stands_in() {
        // int.from_bytes(hashlib.sha256(b"champion\0customer-17").digest()[:8])
        let point_of_17 = 0x0e36_5e07_24ad_ef07;
        let by_key = point("champion", &headers(&[(REQUEST_KEY, "customer-17"), ("x-request-id", "a")])).unwrap();
        assert_eq!(by_key, point_of_17);
        assert_eq!(point("champion", &headers(&[("x-request-id", "customer-17")])).unwrap(), point_of_17);
        assert_ne!(point("canary", &headers(&[(REQUEST_KEY, "customer-17")])).unwrap(), point_of_17);
        let by_chance = || point("champion", &HeaderMap::new()).unwrap();
        assert_ne!(by_chance(), by_chance());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long: &'static str = "k".repeat(201).leak();
        for wrong in ["", "a b", long] {
            let error = point("champion", &headers(&[(REQUEST_KEY, wrong)])).unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("Evenkeel-Request-Key"), "{wrong:?}");
        }
        assert!(point("champion", &headers(&[(REQUEST_KEY, "a"), (REQUEST_KEY, "b")])).is_err());
    }

    #[test]
    fn keys_are_spread_evenly() {
        let below =
            (0..10_000).filter(|key: &u32| hash("champion", key.to_string().as_bytes()) < u64::MAX / 10).count();
        // Five standard deviations of a binomial of 10,000 and one tenth.
        assert!((850..=1150).contains(&below), "{below}");
    }
}
