//! Logs and traces, set up once: lines for people or machines, and spans for a collector if there is one.

pub mod traces;

use std::error::Error;
use std::fmt;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt as lines};

use traces::Traces;

/// Prints an error with its whole chain of causes, once, where it is handled.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(out, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging to standard error, and tracing if there is where to. `filter` is a directive list such as `info` or
/// `evenkeel=debug,sqlx=warn`; it holds for lines only.
///
/// # Errors
/// If the filter cannot be parsed or logging was set up before.
pub fn init(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_new(filter)?;
    let Some(traces) = traces else { return init_lines(format, filter) };
    let layer = lines::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Human => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces.layer()).try_init()?;
    traces.begin();
    Ok(())
}

/// Without layers, each of which would ask its own filter for every span.
fn init_lines(format: LogFormat, filter: EnvFilter) -> Result<(), Box<dyn Error + Send + Sync>> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
}
