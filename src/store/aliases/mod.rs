//! Aliases: set and deleted one at a time, read by everybody, and the counts of their shadows.

mod read;
mod shadows;
mod write;

pub use read::AliasFilter;
pub use write::{DeleteAlias, MAX_ALIAS_TARGETS, NewAlias, SetAlias};
