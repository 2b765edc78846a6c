//! From bytes to tables: what is in a file ([`profile()`]), and the columns of it ([`load()`]).
//!
//! Both go through the same readers and the same cells, so that what was profiled is what is loaded. Memory
//! stays bounded besides the result: rows come in batches, each format turns its own into the same columns of
//! cells, and each column has one sink that takes them in, in the order of the rows. Columns are worked on in
//! parallel with each other and with the reading of the next batch; no result depends on how many threads do it.

mod batch;
mod columnar;
mod csv;
mod drive;
mod error;
mod load;
mod names;
mod ndjson;
mod options;
mod page_header;
mod pages;
mod pictures;
mod profile;
mod sample;
mod source;
mod tally;
mod target;

pub(super) use columnar::{guarded, read_as};
pub use error::{ReadError, RowProblem};
pub(super) use load::{ColumnBuilder, load_batches, load_present};
pub use load::{head, load};
pub use options::{DEFAULT_MISSING, PictureLimits, ReadOptions, TableLimits};
pub use pictures::{IMAGE_COLUMN, PATH_COLUMN, PictureArchive, UnseenPictures};
pub use profile::{Profile, profile};
pub use source::{MemorySource, TableSource};
pub(super) use source::{parquet_batches, parquet_rows};
pub use target::{TargetError, target_classes};
