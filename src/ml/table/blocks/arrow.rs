//! Arrow's stream format: a schema, then dictionaries and record batches, each told ahead how long it is.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::Schema;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{MessageHeader, root_as_message};

use crate::ml::table::ReadError;
use crate::ml::table::read::guarded;

const FORMAT: &str = "an Arrow stream";
/// Stands before the length of each message but in streams of old writers.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Of what describes a message; a schema of ten thousand columns has about a million.
const MAX_HEAD_BYTES: usize = 8 << 20;

/// Gives the record batches of a stream as they are complete.
pub struct ArrowBlocks {
    decoder: StreamDecoder,
    part: Part,
    max_batch_bytes: usize,
    /// Of all dictionaries that have come.
    dictionary_bytes: usize,
}

/// What is being collected.
enum Part {
    /// The length of a head, with what stands before it.
    Prefix(Vec<u8>),
    Head {
        bytes: Vec<u8>,
        length: usize,
    },
    Body {
        head: Vec<u8>,
        bytes: MutableBuffer,
        length: usize,
    },
    Ended,
}

impl ArrowBlocks {
    /// A batch may have so many bytes, and so may all dictionaries together.
    pub fn new(max_batch_bytes: usize) -> Self {
        Self { decoder: StreamDecoder::new(), part: Part::Prefix(Vec::new()), max_batch_bytes, dictionary_bytes: 0 }
    }

    /// The schema, once it has come.
    pub fn schema(&self) -> Option<Arc<Schema>> {
        self.decoder.schema()
    }

    /// Takes in a piece and gives the batches that it completes.
    ///
    /// # Errors
    /// If the bytes are not an Arrow stream, or a batch is too large.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<Vec<RecordBatch>, ReadError> {
        let mut batches = Vec::new();
        loop {
            match &mut self.part {
                Part::Prefix(prefix) => {
                    let wanted = if prefix.starts_with(&CONTINUATION) { 8 } else { 4 };
                    take(&mut piece, wanted, prefix);
                    if prefix.len() < wanted {
                        return Ok(batches);
                    }
                    if prefix.as_slice() == CONTINUATION {
                        continue;
                    }
                    let length = prefix.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
                    let bytes = std::mem::take(prefix);
                    self.part = match length {
                        0 => {
                            batches.extend(self.feed(bytes.into(), 0)?);
                            Part::Ended
                        }
                        _ => head(bytes, length)?,
                    };
                }
                Part::Head { bytes, length } => {
                    take(&mut piece, *length, bytes);
                    if bytes.len() < *length {
                        return Ok(batches);
                    }
                    let head = std::mem::take(bytes);
                    self.part = self.body(head)?;
                }
                Part::Body { bytes, length, .. } => {
                    let taken = piece.len().min(*length - bytes.len());
                    let (now, later) = piece.split_at(taken);
                    bytes.extend_from_slice(now);
                    piece = later;
                    if bytes.len() < *length {
                        return Ok(batches);
                    }
                    batches.extend(self.decode()?);
                }
                Part::Ended if piece.is_empty() => return Ok(batches),
                Part::Ended => return Err(broken("there are bytes after its end")),
            }
        }
    }

    /// To be asked when no more pieces come.
    ///
    /// # Errors
    /// If the stream breaks off inside a message, or has no schema.
    pub fn finish(&self) -> Result<(), ReadError> {
        match &self.part {
            Part::Ended => {}
            Part::Prefix(prefix) if prefix.is_empty() => {}
            Part::Prefix(_) | Part::Head { .. } | Part::Body { .. } => return Err(broken("it breaks off")),
        }
        match self.decoder.schema() {
            Some(_) => Ok(()),
            None => Err(broken("there is no schema")),
        }
    }

    /// Looks at a head, and makes room for what it announces.
    fn body(&mut self, head: Vec<u8>) -> Result<Part, ReadError> {
        let start = if head.starts_with(&CONTINUATION) { 8 } else { 4 };
        // In a place of its own, where its numbers are aligned.
        let message = head.get(start..).unwrap_or_default().to_vec();
        let message = root_as_message(&message).map_err(|error| broken(&error.to_string()))?;
        let length = usize::try_from(message.bodyLength()).map_err(|_| broken("a message has a negative length"))?;
        let limit_bytes = self.max_batch_bytes as u64;
        if length > self.max_batch_bytes {
            return Err(ReadError::BatchTooLarge { bytes: length as u64, limit_bytes });
        }
        if message.header_type() == MessageHeader::DictionaryBatch {
            self.dictionary_bytes = self.dictionary_bytes.saturating_add(length);
            if self.dictionary_bytes > self.max_batch_bytes {
                return Err(ReadError::BatchTooLarge { bytes: self.dictionary_bytes as u64, limit_bytes });
            }
        }
        Ok(Part::Body { head, bytes: MutableBuffer::with_capacity(length), length })
    }

    /// Decodes the message that is complete.
    fn decode(&mut self) -> Result<Vec<RecordBatch>, ReadError> {
        let part = std::mem::replace(&mut self.part, Part::Prefix(Vec::new()));
        let Part::Body { head, bytes, length } = part else { return Ok(Vec::new()) };
        // The decoder looks at a message without a body when the next one comes.
        let mut batches = self.feed(head.into(), 0)?;
        batches.extend(self.feed(bytes.into(), length)?);
        Ok(batches)
    }

    /// The batches that the decoder gives for these bytes; a batch among them has at most `length` bytes.
    fn feed(&mut self, mut bytes: Buffer, length: usize) -> Result<Vec<RecordBatch>, ReadError> {
        let mut batches = Vec::new();
        while !bytes.is_empty() {
            let decoder = &mut self.decoder;
            let decoded = guarded(FORMAT, || decoder.decode(&mut bytes))?;
            if let Some(batch) = decoded.map_err(|error| broken(&error.to_string()))? {
                check_rows(&batch, length)?;
                batches.push(batch);
            }
        }
        batches.retain(|batch| batch.num_rows() > 0);
        Ok(batches)
    }
}

/// A batch of columns without buffers may say that it has any number of rows.
fn check_rows(batch: &RecordBatch, length: usize) -> Result<(), ReadError> {
    let fits = |rows: usize| rows / 8 <= length;
    if fits(batch.num_rows()) && batch.columns().iter().all(|column| fits(column.len())) {
        return Ok(());
    }
    Err(broken("a batch has more rows than its bytes can hold"))
}

fn head(prefix: Vec<u8>, length: usize) -> Result<Part, ReadError> {
    if length > MAX_HEAD_BYTES {
        return Err(broken("the head of a message is too long"));
    }
    let length = prefix.len() + length;
    Ok(Part::Head { bytes: prefix, length })
}

/// Moves bytes until there are `wanted`.
fn take(piece: &mut &[u8], wanted: usize, bytes: &mut Vec<u8>) {
    let missing = wanted.saturating_sub(bytes.len()).min(piece.len());
    let (now, later) = piece.split_at(missing);
    bytes.extend_from_slice(now);
    *piece = later;
}

fn broken(detail: &str) -> ReadError {
    ReadError::NotTheFormat { format: FORMAT, detail: detail.chars().take(300).collect() }
}
