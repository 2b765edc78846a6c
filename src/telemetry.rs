//! Logs: set up once, human-readable or JSON.

use std::error::Error;
use std::fmt;

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

/// Starts logging to standard error. `filter` is a directive list such as `info` or `evenkeel=debug,sqlx=warn`.
///
/// # Errors
/// If the filter cannot be parsed or logging was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
}
