//! What can be wrong with a file.

use std::fmt;

use crate::ml::observe::Stop;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// Counts the rows of data from 1; 0 is the header, or the file as a whole. A field with line breaks does not
    /// make its row several, so this is not a line number. Blank lines are not counted.
    pub row: u64,
    /// `None` where the row as a whole is wrong.
    pub column: Option<String>,
    /// What was expected and what was found.
    pub detail: String,
}

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Some rows are wrong; ordered by row.
    #[error("{}", malformed(problems, *more))]
    Malformed {
        problems: Vec<RowProblem>,
        /// Whether reading stopped at the limit of reported problems.
        more: bool,
    },
    /// The bytes are not of the stated format at all.
    #[error("the bytes are not {format}: {detail}")]
    NotTheFormat { format: &'static str, detail: String },
    #[error("no column is called {}", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))]
    UnknownColumns { names: Vec<String> },
    #[error("the delimiter {delimiter:?} is not one ASCII character other than a quote or a line break")]
    Delimiter { delimiter: char },
    /// Bytes within their limit as they are, but not once decompressed.
    #[error("{what} has more than {limit_bytes} bytes once decompressed")]
    TooLarge { what: String, limit_bytes: u64 },
    /// An archive that is larger than it may be, as its directory says.
    #[error("{detail}")]
    ArchiveTooLarge { detail: String },
    #[error("a record batch has {bytes} bytes; at most {limit_bytes} are taken, so write smaller batches")]
    BatchTooLarge { bytes: u64, limit_bytes: u64 },
    /// The bytes could not be had.
    #[error("reading the table failed")]
    Read(#[source] std::io::Error),
    #[error("reading was stopped: {0:?}")]
    Stopped(Stop),
}

fn malformed(problems: &[RowProblem], more: bool) -> String {
    let first = problems.first().map_or_else(String::new, |problem| format!("; first: {problem}"));
    let and_more = if more { " or more" } else { "" };
    format!("the table has {}{and_more} problems{first}", problems.len())
}

impl fmt::Display for RowProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(out, "row {}, column {:?}: {}", self.row, column, self.detail),
            None => write!(out, "row {}: {}", self.row, self.detail),
        }
    }
}

/// Problems found so far, up to a limit.
#[derive(Debug)]
pub(super) struct Problems {
    found: Vec<RowProblem>,
    limit: usize,
    more: bool,
}

impl Problems {
    pub(super) fn new(limit: usize) -> Self {
        Self { found: Vec::new(), limit: limit.max(1), more: false }
    }

    pub(super) fn push(&mut self, row: u64, column: Option<&str>, detail: impl Into<String>) {
        if self.found.len() < self.limit {
            self.found.push(RowProblem { row, column: column.map(str::to_owned), detail: detail.into() });
        } else {
            self.more = true;
        }
    }

    /// Whether reading on would report nothing new.
    pub(super) fn is_full(&self) -> bool {
        self.more
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found, as the answer; `more` if there is more than was told of.
    pub(super) fn into_error(self, more: bool) -> ReadError {
        ReadError::Malformed { problems: self.found, more: self.more || more }
    }

    /// All problems of several finders, ordered by row, cut to the limit.
    pub(super) fn merge(parts: Vec<Problems>) -> Option<ReadError> {
        let limit = parts.first().map_or(1, |part| part.limit);
        let mut more = parts.iter().any(|part| part.more);
        let mut problems: Vec<RowProblem> = parts.into_iter().flat_map(|part| part.found).collect();
        problems.sort_by_key(|problem| problem.row);
        more |= problems.len() > limit;
        problems.truncate(limit);
        if problems.is_empty() { None } else { Some(ReadError::Malformed { problems, more }) }
    }
}
