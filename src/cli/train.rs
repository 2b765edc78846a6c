//! `evenkeel train`: the same work as a `train` job, on a file, without a server.
//!
//! The directory gets the artifact, `report.json`, `diagnosis.json` and `job.json`, all but the first as the API shows
//! them. A run that leaves no model leaves `diagnosis.json` where there is something to tell.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::CliError;
use super::files::{self, DataFile};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::http::{diagnosis_document, job_document};
use crate::jobs::{self, Ended, EngineLimits};
use crate::ml::config::{ConfigLimits, ObjectReader, TrainConfig};
use crate::ml::diagnose::{Diagnosis, Severity};
use crate::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
use crate::ml::table::{Profile, target_classes};
use crate::records::{
    DatasetId, DatasetRecord, JobConfig, JobId, JobRecord, JobStatus, PhaseSeconds, TrainJob, Transition, TypedConfig,
    Verdict,
};

/// Settings of `evenkeel train`.
#[derive(Debug, clap::Args)]
pub(super) struct TrainArgs {
    /// The rows: .csv, .ndjson, .parquet or .arrow, or .zip with pictures.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// A `train` job as JSON, without `dataset_id`. The target defaults to the last column, the positive label to
    /// the rarer class. Without a file every default is taken.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where model.safetensors, report.json, diagnosis.json and job.json go. Created if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print seconds per phase and examples per second at the end.
    #[arg(long)]
    report: bool,
    /// At most this many threads; 0 for one per core. The model does not depend on it.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Memory that the job may need by its estimate.
    #[arg(long, env = "EVENKEEL_MAX_JOB_MEMORY_BYTES", default_value_t = 8 << 30, value_name = "BYTES")]
    max_job_memory_bytes: u64,
}

pub(super) fn run(args: &TrainArgs) -> Result<(), CliError> {
    files::with_threads(args.threads, || train(args))
}

fn train(args: &TrainArgs) -> Result<(), CliError> {
    let clock = Arc::new(SystemClock);
    let file = DataFile::named(&args.data)?;
    let profile = file.profile()?;
    let request = read_request(args.config.as_deref())?;
    let dataset = describe(args, &file, profile, &request, clock.now())?;
    let job = check(&request, &dataset)?;
    let created_at = clock.now();
    let mut observer = Timings::new(clock.clone());
    let limits = EngineLimits { tables: files::LIMITS, memory_bytes: args.max_job_memory_bytes };
    let outcome = jobs::train(&limits, file.open()?, &dataset, &job.train, &mut observer);
    observer.end();
    std::fs::create_dir_all(&args.out).map_err(|source| CliError::File { path: args.out.clone(), source })?;
    let verdict = outcome.as_ref().ok().map(|produced| produced.verdict);
    tell_diagnosis(args, verdict, observer.diagnosis.take())?;
    let produced = outcome.map_err(|ended| CliError::Usage(explain(ended)))?;
    let timings = observer.seconds;
    let job = finished_job(job, &dataset, created_at, clock.now(), timings.clone());
    write(&args.out.join(files::ARTIFACT), &produced.artifact)?;
    write_json(&args.out.join("report.json"), &serde_json::to_value(&produced.report))?;
    let mut document = job_document(&job);
    let training = timings.iter().find(|timing| timing.phase == Phase::Training).map_or(0.0, |t| t.seconds);
    let examples_per_second = (training > 0.0).then(|| produced.examples_seen as f64 / training);
    if let Value::Object(members) = &mut document {
        let mut summary = produced.training;
        summary.examples_per_second = examples_per_second;
        members.insert("training".to_owned(), serde_json::to_value(summary).unwrap_or_default());
    }
    write_json(&args.out.join("job.json"), &Ok(document))?;
    if args.report {
        for timing in &timings {
            println!("{:<14} {:>9.3} s", timing.phase.as_str(), timing.seconds);
        }
        println!("{:<14} {:>9.0} examples per second", "training", examples_per_second.unwrap_or(0.0));
    }
    let precision = produced.report.metrics.get("average_precision");
    let value = precision.and_then(|metric| metric.value).map_or("-".to_owned(), |value| format!("{value:.4}"));
    println!(
        "average precision {value} (no skill {:.4}), verdict {}",
        produced.report.prevalence,
        produced.verdict.as_str()
    );
    Ok(())
}

/// Prints the findings, the infos without their remedies, and writes the whole diagnosis.
fn tell_diagnosis(args: &TrainArgs, verdict: Option<Verdict>, diagnosis: Option<Diagnosis>) -> Result<(), CliError> {
    let Some(diagnosis) = diagnosis else { return Ok(()) };
    for finding in &diagnosis.findings {
        println!("{:<7} {}: {}", finding.severity.as_str(), finding.code.as_str(), finding.title);
        if finding.severity > Severity::Info {
            println!("        {}", finding.remedy);
        }
    }
    write_json(&args.out.join("diagnosis.json"), &Ok(diagnosis_document(verdict, diagnosis)))
}

fn read_request(path: Option<&Path>) -> Result<Value, CliError> {
    let Some(path) = path else { return Ok(Value::Object(serde_json::Map::new())) };
    files::read_json(path)
}

/// The file as a dataset record, so that everything after it is the same as on the server.
fn describe(
    args: &TrainArgs,
    file: &DataFile,
    profile: Profile,
    request: &Value,
    now: Timestamp,
) -> Result<DatasetRecord, CliError> {
    let target = request.get("target").and_then(Value::as_str).unwrap_or_else(|| profile.usual_target()).to_owned();
    let class_counts =
        target_classes(&profile, &target).map_err(|error| CliError::work(args.data.display().to_string(), error))?;
    let rarer = class_counts.iter().min_by_key(|(_, count)| **count).map(|(label, _)| label.clone());
    Ok(DatasetRecord {
        id: DatasetId::new(),
        name: args.data.file_stem().and_then(|stem| stem.to_str()).unwrap_or("dataset").to_owned(),
        created_at: now,
        format: file.format().clone(),
        size_bytes: std::fs::metadata(&args.data).map_or(0, |metadata| metadata.len()),
        sha256: String::new(),
        rows: profile.rows,
        target,
        positive_label: rarer.unwrap_or_default(),
        class_counts,
        columns: profile.columns,
        missing_markers: files::missing_markers(),
        origin_columns: vec![],
    })
}

fn check(request: &Value, dataset: &DatasetRecord) -> Result<TrainJob, CliError> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(request, "", &mut errors);
    reader.choice("type", (), &[("train", ())], &mut errors);
    let model_name = reader.text("model_name", 200, &mut errors).unwrap_or_else(|| dataset.name.clone());
    for service_only in ["priority", "max_attempts", "max_seconds"] {
        reader.value(service_only);
    }
    let train = TrainConfig::check(&mut reader, &dataset.facts(), &ConfigLimits::STANDARD, &mut errors);
    reader.finish(&mut errors);
    if errors.is_empty() {
        return Ok(TrainJob { model_name, train });
    }
    let lines: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
    Err(CliError::Usage(format!("the configuration has mistakes\n{}", lines.join("\n"))))
}

fn explain(ended: Ended) -> String {
    match ended {
        Ended::Failed(failure) => format!("{} ({}): {}", failure.title, failure.code, failure.detail),
        Ended::Stopped(_) => "stopped".to_owned(),
        Ended::Trouble => "a file could not be written".to_owned(),
    }
}

fn finished_job(
    job: TrainJob,
    dataset: &DatasetRecord,
    started: Timestamp,
    finished: Timestamp,
    timings: Vec<PhaseSeconds>,
) -> JobRecord {
    let transition = |status, at| Transition { status, at };
    JobRecord {
        id: JobId::new(),
        status: JobStatus::Succeeded,
        phase: Some(Phase::Storing),
        progress: 1.0,
        attempt: 1,
        max_attempts: 1,
        created_at: started,
        started_at: Some(started),
        finished_at: Some(finished),
        dataset_id: dataset.id,
        retry_of: None,
        model_id: None,
        result_dataset_id: None,
        result: None,
        config: JobConfig { priority: 0, max_seconds: f64::MAX, typed: TypedConfig::Train(Box::new(job)) },
        failure: None,
        timings,
        transitions: vec![
            transition(JobStatus::Queued, started),
            transition(JobStatus::Running, started),
            transition(JobStatus::Succeeded, finished),
        ],
        checkpoint: None,
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    files::write_whole(path, |out| out.write_all(bytes))
}

fn write_json(path: &Path, value: &Result<Value, serde_json::Error>) -> Result<(), CliError> {
    let value = value.as_ref().map_err(|error| CliError::Usage(error.to_string()))?;
    write(path, format!("{value:#}\n").as_bytes())
}

/// Measures the phases and keeps the diagnosis; stops nothing.
struct Timings {
    clock: Arc<dyn Clock>,
    present: Option<(Phase, Timestamp)>,
    seconds: Vec<PhaseSeconds>,
    diagnosis: Option<Diagnosis>,
}

impl Timings {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, present: None, seconds: Vec::new(), diagnosis: None }
    }

    fn end(&mut self) {
        if let Some((phase, since)) = self.present.take() {
            self.seconds.push(PhaseSeconds { phase, seconds: self.clock.now().seconds_since(since) });
        }
    }
}

impl TrainObserver for Timings {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.end();
        self.present = Some((phase, self.clock.now()));
        ControlFlow::Continue(())
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }

    fn diagnosed(&mut self, diagnosis: &Diagnosis) {
        self.diagnosis = Some(diagnosis.clone());
    }
}
