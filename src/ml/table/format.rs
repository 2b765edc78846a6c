//! The formats a table comes in.

use serde::{Deserialize, Serialize};

/// The format of a table's bytes, after decompression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TableFormat {
    Csv {
        delimiter: char,
        header: bool,
    },
    Ndjson,
    Parquet,
    ArrowStream,
    /// An archive of pictures: one folder per class, or with a table of them.
    Zip {
        /// The path of that table in the archive; `null`: found by its name, if there is one.
        manifest: Option<String>,
    },
}
