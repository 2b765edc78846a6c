//! Where a table's bytes come from.

use std::io::{self, Read};

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{ChunkReader, Length};

use super::batch::{BATCH_ROWS, BatchReader};
use super::columnar::{ColumnarReader, not_the_format};
use super::csv::CsvReader;
use super::error::{Problems, ReadError};
use super::ndjson::NdjsonReader;
use super::options::ReadOptions;
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

/// The reader of a format. Wrong column names and types go to `problems`.
pub(super) fn open<R: TableSource>(
    input: R,
    options: &ReadOptions<'_>,
    problems: &mut Problems,
) -> Result<Box<dyn BatchReader>, ReadError> {
    let limits = options.limits;
    match options.format {
        TableFormat::Csv { delimiter, header } => {
            Ok(Box::new(CsvReader::open(input, *delimiter, *header, options, problems)?))
        }
        TableFormat::Ndjson => Ok(Box::new(NdjsonReader::open(input, limits))),
        TableFormat::Parquet => {
            const FORMAT: &str = "Parquet";
            let builder =
                ParquetRecordBatchReaderBuilder::try_new(input).map_err(|error| not_the_format(FORMAT, &error))?;
            let schema = builder.schema().clone();
            let batches =
                builder.with_batch_size(BATCH_ROWS).build().map_err(|error| not_the_format(FORMAT, &error))?;
            Ok(Box::new(ColumnarReader::open(batches, &schema, FORMAT, limits, problems)))
        }
        TableFormat::ArrowStream => {
            const FORMAT: &str = "an Arrow stream";
            let stream = StreamReader::try_new_buffered(input, None).map_err(|error| not_the_format(FORMAT, &error))?;
            let schema = stream.schema();
            let batches = stream.flat_map(split_batch);
            Ok(Box::new(ColumnarReader::open(batches, &schema, FORMAT, limits, problems)))
        }
    }
}

/// A writer may put all rows in one batch; what is made of it here should not be as large again.
fn split_batch(batch: Result<RecordBatch, ArrowError>) -> Vec<Result<RecordBatch, ArrowError>> {
    match batch {
        Ok(batch) => {
            let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
            starts.map(|start| Ok(batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))).collect()
        }
        Err(error) => vec![Err(error)],
    }
}
