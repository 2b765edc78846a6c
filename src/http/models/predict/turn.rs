//! Work that computes, in its turn: what is tiny at once, all else in a bounded line and on threads of its own.

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::Served;

/// Bytes of a request that are read and scored at once, at most.
const TINY_BYTES: usize = 64 << 10;
/// Multiplications and additions that are done at once, at most: less than half a millisecond.
const TINY_MULTIPLY_ADDS: u64 = 4 << 20;

/// How much a piece of work may be, judged before it is looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Size {
    /// Of the request's body.
    pub(in crate::http) bytes: usize,
    /// At most so many.
    pub(in crate::http) rows: usize,
}

impl Size {
    /// Of a text: a value takes at least a digit and what parts it from the next.
    pub(in crate::http) fn of_text(served: &Served, bytes: usize) -> Self {
        Self { bytes, rows: bytes / (2 * served.inputs.len().max(1)) }
    }

    fn is_tiny(self, served: &Served) -> bool {
        let multiply_adds = (self.rows as u64).saturating_mul(served.model.predictor.multiply_adds());
        self.bytes <= TINY_BYTES && multiply_adds <= TINY_MULTIPLY_ADDS
    }
}

/// Does work of a prediction when its turn comes. What is tiny is done here and now: handing it to another thread
/// would take longer than the work. All else waits in a line of bounded length for one of as many places as the
/// machine has processors, first come first served, and never keeps tiny work from being done.
///
/// # Errors
/// 429 if too many wait already; what `work` answers.
pub(in crate::http) async fn at_turn<T, W>(
    state: &AppState,
    served: &Served,
    size: Size,
    work: W,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    if size.is_tiny(served) {
        return work();
    }
    let turn = state.models.turn().await?;
    let worked = tokio::task::spawn_blocking(move || {
        // The turn ends with the work, also when nobody waits for it any more.
        let _turn = turn;
        work()
    });
    worked.await.map_err(ApiError::internal)?
}
