//! A row of `jobs` as it is stored.

use crate::clock::Timestamp;
use crate::records::{JobCheckpoint, JobRecord, Lease};
use crate::store::row::{Place, columns};
use crate::store::{Result, StoreError};

columns! {
    pub(super) struct JobRow {
        pub(super) id: String,
        status: String,
        phase: Option<String>,
        progress: f64,
        attempt: i64,
        max_attempts: i64,
        created_at: i64,
        pub(super) available_at: i64,
        started_at: Option<i64>,
        finished_at: Option<i64>,
        pub(super) cancel_requested_at: Option<i64>,
        dataset_id: String,
        retry_of: Option<String>,
        model_id: Option<String>,
        result_dataset_id: Option<String>,
        result_details: Option<String>,
        config: String,
        failure: Option<String>,
        timings: String,
        transitions: String,
        pub(super) last_event: i64,
        lease_token: Option<String>,
        lease_expires_at: Option<i64>,
        checkpoint_sha256: Option<String>,
        checkpoint_epochs: Option<i64>,
        checkpoint_at: Option<i64>,
    }
}

impl JobRow {
    fn place(&self) -> Place<'_> {
        Place { table: "jobs", id: &self.id }
    }

    fn checkpoint(&self) -> Result<Option<JobCheckpoint>> {
        let (Some(sha256), Some(epochs), Some(at)) =
            (&self.checkpoint_sha256, self.checkpoint_epochs, self.checkpoint_at)
        else {
            return Ok(None);
        };
        let epochs = self.place().number("checkpoint_epochs", epochs)?;
        Ok(Some(JobCheckpoint { sha256: sha256.clone(), epochs, at: Timestamp::from_micros(at) }))
    }

    /// Who holds the job.
    pub(super) fn lease(&self) -> Result<Option<Lease>> {
        let (Some(token), Some(expires_at)) = (&self.lease_token, self.lease_expires_at) else { return Ok(None) };
        Ok(Some(Lease {
            job_id: self.place().parse("id", &self.id)?,
            token: self.place().parse("lease_token", token)?,
            expires_at: Timestamp::from_micros(expires_at),
        }))
    }
}

impl TryFrom<JobRow> for JobRecord {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self> {
        let place = row.place();
        Ok(JobRecord {
            id: place.parse("id", &row.id)?,
            status: place.word("status", &row.status)?,
            phase: row.phase.as_deref().map(|phase| place.word("phase", phase)).transpose()?,
            progress: row.progress,
            attempt: place.number("attempt", row.attempt)?,
            max_attempts: place.number("max_attempts", row.max_attempts)?,
            created_at: Timestamp::from_micros(row.created_at),
            started_at: row.started_at.map(Timestamp::from_micros),
            finished_at: row.finished_at.map(Timestamp::from_micros),
            dataset_id: place.parse("dataset_id", &row.dataset_id)?,
            retry_of: row.retry_of.as_deref().map(|id| place.parse("retry_of", id)).transpose()?,
            model_id: row.model_id.as_deref().map(|id| place.parse("model_id", id)).transpose()?,
            result_dataset_id: row
                .result_dataset_id
                .as_deref()
                .map(|id| place.parse("result_dataset_id", id))
                .transpose()?,
            result: row.result_details.as_deref().map(|result| place.json("result_details", result)).transpose()?,
            config: place.json("config", &row.config)?,
            failure: row.failure.as_deref().map(|failure| place.json("failure", failure)).transpose()?,
            timings: place.json("timings", &row.timings)?,
            transitions: place.json("transitions", &row.transitions)?,
            checkpoint: row.checkpoint()?,
        })
    }
}
