//! Records for the tests of this folder.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::http::JobLimits;
use crate::http::jobs::request::{Named, read_job_request};
use crate::ml::observe::Phase;
use crate::ml::table::{ColumnSummary, ColumnType, TableFormat, TopCategory};
use crate::records::{DatasetRecord, JobCheckpoint, JobId, JobRecord, JobStatus, PhaseSeconds, Transition};

/// 1000 rows: a number, a category with ten missing values, and the target.
pub(super) fn sample_dataset() -> DatasetRecord {
    DatasetRecord {
        id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        name: "mammography".to_owned(),
        created_at: Timestamp::from_micros(0),
        format: TableFormat::Csv { delimiter: ',', header: true },
        size_bytes: 20_000,
        sha256: "ab".repeat(32),
        rows: 1_000,
        target: "calcification".to_owned(),
        positive_label: "1".to_owned(),
        class_counts: BTreeMap::from([("0".to_owned(), 950), ("1".to_owned(), 50)]),
        columns: vec![
            column("area", ColumnType::Numeric, 977, &[]),
            column("ward", ColumnType::Categorical, 2, &[("east", 700), ("west", 290)]),
            column("calcification", ColumnType::Numeric, 2, &[("0", 950), ("1", 50)]),
        ],
        missing_markers: vec!["NA".to_owned()],
        origin_columns: vec![],
    }
}

fn column(name: &str, column_type: ColumnType, distinct: u64, top: &[(&str, u64)]) -> ColumnSummary {
    let missing = if top.is_empty() { 0 } else { 1_000 - top.iter().map(|(_, count)| count).sum::<u64>() };
    let top = top.iter().map(|(value, count)| TopCategory { value: (*value).to_owned(), count: *count }).collect();
    ColumnSummary {
        name: name.to_owned(),
        column_type,
        missing,
        distinct,
        distinct_exact: true,
        numeric: None,
        top,
        image: None,
    }
}

/// A job that is training in its first attempt.
pub(super) fn sample_job() -> JobRecord {
    let dataset = sample_dataset();
    let body = serde_json::json!({ "dataset_id": dataset.id });
    let request =
        read_job_request(&body, Named { dataset: Some(&dataset), model: None }, &JobLimits::default()).unwrap();
    let start = Timestamp::from_micros(1_700_000_000_000_000);
    JobRecord {
        id: "01890a5d-ac96-7ab2-80e2-4536629c90de".parse::<JobId>().unwrap(),
        status: JobStatus::Running,
        phase: Some(Phase::Training),
        progress: 0.25,
        attempt: 1,
        max_attempts: request.max_attempts,
        created_at: start,
        started_at: Some(start.plus_seconds(1.0)),
        finished_at: None,
        dataset_id: dataset.id,
        retry_of: None,
        model_id: None,
        result_dataset_id: None,
        result: None,
        config: request.config,
        failure: None,
        timings: vec![PhaseSeconds { phase: Phase::Loading, seconds: 0.5 }],
        transitions: vec![
            Transition { status: JobStatus::Queued, at: start },
            Transition { status: JobStatus::Running, at: start.plus_seconds(1.0) },
        ],
        checkpoint: Some(JobCheckpoint { sha256: "cd".repeat(32), epochs: 3, at: start.plus_seconds(31.0) }),
    }
}
