//! What commands tell while they run: log lines, and traces of the services.

use tokio::runtime::Runtime;

use super::{CliError, runtime};
use crate::telemetry::traces::Traces;
use crate::telemetry::{self, LogFormat};

/// How log lines look and where traces go.
#[derive(Debug, clap::Args)]
pub(super) struct TelemetryArgs {
    /// How log lines look; they go to standard error.
    #[arg(long, env = "EVENKEEL_LOG_FORMAT", value_enum, default_value = "human", global = true)]
    log_format: LogFormat,
    /// What is logged: a level, or directives such as `info,evenkeel=debug`.
    #[arg(long, env = "EVENKEEL_LOG_FILTER", global = true, value_name = "FILTER")]
    log_filter: Option<String>,
    /// Where `serve` and `worker` send traces, by OTLP over gRPC, such as `http://127.0.0.1:4317`. Nowhere by default.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", global = true, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// As `--otlp-endpoint`, and before it.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", global = true, value_name = "URL", hide = true)]
    otlp_traces_endpoint: Option<String>,
    /// What the service is called in traces.
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "evenkeel", global = true, value_name = "NAME")]
    service_name: String,
}

impl TelemetryArgs {
    /// Does work that logs what is at `level` or above, unless the settings say otherwise.
    pub(super) fn log<T>(&self, level: &str, work: impl FnOnce() -> Result<T, CliError>) -> Result<T, CliError> {
        self.start(level, None)?;
        work()
    }

    /// Runs a service that logs and, where it is configured, sends traces until its end.
    pub(super) fn trace<T>(&self, service: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        let runtime = runtime()?;
        let traces = self.traces(&runtime)?;
        self.start("info", traces.as_ref())?;
        let ended = runtime.block_on(service);
        // While the runtime is there that sends them.
        if let Some(traces) = traces {
            traces.stop();
        }
        ended
    }

    fn start(&self, level: &str, traces: Option<&Traces>) -> Result<(), CliError> {
        let filter = self.log_filter.as_deref().unwrap_or(level);
        telemetry::init(self.log_format, filter, traces).map_err(CliError::Telemetry)
    }

    fn traces(&self, runtime: &Runtime) -> Result<Option<Traces>, CliError> {
        // An empty variable is one that is not set.
        let given = |endpoint: &Option<String>| endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        let Some(endpoint) = given(&self.otlp_traces_endpoint).or_else(|| given(&self.otlp_endpoint)) else {
            return Ok(None);
        };
        let _within = runtime.enter();
        let started = Traces::start(&endpoint, &self.service_name);
        started.map(Some).map_err(|error| CliError::work(format!("traces cannot be sent to {endpoint}"), error))
    }
}
