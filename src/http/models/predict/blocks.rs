//! A body in blocks of whole rows, whether it is here already or still comes.

use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use super::accept::Media;
use super::call::Call;
use super::pictures::MAX_PIXEL_BYTES;
use crate::http::error::{ApiError, Code};
use crate::http::models::Served;
use crate::http::problem::FieldProblem;
use crate::ml::table::{
    ArrowBlocks, CellError, CsvBlock, CsvBlocks, CsvRows, InputRows, LineBlocks, ReadError, TableLimits, read_batches,
    read_csv, read_ndjson,
};

/// Rows of a record batch that are taken together.
const BATCH_ROWS: usize = 16_384;

/// Some rows.
pub(super) enum Block {
    Csv(CsvBlock),
    Lines(Bytes),
    Batch(RecordBatch),
}

impl Block {
    /// Reads the rows against the columns of a model.
    ///
    /// # Errors
    /// Every mistake in them; rows count from the block's first.
    pub(super) fn read(&self, call: &Call, served: &Served, limits: &TableLimits) -> Result<InputRows, Vec<CellError>> {
        let rows = match self {
            Block::Csv(block) => {
                let missing_markers = &served.model.missing_markers;
                let csv = CsvRows { delimiter: call.delimiter, header: true, missing_markers };
                read_csv(block, &csv, &served.inputs, limits)
            }
            Block::Lines(lines) => read_ndjson(lines, &served.inputs, limits),
            Block::Batch(batch) => read_batches(std::slice::from_ref(batch), &served.inputs, limits),
        };
        with_pictures(rows?, served, limits)
    }

    /// About how much it is to read.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Block::Csv(block) => block.rows.len(),
            Block::Lines(lines) => lines.len(),
            Block::Batch(batch) => batch.num_rows() * batch.num_columns() * 8,
        }
    }

    /// At most so many rows.
    pub(super) fn rows(&self, served: &Served) -> usize {
        match self {
            Block::Batch(batch) => batch.num_rows(),
            Block::Csv(_) | Block::Lines(_) => self.bytes() / (2 * served.inputs.len().max(1)),
        }
    }
}

/// Cuts a body as it comes.
pub(super) enum Cutter {
    Csv(CsvBlocks),
    Lines(LineBlocks),
    Arrow { blocks: Box<ArrowBlocks>, ready: std::collections::VecDeque<RecordBatch> },
}

impl Cutter {
    /// For a format whose rows come one after the other; `None` for the others.
    pub(super) fn new(call: &Call, max_batch_bytes: usize) -> Option<Self> {
        match call.rows {
            Media::Csv => Some(Cutter::Csv(CsvBlocks::new(call.delimiter))),
            Media::Ndjson => Some(Cutter::Lines(LineBlocks::default())),
            Media::Arrow => {
                let blocks = Box::new(ArrowBlocks::new(max_batch_bytes));
                Some(Cutter::Arrow { blocks, ready: std::collections::VecDeque::new() })
            }
            Media::Json | Media::Parquet | Media::Picture | Media::Multipart | Media::Zip => None,
        }
    }

    /// # Errors
    /// 413, 422 if nothing after this can be read.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        match self {
            Cutter::Csv(blocks) => blocks.push(piece),
            Cutter::Lines(blocks) => blocks.push(piece),
            Cutter::Arrow { blocks, ready } => {
                for batch in blocks.push(piece).map_err(|error| refusal(&error))? {
                    let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
                    ready.extend(starts.map(|start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start))));
                }
            }
        }
        Ok(())
    }

    /// Whether there is enough for a block to be worth its while.
    pub(super) fn is_full(&self, block_bytes: usize) -> bool {
        match self {
            Cutter::Csv(blocks) => blocks.len() >= block_bytes,
            Cutter::Lines(blocks) => blocks.len() >= block_bytes,
            Cutter::Arrow { ready, .. } => !ready.is_empty(),
        }
    }

    /// Whole rows that have come, if there are any.
    pub(super) fn cut(&mut self) -> Option<Block> {
        match self {
            Cutter::Csv(blocks) => blocks.cut().map(Block::Csv),
            Cutter::Lines(blocks) => blocks.cut().map(Block::Lines),
            Cutter::Arrow { ready, .. } => ready.pop_front().map(Block::Batch),
        }
    }

    /// What is left when no more comes, or when one row has become too long for any more of it to be read.
    ///
    /// # Errors
    /// 422 if the body may not end here.
    pub(super) fn rest(&mut self) -> Result<Option<Block>, ApiError> {
        match self {
            Cutter::Csv(blocks) => Ok(blocks.rest().map(Block::Csv)),
            Cutter::Lines(blocks) => Ok(blocks.rest().map(Block::Lines)),
            Cutter::Arrow { blocks, ready } => match ready.pop_front() {
                Some(batch) => Ok(Some(Block::Batch(batch))),
                None => blocks.finish().map(|()| None).map_err(|error| refusal(&error)),
            },
        }
    }

    /// Whether one row has more bytes than a row may have.
    pub(super) fn is_overlong(&self, max_row_bytes: usize) -> bool {
        match self {
            Cutter::Csv(blocks) => blocks.len() > max_row_bytes,
            Cutter::Lines(blocks) => blocks.len() > max_row_bytes,
            Cutter::Arrow { .. } => false,
        }
    }
}

/// The same rows with the pictures in them read, of a model that reads some.
///
/// # Errors
/// Every row whose picture cannot be read.
pub(super) fn with_pictures(
    rows: InputRows,
    served: &Served,
    limits: &TableLimits,
) -> Result<InputRows, Vec<CellError>> {
    let Some(spec) = served.model.picture_spec() else { return Ok(rows) };
    let most = MAX_PIXEL_BYTES / spec.shape.values().max(1);
    if rows.rows > most.max(1) {
        let detail = format!("{} pictures in one block; at most {most} are read together", rows.rows);
        return Err(vec![CellError { row: None, column: None, detail }]);
    }
    rows.with_pictures(&served.inputs, &spec, limits)
}

/// A body that cannot be read on.
pub(super) fn refusal(error: &ReadError) -> ApiError {
    match error {
        ReadError::BatchTooLarge { .. } => ApiError::new(Code::PayloadTooLarge, error.to_string()),
        ReadError::TooLarge { .. } => ApiError::new(Code::DecompressedTooLarge, error.to_string()),
        _ => ApiError::listing(Code::InvalidRows, vec![FieldProblem::in_table(None, None, error.to_string())]),
    }
}

/// Rows with mistakes, of which `before` rows came before. The API counts rows from 1.
pub(super) fn invalid_rows(errors: Vec<CellError>, before: u64) -> ApiError {
    let problem =
        |error: CellError| FieldProblem::in_table(error.row.map(|row| before + row + 1), error.column, error.detail);
    ApiError::listing(Code::InvalidRows, errors.into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_from_one_through_all_blocks() {
        let error = CellError { row: Some(0), column: Some("area".to_owned()), detail: "expected a number".to_owned() };
        let refused = invalid_rows(vec![error], 20);
        assert_eq!(refused.errors(), [FieldProblem::in_table(Some(21), Some("area".to_owned()), "expected a number")]);
    }
}
