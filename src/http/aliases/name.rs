//! Names of aliases.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::http::error::{ApiError, Code};

const MAX_CHARS: usize = 100;

/// The name in the path: letters, digits, `.`, `_` and `-` of ASCII, the first a letter or digit, 1 to 100 of them. Such a name
/// needs no escaping in a path, a header or a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AliasName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for AliasName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refused = || {
            let detail = format!(
                "the name of an alias is 1 to {MAX_CHARS} letters, digits, dots, hyphens and underscores, the first a letter \
                 or digit"
            );
            ApiError::new(Code::MalformedRequest, detail)
        };
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| refused())?;
        if is_name(&text) { Ok(Self(text)) } else { Err(refused()) }
    }
}

/// Whether an alias may have this name.
pub(in crate::http) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    first && text.len() <= MAX_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["champion", "canary-2", "a", "0.1_b", &"x".repeat(100)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\0", "a%20", &"x".repeat(101)] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
