//! The command line: `evenkeel serve | worker | migrate | keys | train | resample | predict | export | quickstart | openapi`.
//!
//! Settings come from flags, then `EVENKEEL_*` environment variables; `--help` shows each with its default.

mod export;
mod files;
mod keys;
mod listen;
mod picture_args;
mod predict;
mod processor;
mod quickstart;
mod resample;
mod service;
mod telemetry;
mod train;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::store::StoreError;
use processor::ProcessorArgs;
use telemetry::TelemetryArgs;

/// Trains, evaluates and serves binary classifiers on imbalanced data.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    processor: ProcessorArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API, and run jobs unless `--workers 0`.
    Serve(Box<service::ServeArgs>),
    /// Run jobs without serving the API.
    Worker(Box<service::WorkerArgs>),
    /// Bring the database schema up to date and exit.
    Migrate(service::StoreArgs),
    /// Create, list and revoke API keys.
    Keys(keys::KeysArgs),
    /// Train on a file, without a server.
    Train(train::TrainArgs),
    /// Resample a file, without a server.
    Resample(resample::ResampleArgs),
    /// Predict a file with a trained model, without a server.
    Predict(predict::PredictArgs),
    /// Write a trained model as ONNX, without a server.
    Export(export::ExportArgs),
    /// Do the whole main job on a bundled dataset: upload, train, report, predict.
    Quickstart(quickstart::QuickstartArgs),
    /// Print the API document (OpenAPI 3.1).
    Openapi,
}

/// Why a command ended without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("logging cannot be set up")]
    Telemetry(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the runtime cannot be started")]
    Runtime(#[source] std::io::Error),
    #[error("the address cannot be listened on")]
    Listen(#[source] std::io::Error),
    #[error("{path}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the server stopped")]
    Serve(#[source] std::io::Error),
    #[error("the store is not usable")]
    Store(#[source] StoreError),
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    #[error("{0}")]
    Quickstart(String),
    #[error("{context}")]
    Work { context: String, source: Box<dyn std::error::Error + Send + Sync> },
}

impl CliError {
    /// A failure of some other part, with what was being done.
    fn work(context: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        CliError::Work { context: context.into(), source: Box::new(source) }
    }
}

impl Cli {
    /// Reads the command line; prints help and exits where it is asked for or mistaken.
    pub fn read() -> Self {
        Cli::parse()
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// If it cannot be done; the error's chain says why.
    pub fn run(self) -> Result<(), CliError> {
        self.processor.apply();
        let telemetry = self.telemetry;
        // Commands that talk on standard output stay quiet on standard error unless asked.
        match self.command {
            Command::Serve(args) => telemetry.trace(service::serve(*args)),
            Command::Worker(args) => telemetry.trace(service::worker(*args)),
            Command::Migrate(args) => telemetry.log("info", || block_on(service::migrate(args))),
            Command::Keys(args) => telemetry.log("warn", || block_on(keys::run(args))),
            Command::Quickstart(args) => telemetry.log("warn", || block_on(quickstart::run(args))),
            Command::Train(args) => telemetry.log("warn", || train::run(&args)),
            Command::Resample(args) => telemetry.log("warn", || resample::run(&args)),
            Command::Predict(args) => telemetry.log("warn", || predict::run(&args)),
            Command::Export(args) => telemetry.log("warn", || export::run(&args)),
            Command::Openapi => {
                print!("{}", crate::http::OPENAPI_YAML);
                Ok(())
            }
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    runtime()?.block_on(work)
}

fn runtime() -> Result<Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)
}
