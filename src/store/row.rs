//! Reading columns that text and big integers stand for.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::{Result, StoreError};

/// A struct whose fields are the columns of the same name.
macro_rules! columns {
    ($(#[$note:meta])* $visible:vis struct $row:ident { $($field_visible:vis $column:ident: $kind:ty,)* }) => {
        $(#[$note])*
        $visible struct $row {
            $($field_visible $column: $kind,)*
        }

        impl<'row> sqlx::FromRow<'row, sqlx::any::AnyRow> for $row {
            fn from_row(row: &'row sqlx::any::AnyRow) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: sqlx::Row::try_get(row, stringify!($column))?,)* })
            }
        }
    };
}
pub(super) use columns;

/// Where a value was read, for the error that says so.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) id: &'a str,
}

impl Place<'_> {
    fn bad(self, column: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        StoreError::inconsistent(self.table, column, self.id, source)
    }

    pub(super) fn parse<T>(self, column: &'static str, text: &str) -> Result<T>
    where
        T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>,
    {
        text.parse().map_err(|error: T::Err| self.bad(column, error))
    }

    pub(super) fn json<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|error| self.bad(column, error))
    }

    /// A word of a closed list, such as a phase, as serde knows it.
    pub(super) fn word<T: DeserializeOwned>(self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| self.bad(column, error))
    }

    pub(super) fn number<T>(self, column: &'static str, value: i64) -> Result<T>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        T::try_from(value).map_err(|error| self.bad(column, error))
    }
}

/// A count as it is stored. Nothing counted here comes near the limit.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// JSON as it is stored. Only types of this program come here, all of which have a JSON form; what has none is
/// a defect and is reported as one.
pub(super) fn to_json<T: serde::Serialize>(table: &'static str, id: impl Display, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::inconsistent(table, "json", &id.to_string(), error))
}
