//! Where a table's bytes come from.

use std::io::{self, Read};

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::{ChunkReader, Length};

use super::batch::{BATCH_ROWS, BatchReader};
use super::columnar::{ColumnarReader, guarded, not_the_format};
use super::csv::CsvReader;
use super::error::{Problems, ReadError};
use super::ndjson::NdjsonReader;
use super::options::{ReadOptions, TableLimits};
use super::pages::check_pages;
use crate::ml::table::TableFormat;

/// Bytes that can be read from the start and, for Parquet, from anywhere. A `std::fs::File` is one.
pub trait TableSource: Read + ChunkReader + Send + 'static {}

impl<R: Read + ChunkReader + Send + 'static> TableSource for R {}

/// Bytes in memory as a [`TableSource`].
#[derive(Debug, Clone)]
pub struct MemorySource {
    bytes: Bytes,
    position: usize,
}

impl MemorySource {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), position: 0 }
    }
}

impl Read for MemorySource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.bytes.get(self.position..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.position += read;
        Ok(read)
    }
}

impl Length for MemorySource {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl ChunkReader for MemorySource {
    type T = <Bytes as ChunkReader>::T;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.bytes.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.bytes.get_bytes(start, length)
    }
}

/// As problems name the format.
pub(super) const PARQUET: &str = "Parquet";

/// The reader of a format, of at least the first `enough` rows. Wrong column names and types go to `problems`.
pub(super) fn open<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    enough: u64,
    problems: &mut Problems,
) -> Result<Box<dyn BatchReader>, ReadError> {
    let limits = options.limits;
    match options.format {
        TableFormat::Csv { delimiter, header } => {
            Ok(Box::new(CsvReader::open(input, *delimiter, *header, options, problems)?))
        }
        TableFormat::Ndjson => Ok(Box::new(NdjsonReader::open(input, limits))),
        TableFormat::Parquet => {
            let broken = |error| not_the_format(PARQUET, &error);
            let load = || ArrowReaderMetadata::load(&input, ArrowReaderOptions::default());
            let metadata = guarded(PARQUET, load)?.map_err(broken)?;
            let groups = check_pages(&input, metadata.metadata(), enough, limits.max_decompressed_bytes)?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata);
            let schema = builder.schema().clone();
            let builder = builder.with_row_groups((0..groups).collect()).with_batch_size(BATCH_ROWS);
            let batches = guarded(PARQUET, || builder.build())?.map_err(broken)?;
            Ok(Box::new(ColumnarReader::open(batches, &schema, PARQUET, limits, problems)))
        }
        TableFormat::ArrowStream => {
            const FORMAT: &str = "an Arrow stream";
            let stream = guarded(FORMAT, || StreamReader::try_new_buffered(input, None))?;
            let stream = stream.map_err(|error| not_the_format(FORMAT, &error))?;
            let schema = stream.schema();
            let batches = stream.flat_map(split_batch);
            Ok(Box::new(ColumnarReader::open(batches, &schema, FORMAT, limits, problems)))
        }
        // What reads archives reads the table beside the pictures by itself.
        TableFormat::Zip { .. } => Err(ReadError::NotTheFormat {
            format: "a table",
            detail: "an archive of pictures cannot be read row by row".to_owned(),
        }),
    }
}

/// How many rows a Parquet file says that it has; `None` if it is no such file.
pub(in crate::ml::table) fn parquet_rows<R: TableSource>(input: &R) -> Option<u64> {
    let load = || ArrowReaderMetadata::load(input, ArrowReaderOptions::default());
    let metadata = guarded(PARQUET, load).ok()?.ok()?;
    u64::try_from(metadata.metadata().file_metadata().num_rows()).ok()
}

/// All rows of a Parquet file as record batches; no more of them than `limits.max_rows` and one batch.
pub(in crate::ml::table) fn parquet_batches<R: TableSource>(
    input: R,
    limits: &TableLimits,
) -> Result<Vec<RecordBatch>, ReadError> {
    let broken = |error| not_the_format(PARQUET, &error);
    let load = || ArrowReaderMetadata::load(&input, ArrowReaderOptions::default());
    let metadata = guarded(PARQUET, load)?.map_err(broken)?;
    check_pages(&input, metadata.metadata(), u64::MAX, limits.max_decompressed_bytes)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata).with_batch_size(BATCH_ROWS);
    let mut reader = guarded(PARQUET, || builder.build())?.map_err(broken)?;
    let (mut batches, mut rows) = (Vec::new(), 0);
    while let Some(batch) = guarded(PARQUET, || reader.next())? {
        let batch = batch.map_err(|error| not_the_format(PARQUET, &error))?;
        rows += batch.num_rows() as u64;
        batches.push(batch);
        if rows > limits.max_rows {
            break;
        }
    }
    Ok(batches)
}

/// A writer may put all rows in one batch; what is made of it here should not be as large again.
pub(super) fn split_batch(batch: Result<RecordBatch, ArrowError>) -> Vec<Result<RecordBatch, ArrowError>> {
    match batch {
        Ok(batch) => {
            let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
            starts.map(|start| Ok(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))).collect()
        }
        Err(error) => vec![Err(error)],
    }
}
