//! What a job's diagnosis found.

use sqlx::{Any, Transaction};

use crate::ml::diagnose::Diagnosis;
use crate::records::JobId;
use crate::store::row::{Place, to_json};
use crate::store::{Result, Store};

impl Store {
    /// The diagnosis of the job's last attempt; `None` before there is one, and of a job that was stopped.
    pub async fn diagnosis(&self, id: JobId) -> Result<Option<Diagnosis>> {
        let id = id.to_string();
        let row: Option<(String,)> = sqlx::query_as("SELECT diagnosis FROM job_diagnoses WHERE job_id = $1")
            .bind(id.clone())
            .fetch_optional(self.pool())
            .await?;
        row.map(|(diagnosis,)| Place { table: "job_diagnoses", id: &id }.json("diagnosis", &diagnosis)).transpose()
    }
}

/// Writes the diagnosis in the place of an earlier attempt's; the caller holds the job's row.
pub(super) async fn write_diagnosis(
    transaction: &mut Transaction<'static, Any>,
    id: JobId,
    diagnosis: &Diagnosis,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO job_diagnoses (job_id, diagnosis) VALUES ($1, $2)
         ON CONFLICT (job_id) DO UPDATE SET diagnosis = excluded.diagnosis",
    )
    .bind(id.to_string())
    .bind(to_json("job_diagnoses", id, diagnosis)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
