//! Connections that do not wait for ever: for the header of a request, for the next request, or for a reader.
//!
//! The body of a request has its own time limit (see `body.rs`), and so has the answer (see `middleware.rs`); what is
//! left is the time when no request is at work, and the time when a client takes nothing of its answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::limits::HttpConfig;

/// How often a busy connection looks whether it has become idle.
const LOOK: Duration = Duration::from_secs(1);

/// Counts the requests on one connection.
#[derive(Debug, Clone, Default)]
pub struct Connection(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// A request at work; dropped when its answer has been sent.
#[derive(Debug)]
pub struct Active(Connection);

impl Connection {
    /// A request has begun.
    pub fn begin(&self) -> Active {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        Active(self.clone())
    }

    fn ended(&self) -> usize {
        self.0.ended.load(Ordering::Acquire)
    }

    fn is_busy(&self) -> bool {
        self.0.begun.load(Ordering::Acquire) > self.ended()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

impl Connected<IncomingStream<'_, BoundedListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// Accepts a bounded number of connections at once; further ones wait in the operating system's queue.
pub struct BoundedListener {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    times: Times,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    header: Duration,
    idle: Duration,
}

impl BoundedListener {
    pub fn new(listener: TcpListener, config: &HttpConfig) -> Self {
        let times = Times {
            header: Duration::from_secs_f64(config.header_seconds),
            idle: Duration::from_secs_f64(config.connection_idle_seconds),
        };
        Self { listener, slots: Arc::new(Semaphore::new(config.max_connections.max(1))), times }
    }

    /// For HTTP/2, where frames that belong to no request may come at any time: a connection is let go when no request
    /// comes in the time that one may be idle.
    pub fn for_frames(listener: TcpListener, config: &HttpConfig) -> Self {
        let mut bounded = Self::new(listener, config);
        bounded.times.header = bounded.times.idle;
        bounded
    }
}

impl Listener for BoundedListener {
    type Io = TimedStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        // The semaphore is never closed, so a slot always comes.
        let slot = self.slots.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small packets of this connection will be held back");
        }
        (TimedStream::new(stream, self.times, slot), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What a connection waits for while nothing comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The first byte of a request.
    Request,
    /// The rest of a request's header.
    Header,
    /// The end of a request at work, which has limits of its own.
    Answer,
}

/// A stream that fails when it waits for too long.
pub struct TimedStream<S> {
    stream: S,
    connection: Connection,
    times: Times,
    waiting: Waiting,
    /// When what is being waited for is late; of no meaning for an answer.
    deadline: Instant,
    /// Requests that had ended at the last look.
    ended: usize,
    /// Goes off at the deadline or before it: setting a timer anew costs more than looking at the time, and there are two
    /// deadlines to each request.
    read_timer: Pin<Box<Sleep>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl<S> TimedStream<S> {
    fn new(stream: S, times: Times, slot: Option<OwnedSemaphorePermit>) -> Self {
        let deadline = Instant::now() + times.idle;
        let read_timer = Box::pin(tokio::time::sleep_until(deadline));
        let (connection, waiting) = (Connection::default(), Waiting::Request);
        Self { stream, connection, times, waiting, deadline, ended: 0, read_timer, write_timer: None, _slot: slot }
    }

    /// The requests on it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn wait_for(&mut self, waiting: Waiting, at_most: Duration) {
        self.waiting = waiting;
        self.deadline = Instant::now() + at_most;
        if self.deadline < self.read_timer.deadline() {
            self.read_timer.as_mut().reset(self.deadline);
        }
    }

    /// Takes note of requests that have begun or ended since the last look.
    fn look(&mut self) {
        let ended = self.connection.ended();
        if self.connection.is_busy() {
            self.waiting = Waiting::Answer;
        } else if self.waiting == Waiting::Answer || ended != self.ended {
            self.wait_for(Waiting::Request, self.times.idle);
        }
        self.ended = ended;
    }

    /// Bytes came: outside a request they are the start of a header, whose time does not begin anew with each.
    fn received(&mut self) {
        self.look();
        if self.waiting == Waiting::Request {
            self.wait_for(Waiting::Header, self.times.header);
        }
    }

    /// Nothing came: ready once that has lasted for too long.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            self.look();
            if self.read_timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match self.waiting {
                Waiting::Answer => self.read_timer.as_mut().reset(now + LOOK),
                _ if now < self.deadline => self.read_timer.as_mut().reset(self.deadline),
                Waiting::Request | Waiting::Header => return Poll::Ready(too_slow("the client sends nothing")),
            }
        }
    }

    /// Passes a write on; one that cannot go on for too long fails.
    fn bound_write<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer = None;
            return polled;
        }
        let idle = self.times.idle;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(too_slow("the client takes nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => this.poll_wait(context).map(Err),
            ready => {
                if buffer.filled().len() > before {
                    this.received();
                }
                ready
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound_write(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.bound_write(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.bound_write(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bound_write(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TIMES: Times = Times { header: Duration::from_millis(40), idle: Duration::from_millis(120) };

    #[tokio::test]
    async fn a_header_that_trickles_in_is_cut_off() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = TimedStream::new(server, TIMES, None);
        let trickle = async move {
            loop {
                if client.write_all(b"G").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let started = Instant::now();
        let read = async {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await
        };
        let failed = tokio::select! { failed = read => failed, () = trickle => panic!("the trickle ended first") };
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= TIMES.header && started.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_silent_connection_is_cut_off_and_a_busy_one_is_not() {
        let (_client, server) = tokio::io::duplex(64);
        let mut server = TimedStream::new(server, TIMES, None);
        let active = server.connection.begin();
        let mut byte = [0];
        let patience = TIMES.idle * 2;
        assert!(tokio::time::timeout(patience, server.read(&mut byte)).await.is_err(), "cut off while busy");
        drop(active);
        assert_eq!(server.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (_client, server) = tokio::io::duplex(8);
        let mut server = TimedStream::new(server, TIMES, None);
        assert_eq!(server.write_all(&[0; 64]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
