//! Where a service is asked: HTTP, and the Open Inference Protocol over gRPC if it is served.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::CliError;
use crate::http::{self, Access, AppState};

/// Listeners that are bound.
pub(super) struct Listeners {
    pub(super) http: TcpListener,
    pub(super) grpc: Option<TcpListener>,
}

impl Listeners {
    /// # Errors
    /// If an address is taken, or can be reached from other machines while the service is open to all.
    pub(super) async fn bind(http: SocketAddr, grpc: Option<SocketAddr>, access: Access) -> Result<Self, CliError> {
        for address in [Some(http), grpc].into_iter().flatten() {
            check_reach(address, access)?;
        }
        let http = TcpListener::bind(http).await.map_err(CliError::Listen)?;
        let grpc = match grpc {
            Some(address) => Some(TcpListener::bind(address).await.map_err(CliError::Listen)?),
            None => None,
        };
        Ok(Self { http, grpc })
    }

    /// Says in the log where the service is.
    ///
    /// # Errors
    /// If a listener does not know.
    pub(super) fn announce(&self, workers: usize) -> Result<(), CliError> {
        if let Some(listener) = &self.grpc {
            let address = listener.local_addr().map_err(CliError::Listen)?;
            tracing::info!(%address, "listening for gRPC");
        }
        let address = self.http.local_addr().map_err(CliError::Listen)?;
        tracing::info!(%address, workers, "listening");
        Ok(())
    }

    /// Serves until `stop`. A server that cannot go on leaves nothing of the process behind: it shuts down the rest.
    ///
    /// # Errors
    /// What ends one of them before.
    pub(super) async fn serve(self, state: AppState, stop: &CancellationToken) -> io::Result<()> {
        let http = async {
            let served = http::serve(self.http, state.clone(), stop.clone()).await;
            stop.cancel();
            served
        };
        let grpc = async {
            let Some(listener) = self.grpc else { return Ok(()) };
            let served = http::serve_grpc(listener, state.clone(), stop.clone()).await;
            stop.cancel();
            served
        };
        let (http, grpc) = tokio::join!(http, grpc);
        http.and(grpc)
    }
}

/// A service without keys is for this machine only.
fn check_reach(address: SocketAddr, access: Access) -> Result<(), CliError> {
    if address.ip().is_loopback() || access == Access::Keys {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{address} can be reached from other machines, and the API would be open to all of them; \
         add --require-keys and make a key with `evenkeel keys create`, or listen on 127.0.0.1"
    )))
}
