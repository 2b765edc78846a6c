//! API keys: making them, reading them from requests, and what each operation asks of them.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::AppState;
use super::error::{ApiError, Code};
use super::limits::Access;
use crate::clock::Timestamp;
use crate::records::{ApiKeyId, ApiKeyRecord, Scope};

/// Bytes of a secret: 256 bits, so that guessing is hopeless and no slow hash is needed.
const SECRET_BYTES: usize = 32;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Everyone, on a server without keys.
    Anyone,
    /// The holder of a key.
    Key(ApiKeyId),
}

impl Principal {
    /// A name that no other principal has.
    pub fn name(&self) -> String {
        match self {
            Principal::Anyone => "anyone".to_owned(),
            Principal::Key(id) => id.to_string(),
        }
    }
}

/// A new key: what to store of it, and the text `ek_<id>_<secret>` that its holder keeps.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn new_api_key(
    name: String,
    scopes: Vec<Scope>,
    created_at: Timestamp,
) -> Result<(ApiKeyRecord, String), rand::rand_core::OsError> {
    let mut secret = [0_u8; SECRET_BYTES];
    OsRng.try_fill_bytes(&mut secret)?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let id = ApiKeyId::new();
    let text = format!("ek_{}_{secret}", id.to_string().replace('-', ""));
    let record = ApiKeyRecord { id, name, scopes, secret_sha256: hash(&secret), created_at, revoked_at: None };
    Ok((record, text))
}

/// Checks that the request may do what `scope` allows.
///
/// # Errors
/// 401 without a valid key, 403 if the key lacks the scope, 503 if keys cannot be looked up.
pub(super) async fn authorize(state: &AppState, headers: &HeaderMap, scope: Scope) -> Result<Principal, ApiError> {
    match state.config.access {
        Access::Open => Ok(Principal::Anyone),
        Access::Keys => {
            let presented = PresentedKey::read(headers)?;
            let stored = state.store.api_key_by_id(presented.id).await?;
            let key = presented.check(stored)?;
            if key.allows(scope) {
                return Ok(Principal::Key(key.id));
            }
            let scope = scope.as_str();
            Err(ApiError::new(Code::InsufficientScope, format!("this operation needs the scope {scope}")))
        }
    }
}

/// A key as a request brought it.
struct PresentedKey {
    id: ApiKeyId,
    secret_sha256: [u8; 32],
}

impl PresentedKey {
    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let missing = || ApiError::new(Code::MissingApiKey, "send the header Authorization: Bearer <key>");
        let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        Self::parse(token.trim()).ok_or_else(invalid)
    }

    fn parse(token: &str) -> Option<Self> {
        let (id, secret) = token.strip_prefix("ek_")?.split_once('_')?;
        let id = Uuid::try_parse(id).ok()?.to_string().parse().ok()?;
        Some(Self { id, secret_sha256: hash(secret) })
    }

    /// Compares in constant time, also where there is no such key: how long a refusal takes tells nothing.
    fn check(&self, stored: Option<ApiKeyRecord>) -> Result<ApiKeyRecord, ApiError> {
        let expected = stored.as_ref().map_or([0; 32], |key| key.secret_sha256);
        let matches = bool::from(expected.ct_eq(&self.secret_sha256));
        stored.filter(|key| matches && key.revoked_at.is_none()).ok_or_else(invalid)
    }
}

/// One answer for unknown, wrong and revoked keys.
fn invalid() -> ApiError {
    ApiError::new(Code::InvalidApiKey, "the key is unknown or was revoked")
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key() -> (ApiKeyRecord, String) {
        new_api_key("ci".to_owned(), vec![Scope::Read], Timestamp::from_micros(0)).unwrap()
    }

    fn read(value: &str) -> Result<PresentedKey, Code> {
        let value = HeaderValue::from_str(value).unwrap();
        PresentedKey::read(&HeaderMap::from_iter([(header::AUTHORIZATION, value)])).map_err(|error| error.code())
    }

    #[test]
    fn a_key_opens_what_it_was_made_for() {
        let (record, text) = key();
        let presented = read(&format!("bearer {text}")).unwrap_or_else(|code| panic!("{code:?}"));
        assert_eq!(presented.check(Some(record.clone())).unwrap().id, record.id);
        assert!(record.allows(Scope::Read) && !record.allows(Scope::Train));
    }

    #[test]
    fn another_secret_a_revoked_key_and_an_unknown_one_get_the_same_answer() {
        let (record, text) = key();
        let presented = read(&format!("Bearer {text}")).unwrap_or_else(|code| panic!("{code:?}"));
        let (other, _) = key();
        let revoked = ApiKeyRecord { revoked_at: Some(Timestamp::from_micros(1)), ..record };
        for stored in [Some(other), Some(revoked), None] {
            assert_eq!(presented.check(stored).unwrap_err().code(), Code::InvalidApiKey);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(PresentedKey::read(&HeaderMap::new()).err().map(|error| error.code()), Some(Code::MissingApiKey));
        assert_eq!(read("Basic YTpi").err(), Some(Code::MissingApiKey));
        for value in ["Bearer x", "Bearer ek_1_2", "Bearer ek__", "Bearer "] {
            assert!(matches!(read(value), Err(Code::InvalidApiKey | Code::MissingApiKey)), "{value}");
        }
    }

    #[test]
    fn the_secret_is_not_stored() {
        let (record, text) = key();
        // The secret may itself hold an underscore.
        let secret = text.splitn(3, '_').nth(2).unwrap();
        assert!(text.len() >= 3 + 32 + 1 + 43 && !format!("{record:?}").contains(secret));
    }
}
