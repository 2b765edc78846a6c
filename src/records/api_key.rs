//! An API key: what it may do, never what it is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::ApiKeyId;
use crate::clock::Timestamp;

/// What a key may do. `admin` includes all others; no other scope includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at datasets, jobs, models and reports.
    Read,
    /// Ask models for predictions.
    Predict,
    /// Upload and delete datasets, post and cancel jobs, delete models.
    Train,
    Admin,
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Predict, Scope::Train, Scope::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Predict => "predict",
            Scope::Train => "train",
            Scope::Admin => "admin",
        }
    }
}

/// The text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope; expected read, predict, train or admin")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// SHA-256 of the secret, which has 256 bits of its own and so needs no slow hash.
    pub secret_sha256: [u8; 32],
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl ApiKeyRecord {
    /// Whether the key may do what `scope` allows.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&Scope::Admin) || self.scopes.contains(&scope)
    }
}
