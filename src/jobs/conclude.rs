//! Writing down how a job ended.

use std::time::Duration;

use super::engine::Produced;
use super::failure;
use super::keep::keep;
use super::runner::{Outcome, Runner, Running};
use crate::ml::observe::{Phase, Stop};
use crate::store::{Finish, StoreError, Written};
use crate::telemetry::Chain;

/// Tries to write the end of a job before the lease is left to lapse, over about six seconds.
const WRITE_ATTEMPTS: u32 = 6;
/// The first wait between two tries; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

impl Runner {
    /// Writes the end down, trying again while the store does not answer. Answers what the end was.
    pub(super) async fn conclude(&self, running: &mut Running, outcome: Outcome) -> Result<&'static str, StoreError> {
        if matches!(outcome, Outcome::Stopped(Stop::LostLease)) {
            return Ok("lost");
        }
        self.tell_the_rest(running).await?;
        if matches!(outcome, Outcome::Stopped(Stop::Shutdown)) {
            self.save_the_last(running).await;
        }
        let outcome = match outcome {
            Outcome::Produced(produced) => return self.finish(running, *produced).await,
            Outcome::Stopped(Stop::OutOfTime) => Outcome::Failed(failure::out_of_time(running.job.config.max_seconds)),
            outcome => outcome,
        };
        let (store, lease, timings) = (&self.store, &running.lease, &running.window.timings());
        let (written, end) = match &outcome {
            Outcome::Failed(failure) => (patiently(|| store.fail(lease, failure, timings)).await?, "failed"),
            Outcome::Trouble(failure) => (patiently(|| store.retry_later(lease, failure)).await?, "put back"),
            Outcome::Stopped(Stop::Cancelled) => (patiently(|| store.cancelled(lease, timings)).await?, "cancelled"),
            Outcome::Stopped(_) | Outcome::Produced(_) => (patiently(|| store.give_back(lease)).await?, "given back"),
        };
        Ok(match written {
            Written::Done => end,
            Written::LostLease => "lost",
        })
    }

    /// The last epochs and phases come before the end.
    async fn tell_the_rest(&self, running: &mut Running) -> Result<(), StoreError> {
        let mut attempt = 1;
        while let Err(error) = self.beat(running).await {
            wait_or_give_up(error, attempt).await?;
            attempt += 1;
        }
        Ok(())
    }

    async fn finish(&self, running: &mut Running, produced: Produced) -> Result<&'static str, StoreError> {
        let examples_per_second = examples_per_second(running, &produced);
        running.window.enter(Phase::Storing);
        let job = running.job.clone();
        let stored = patiently(|| keep(&self.store, &job, &produced, examples_per_second));
        let results = match self.attend(running, stored).await {
            Ok(results) => results,
            Err(error) => return self.unstored(running, &error).await,
        };
        self.tell_the_rest(running).await?;
        let timings = running.window.timings();
        match patiently(|| self.store.finish(&running.lease, results.clone(), &timings)).await? {
            Finish::Succeeded(_) => Ok("succeeded"),
            Finish::Cancelled => Ok("cancelled"),
            Finish::LostLease => Ok("lost"),
        }
    }

    async fn unstored(&self, running: &Running, error: &StoreError) -> Result<&'static str, StoreError> {
        tracing::error!(job = %running.job.id, error = %Chain(error), "what a job leaves could not be stored");
        let failure = failure::storage_failed();
        match patiently(|| self.store.retry_later(&running.lease, &failure)).await? {
            Written::Done => Ok("put back"),
            Written::LostLease => Ok("lost"),
        }
    }
}

/// Rows seen in all epochs over the seconds of the training phase; of a model.
fn examples_per_second(running: &Running, produced: &Produced) -> Option<f64> {
    let model = produced.model.as_ref()?;
    let timings = running.window.timings();
    let training = timings.iter().find(|timing| timing.phase == Phase::Training)?;
    (training.seconds > 0.0).then(|| model.examples_seen as f64 / training.seconds)
}

/// Repeats a write while the store does not answer, each time more slowly.
pub(super) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    write: impl Fn() -> F,
) -> Result<T, StoreError> {
    let mut attempt = 1;
    loop {
        match write().await {
            Ok(answer) => return Ok(answer),
            Err(error) => wait_or_give_up(error, attempt).await?,
        }
        attempt += 1;
    }
}

async fn wait_or_give_up(error: StoreError, attempt: u32) -> Result<(), StoreError> {
    if !error.is_transient() || attempt >= WRITE_ATTEMPTS {
        return Err(error);
    }
    tracing::warn!(error = %Chain(&error), attempt, "the store does not answer");
    tokio::time::sleep(FIRST_WAIT * 2u32.saturating_pow(attempt - 1)).await;
    Ok(())
}
