//! Serving until told to stop.

use std::future::IntoFuture;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connection::BoundedListener;
use super::shortcut::Front;
use super::{AppState, aliases};

/// Serves the API on the listener until `stop` and for the configured delay after it, in which only readiness is denied; then
/// takes no more connections, lets requests end for the configured time, and returns.
///
/// # Errors
/// If the document and the handlers do not match, or the listener fails.
pub async fn serve(listener: TcpListener, state: AppState, stop: CancellationToken) -> io::Result<()> {
    let shutdown = state.shutdown.clone();
    tokio::spawn(close_later(stop, state.clone()));
    let drain = Duration::from_secs_f64(state.config.drain_seconds);
    let listener = BoundedListener::new(listener, &state.config);
    aliases::start_shadows(&state)?;
    let following = AbortOnDropHandle::new(tokio::spawn(aliases::follow(state.clone())));
    let watched = state.clone();
    let front = Front::new(state).map_err(io::Error::other)?;
    let server = axum::serve(listener, front).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    let served = tokio::select! {
        served = server.into_future() => served,
        () = overdue => {
            tracing::warn!(seconds = drain.as_secs_f64(), "requests were still at work and are cut off");
            Ok(())
        }
    };
    drop(following);
    aliases::flush_shadows(&watched).await;
    served
}

/// Denies readiness once the server has been told to stop, and closes when the delay is over.
pub(super) async fn close_later(stop: CancellationToken, state: AppState) {
    stop.cancelled().await;
    state.stopping.cancel();
    let delay = Duration::try_from_secs_f64(state.config.shutdown_delay_seconds).unwrap_or_default();
    tokio::time::sleep(delay).await;
    state.shutdown.cancel();
}
