//! The protocol over gRPC, on a port of its own: the same checks, numbers and refusals as over REST.

mod codec;
mod convert;
pub mod messages;
mod service;
mod status;
mod wire;

use std::io;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use crate::http::AppState;
use crate::http::connection::{BoundedListener, Connection, TimedStream};
use crate::http::serve::close_later;
use service::Inference;

/// Calls at work on one connection; a client waits with further ones.
const MAX_STREAMS: u32 = 128;
/// Bytes of the header of a call.
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// Serves the protocol on the listener until `stop` and for the configured delay after it, in which only readiness is denied;
/// then takes no more connections, lets calls end for the configured time, and returns.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, state: AppState, stop: CancellationToken) -> io::Result<()> {
    let shutdown = state.shutdown.clone();
    tokio::spawn(close_later(stop, state.clone()));
    let drain = Duration::from_secs_f64(state.config.drain_seconds);
    let connections = connections(BoundedListener::for_frames(listener, &state.config));
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .add_service(Inference { state })
        .serve_with_incoming_shutdown(connections, shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = server => served.map_err(io::Error::other),
        () = overdue => {
            tracing::warn!(seconds = drain.as_secs_f64(), "calls were still at work and are cut off");
            Ok(())
        }
    }
}

/// Takes a message apart as the service does.
#[cfg(test)]
pub(super) fn read(
    message: &[u8],
    mistakes: &super::mistakes::Mistakes,
) -> Result<super::draft::Draft, crate::http::error::ApiError> {
    wire::outline(message)?;
    Ok(convert::draft(service::decoded(bytes::Bytes::copy_from_slice(message))?, mistakes))
}

fn connections(listener: BoundedListener) -> impl Stream<Item = io::Result<TimedStream<TcpStream>>> {
    futures::stream::unfold(listener, |mut listener| async {
        let (stream, _) = axum::serve::Listener::accept(&mut listener).await;
        Some((Ok(stream), listener))
    })
}

impl Connected for TimedStream<TcpStream> {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection().clone()
    }
}
