//! CSV after RFC 4180: quoted fields, doubled quotes, any line end, an optional byte order mark.

use std::io::{self, Read};

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::batch::{BATCH_BYTES, BATCH_ROWS, Batch, BatchReader, Cells, RawTexts};
use super::error::{Problems, ReadError};
use super::names::check_names;
use super::options::{ReadOptions, TableLimits};
use crate::ml::table::cell::shown;

/// Follows the last byte of the input. Where it comes back as a row of its own, the file ended between rows;
/// where it does not, the file ended inside a quoted field, which the `csv` crate accepts in silence. NUL is the
/// one byte that is never a delimiter. The line break makes it a row.
const END_MARK_LINE: &[u8] = b"\n\0\0\0\0";
const END_MARK: &[u8] = b"\0\0\0\0";

/// Reads rows of CSV.
pub(super) struct CsvReader<R> {
    reader: Reader<Guarded<R>>,
    columns: Vec<String>,
    limits: TableLimits,
    /// The first row of a file without a header, which was read for its number of fields.
    pending: Option<ByteRecord>,
    record: ByteRecord,
    rows: u64,
    ended: bool,
}

impl<R: Read + Send> CsvReader<R> {
    /// Reads the header, or the first row in its place.
    ///
    /// # Errors
    /// If the delimiter is of no use or the bytes cannot be had. Wrong names go to `problems`.
    pub(super) fn open(
        input: R,
        delimiter: char,
        header: bool,
        options: &ReadOptions<'_>,
        problems: &mut Problems,
    ) -> Result<Self, ReadError> {
        let max_row_bytes = options.limits.max_row_bytes;
        let guarded = Guarded { input, end_mark: END_MARK_LINE, given_out: 0, since_row: 0, max_row_bytes };
        let reader = ReaderBuilder::new()
            .delimiter(ReadOptions::delimiter_byte(delimiter)?)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(guarded);
        let mut this = Self {
            reader,
            columns: Vec::new(),
            limits: options.limits.clone(),
            pending: None,
            record: ByteRecord::new(),
            rows: 0,
            ended: false,
        };
        this.read_names(header, problems)?;
        Ok(this)
    }

    fn read_names(&mut self, header: bool, problems: &mut Problems) -> Result<(), ReadError> {
        if !self.advance(problems)? {
            if problems.is_empty() {
                problems.push(0, None, "the file is empty");
            }
            return Ok(());
        }
        let first = std::mem::take(&mut self.record);
        if header {
            self.columns = first.iter().enumerate().map(|(index, name)| name_of(index, name, problems)).collect();
        } else {
            self.columns = (1..=first.len()).map(|number| format!("column_{number}")).collect();
            self.pending = Some(first);
        }
        check_names(&self.columns, &self.limits, problems);
        Ok(())
    }

    /// Reads the next record into `self.record`; false at the end of the file.
    fn advance(&mut self, problems: &mut Problems) -> Result<bool, ReadError> {
        if let Some(first) = self.pending.take() {
            self.record = first;
            return Ok(true);
        }
        self.reader.get_mut().since_row = 0;
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) if self.reader.get_ref().is_used_up(self.reader.position().byte()) => {
                if self.record.as_slice() != END_MARK {
                    problems.push(self.rows + 1, None, "a quoted field is never closed: the file ends inside it");
                }
                Ok(self.end())
            }
            Ok(more) => Ok(more || self.end()),
            Err(error) => self.fail(error, problems),
        }
    }

    fn end(&mut self) -> bool {
        self.ended = true;
        false
    }

    fn fail(&mut self, error: ::csv::Error, problems: &mut Problems) -> Result<bool, ReadError> {
        match error.into_kind() {
            ::csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<RowTooLong>()) => {
                let detail = format!(
                    "more than {} bytes in one row, which is the limit; perhaps a quote is never closed",
                    self.limits.max_row_bytes
                );
                problems.push(self.rows + 1, None, detail);
                Ok(self.end())
            }
            ::csv::ErrorKind::Io(error) => Err(ReadError::Read(error)),
            other => Err(ReadError::NotTheFormat { format: "CSV", detail: format!("{other:?}") }),
        }
    }

    /// Whether the record has the right shape; if not, it is reported and left out.
    fn record_fits(&self, problems: &mut Problems) -> bool {
        if self.record.len() != self.columns.len() {
            let detail = format!("expected {} fields, found {}", self.columns.len(), self.record.len());
            problems.push(self.rows, None, detail);
            return false;
        }
        let longest = self.limits.max_field_bytes;
        if self.record.as_slice().len() <= longest {
            return true;
        }
        let too_long = self.record.iter().zip(&self.columns).filter(|(field, _)| field.len() > longest);
        let mut fits = true;
        for (field, column) in too_long {
            problems.push(self.rows, Some(column), format!("{} bytes; at most {longest} are allowed", field.len()));
            fits = false;
        }
        fits
    }
}

impl<R: Read + Send> BatchReader for CsvReader<R> {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_batch(&mut self, problems: &mut Problems) -> Result<Option<Batch>, ReadError> {
        let mut raw: Vec<RawTexts> = self.columns.iter().map(|_| RawTexts::default()).collect();
        let mut row_numbers = Vec::new();
        let mut bytes = 0;
        while row_numbers.len() < BATCH_ROWS && bytes < BATCH_BYTES && !self.ended && !problems.is_full() {
            if !self.advance(problems)? {
                break;
            }
            self.rows += 1;
            if self.record_fits(problems) {
                row_numbers.push(self.rows);
                bytes += self.record.as_slice().len();
                raw.iter_mut().zip(self.record.iter()).for_each(|(column, field)| column.push(field));
            }
        }
        if row_numbers.is_empty() {
            return Ok(None);
        }
        let checked = raw.into_iter().zip(&self.columns).map(|(raw, name)| {
            let texts = raw.check(|row| problems.push(row_numbers[row], Some(name), "the field is not valid UTF-8"));
            Cells::Fields(texts)
        });
        let columns = checked.collect();
        Ok(Some(Batch { row_numbers, columns }))
    }
}

fn name_of(index: usize, name: &[u8], problems: &mut Problems) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.trim().to_owned(),
        Err(_) => {
            let found = shown(&String::from_utf8_lossy(name));
            problems.push(0, None, format!("the name of column {}, {found}, is not valid UTF-8", index + 1));
            format!("column_{}", index + 1)
        }
    }
}

/// More bytes than a row may have came without an end of the row.
#[derive(Debug, thiserror::Error)]
#[error("the row is too long")]
struct RowTooLong;

/// Appends the end mark and stops a row that would fill the memory.
struct Guarded<R> {
    input: R,
    /// What is left of it.
    end_mark: &'static [u8],
    given_out: u64,
    /// Bytes given out since the last row ended; what the reader had buffered then is not counted.
    since_row: usize,
    max_row_bytes: usize,
}

impl<R> Guarded<R> {
    /// Whether a reader that has come to byte `position` has read all, the mark included.
    fn is_used_up(&self, position: u64) -> bool {
        self.end_mark.is_empty() && position == self.given_out
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row > self.max_row_bytes {
            return Err(io::Error::other(RowTooLong));
        }
        let mut read = self.input.read(buffer)?;
        if read == 0 {
            read = self.end_mark.read(buffer)?;
        }
        self.since_row += read;
        self.given_out += read as u64;
        Ok(read)
    }
}
