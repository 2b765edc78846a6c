//! Alarm clocks: what tells a waiting reader that something has changed, so that it need not wait for its next poll.
//! They are a convenience over polling and never the truth: a ring may be missed and may come without a change.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Any, Transaction};
use tokio::sync::watch;

use super::Result;
use super::engine::Engine;
use crate::telemetry::Chain;

/// The PostgreSQL channel; its payload is the name of the bell.
const CHANNEL: &str = "evenkeel";
/// How long to wait before a lost listener connects again.
const RECONNECT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bell {
    /// A job was written.
    Jobs,
    /// A job is ready to be claimed.
    Queue,
    /// A running job is to be cancelled.
    Cancels,
    /// An alias was changed.
    Aliases,
}

impl Bell {
    const ALL: [Bell; 4] = [Bell::Jobs, Bell::Queue, Bell::Cancels, Bell::Aliases];

    fn as_str(self) -> &'static str {
        match self {
            Bell::Jobs => "jobs",
            Bell::Queue => "queue",
            Bell::Cancels => "cancels",
            Bell::Aliases => "aliases",
        }
    }
}

pub(super) struct Alarm {
    engine: Engine,
    jobs: watch::Sender<u64>,
    queue: watch::Sender<u64>,
    cancels: watch::Sender<u64>,
    aliases: watch::Sender<u64>,
}

impl Alarm {
    /// Listens to other processes where the engine can, until the last handle is dropped.
    pub(super) fn start(engine: Engine, url: &str) -> Arc<Self> {
        let alarm = Arc::new(Self {
            engine,
            jobs: watch::Sender::new(0),
            queue: watch::Sender::new(0),
            cancels: watch::Sender::new(0),
            aliases: watch::Sender::new(0),
        });
        if engine == Engine::Postgres {
            tokio::spawn(listen(url.to_owned(), Arc::downgrade(&alarm)));
        }
        alarm
    }

    pub(super) fn subscribe(&self, bell: Bell) -> watch::Receiver<u64> {
        self.sender(bell).subscribe()
    }

    /// Rings in this process.
    pub(super) fn ring(&self, bell: Bell) {
        self.sender(bell).send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Has the other processes' bells ring when the transaction commits.
    pub(super) async fn announce(&self, transaction: &mut Transaction<'static, Any>, bell: Bell) -> Result<()> {
        if self.engine == Engine::Postgres {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(bell.as_str())
                .execute(&mut **transaction)
                .await?;
        }
        Ok(())
    }

    fn sender(&self, bell: Bell) -> &watch::Sender<u64> {
        match bell {
            Bell::Jobs => &self.jobs,
            Bell::Queue => &self.queue,
            Bell::Cancels => &self.cancels,
            Bell::Aliases => &self.aliases,
        }
    }
}

async fn listen(url: String, alarm: Weak<Alarm>) {
    while alarm.strong_count() > 0 {
        if let Err(error) = listen_once(&url, &alarm).await {
            tracing::warn!(error = %Chain(&error), "lost the database's notifications; polling goes on");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Rings until the connection or the alarm is gone.
async fn listen_once(url: &str, alarm: &Weak<Alarm>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    ring_all(alarm);
    while alarm.strong_count() > 0 {
        let Ok(notification) = tokio::time::timeout(RECONNECT, listener.try_recv()).await else { continue };
        match notification? {
            Some(notification) => ring_named(alarm, notification.payload()),
            None => ring_all(alarm),
        }
    }
    Ok(())
}

/// What happened while nobody listened is unknown, so everybody looks.
fn ring_all(alarm: &Weak<Alarm>) {
    for bell in Bell::ALL {
        ring_named(alarm, bell.as_str());
    }
}

fn ring_named(alarm: &Weak<Alarm>, name: &str) {
    let bell = Bell::ALL.into_iter().find(|bell| bell.as_str() == name);
    if let (Some(alarm), Some(bell)) = (alarm.upgrade(), bell) {
        alarm.ring(bell);
    }
}
