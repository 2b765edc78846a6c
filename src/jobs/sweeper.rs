//! Keeps the store in order: lapsed leases every few seconds, what is too old every hour.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::WorkerConfig;
use crate::store::Store;
use crate::telemetry::Chain;

pub(super) async fn run(store: Store, config: WorkerConfig, shutdown: CancellationToken) {
    let pause = Duration::from_secs_f64((config.lease_seconds / 3.0).min(config.sweep_seconds));
    let mut last_sweep = None;
    loop {
        match store.expire_leases().await {
            Ok(0) => {}
            Ok(expired) => tracing::warn!(expired, "jobs whose workers were lost"),
            Err(error) => tracing::error!(error = %Chain(&error), "leases cannot be checked"),
        }
        let now = store.clock().now();
        if last_sweep.is_none_or(|last| now.seconds_since(last) >= config.sweep_seconds) {
            last_sweep = Some(now);
            match store.sweep(&config.retention).await {
                Ok(swept) => tracing::debug!(?swept, "swept"),
                Err(error) => tracing::error!(error = %Chain(&error), "old rows and blobs cannot be removed"),
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
