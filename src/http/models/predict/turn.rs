//! Work that computes, in its turn: what is tiny at once, all else in a bounded line and on threads of its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::Served;
use crate::jobs;
use crate::ml::model::Predictor;
use crate::ml::picture::{PictureSpec, pixels_said};

/// Bytes of a request that are read and scored at once, at most.
const TINY_BYTES: usize = 64 << 10;
/// Pixels of a picture that is decoded at once, at most, and values that it is resized to.
const TINY_PIXELS: usize = 64 * 64;
/// Multiplications and additions that are done at once, at most: less than half a millisecond.
const TINY_MULTIPLY_ADDS: u64 = 4 << 20;
/// As many of a convolutional network take no longer: it uses each weight for many pixels, and reads it once.
const TINY_CONVOLUTIONS: u64 = 16 << 20;

/// How much a piece of work may be, judged before it is looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Size {
    /// Of the request's body.
    pub(in crate::http) bytes: usize,
    /// At most so many.
    pub(in crate::http) rows: usize,
}

impl Size {
    /// Of what is much work whatever its length, or of which it cannot be told.
    pub(in crate::http) const LARGE: Self = Self { bytes: usize::MAX, rows: usize::MAX };

    /// Of a picture that is looked at in so many ways. A picture of few bytes may have many pixels.
    pub(in crate::http) fn of_picture(file: &[u8], views: usize, spec: &PictureSpec) -> Self {
        let few = |pixels: u64| pixels <= TINY_PIXELS as u64;
        let is_small =
            file.len() <= TINY_BYTES && spec.shape.values() <= 3 * TINY_PIXELS && pixels_said(file).is_some_and(few);
        if is_small { Self { bytes: file.len(), rows: views } } else { Self::LARGE }
    }

    /// Of a text: a value takes at least a digit and what parts it from the next.
    pub(in crate::http) fn of_text(served: &Served, bytes: usize) -> Self {
        Self { bytes, rows: bytes / (2 * served.inputs.len().max(1)) }
    }

    fn is_tiny(self, served: &Served) -> bool {
        let predictor = &served.model.predictor;
        let most = if matches!(predictor, Predictor::Cnn(_)) { TINY_CONVOLUTIONS } else { TINY_MULTIPLY_ADDS };
        let multiply_adds = (self.rows as u64).saturating_mul(predictor.multiply_adds());
        self.bytes <= TINY_BYTES && multiply_adds <= most
    }
}

/// The threads that do what is not tiny; cheap to clone. They step back behind those that answer requests.
#[derive(Clone)]
pub(in crate::http::models) struct Workers(Option<Arc<ThreadPool>>);

impl Workers {
    /// Where the system gives no threads, those of the process have to do.
    pub(in crate::http::models) fn new(threads: usize) -> Self {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("predict-{index}"))
            .start_handler(|_| jobs::step_back())
            .build();
        match pool {
            Ok(pool) => Self(Some(Arc::new(pool))),
            Err(error) => {
                tracing::warn!(%error, "there are no threads for predictions alone");
                Self(None)
            }
        }
    }

    /// Does `work`, while `turn` is held: also when nobody waits for it any more.
    async fn run<T, W, H>(&self, turn: H, work: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, ApiError> + Send + 'static,
        H: Send + 'static,
    {
        let (done, found) = tokio::sync::oneshot::channel();
        let job = move || {
            let worked = std::panic::catch_unwind(AssertUnwindSafe(work));
            drop(turn);
            // If nobody waits any more, nobody is to be told.
            let _ = done.send(worked.unwrap_or_else(|_| Err(ApiError::internal("a prediction panicked"))));
        };
        match &self.0 {
            Some(pool) => pool.spawn(job),
            None => rayon::spawn(job),
        }
        found.await.map_err(ApiError::internal)?
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
    state.models.workers.run(turn, work).await
}

/// As [`at_turn`], for one block of a request that has more: it is never refused, and the blocks of several requests
/// take turns.
///
/// # Errors
/// What `work` answers.
pub(super) async fn at_block_turn<T, W>(state: &AppState, served: &Served, size: Size, work: W) -> Result<T, ApiError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    if size.is_tiny(served) {
        return work();
    }
    let turn = state.models.admission.block_turn().await;
    state.models.workers.run(turn, work).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::picture::{PictureShape, Resize};

    fn png(side: u32) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(side, side).write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    }

    fn spec(side: usize) -> PictureSpec {
        PictureSpec { shape: PictureShape { height: side, width: side, channels: 1 }, resize: Resize::Fit }
    }

    #[test]
    fn a_picture_is_as_large_as_its_pixels_and_not_as_its_bytes() {
        let small = Size::of_picture(&png(64), 5, &spec(8));
        assert_eq!((small.bytes, small.rows), (png(64).len(), 5));
        let empty = png(1000);
        assert!(empty.len() < TINY_BYTES);
        let mut long = png(64);
        long.resize(TINY_BYTES + 1, 0);
        for (file, read_at) in [(empty, 8), (long, 8), (png(64), 200), (b"no picture".to_vec(), 8)] {
            assert_eq!(Size::of_picture(&file, 1, &spec(read_at)).rows, usize::MAX, "{} bytes, {read_at}", file.len());
        }
    }
}
