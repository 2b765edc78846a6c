//! Serving until told to stop.

use std::future::IntoFuture;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connection::{BoundedListener, Connection};
use super::{AppState, router};

/// Serves the API on the listener until `shutdown`; then takes no more connections, lets requests end for the
/// configured time, and returns.
///
/// # Errors
/// If the document and the handlers do not match, or the listener fails.
pub async fn serve(listener: TcpListener, mut state: AppState, shutdown: CancellationToken) -> io::Result<()> {
    state.shutdown = shutdown.clone();
    let drain = Duration::from_secs_f64(state.config.drain_seconds);
    let listener = BoundedListener::new(listener, &state.config);
    let service = router(state).map_err(io::Error::other)?.into_make_service_with_connect_info::<Connection>();
    let server = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = server.into_future() => served,
        () = overdue => {
            tracing::warn!(seconds = drain.as_secs_f64(), "requests were still at work and are cut off");
            Ok(())
        }
    }
}
