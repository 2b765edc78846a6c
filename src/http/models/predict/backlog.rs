//! What waits for a reader: a client that first sends all it has and only then reads must not bring both sides to a halt,
//! nor may it fill the memory.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The writing end of an answer.
pub(super) struct Backlog {
    pieces: UnboundedSender<Piece>,
    /// Bytes that may still be put in.
    room: Arc<Semaphore>,
    max_bytes: u32,
}

/// Bytes with the room that they take, or the end of an answer that has none.
type Piece = io::Result<(Bytes, OwnedSemaphorePermit)>;

/// The body of an answer that holds back at most about `max_bytes`.
pub(super) fn backlog(max_bytes: usize) -> (Backlog, Body) {
    let max_bytes = u32::try_from(max_bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let (pieces, received) = unbounded_channel();
    let room = Arc::new(Semaphore::new(max_bytes as usize));
    (Backlog { pieces, room, max_bytes }, Body::from_stream(futures::stream::unfold((received, None), next)))
}

type Reading = (UnboundedReceiver<Piece>, Option<OwnedSemaphorePermit>);

/// The room of a piece is given back when the next one is asked for.
async fn next((mut pieces, taken): Reading) -> Option<(io::Result<Bytes>, Reading)> {
    drop(taken);
    match pieces.recv().await? {
        Ok((bytes, room)) => Some((Ok(bytes), (pieces, Some(room)))),
        Err(error) => Some((Err(error), (pieces, None))),
    }
}

impl Backlog {
    /// Puts bytes in as soon as there is room. Whether anybody still reads.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> bool {
        if bytes.is_empty() {
            return !self.pieces.is_closed();
        }
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(self.max_bytes);
        // The semaphore is never closed; were it, nobody would be reading.
        let Ok(room) = self.room.clone().acquire_many_owned(wanted).await else { return false };
        self.pieces.send(Ok((bytes.into(), room))).is_ok()
    }

    /// Breaks the answer off, so that nobody takes it for whole.
    pub(super) fn break_off(self, why: String) {
        // If nobody reads any more, nobody is to be told.
        let _ = self.pieces.send(Err(io::Error::other(why)));
    }

    /// Waits until nobody reads any more.
    pub(super) async fn abandoned(&self) {
        self.pieces.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_flows_on_when_it_is_read() {
        let (backlog, body) = backlog(10);
        assert!(backlog.send(vec![1; 6]).await);
        let mut more = Box::pin(backlog.send(vec![2; 6]));
        assert!(more.as_mut().now_or_never().is_none(), "there is no room");
        let mut pieces = body.into_data_stream();
        assert_eq!(pieces.next().await.unwrap().unwrap(), vec![1; 6]);
        assert!(pieces.next().now_or_never().is_none());
        assert!(more.await);
        assert_eq!(pieces.next().await.unwrap().unwrap(), vec![2; 6]);
    }

    #[tokio::test]
    async fn a_piece_larger_than_the_room_goes_alone() {
        let (backlog, body) = backlog(4);
        assert!(backlog.send(vec![1; 100]).await);
        drop(backlog);
        assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap().len(), 100);
    }

    #[tokio::test]
    async fn who_stops_reading_is_noticed() {
        let (backlog, body) = backlog(4);
        drop(body);
        backlog.abandoned().await;
        assert!(!backlog.send(vec![1]).await);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_no_whole_answer() {
        let (backlog, body) = backlog(4);
        assert!(backlog.send(vec![1]).await);
        backlog.break_off("the rows are wrong".to_owned());
        assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
    }
}
