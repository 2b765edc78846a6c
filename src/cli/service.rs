//! `evenkeel serve`, `worker` and `migrate`: the service itself, and its settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::CliError;
use super::listen::Listeners;
use super::picture_args::PictureArgs;
use crate::clock::SystemClock;
use crate::http::{Access, AppState, HttpConfig};
use crate::jobs::{self, WorkerConfig};
use crate::ml::model::MAX_ARTIFACT_BYTES;
use crate::store::{Store, StoreConfig};

/// Where data is kept.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StoreArgs {
    /// Directory for the database and the blobs, unless their URLs say otherwise. Created if missing.
    #[arg(long, env = "EVENKEEL_DATA_DIR", default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://user:password@host/database`; SQLite in the data directory by default.
    #[arg(long, env = "EVENKEEL_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// `file:///dir`, `s3://bucket/prefix`, `gs://...` or `az://...`; the data directory by default. Credentials
    /// come from the usual variables of the provider (`AWS_ACCESS_KEY_ID`, ...).
    #[arg(long, env = "EVENKEEL_BLOB_URL", value_name = "URL")]
    blob_url: Option<String>,
    /// Connections to the database at once.
    #[arg(long, env = "EVENKEEL_DATABASE_CONNECTIONS", default_value_t = 16, value_name = "N")]
    database_connections: u32,
    /// Jobs that may wait in the queue; more are told to come back.
    #[arg(long, env = "EVENKEEL_MAX_QUEUED_JOBS", default_value_t = 10_000, value_name = "N")]
    max_queued_jobs: u64,
}

impl StoreArgs {
    fn config(&self) -> Result<StoreConfig, CliError> {
        let data_dir = std::path::absolute(&self.data_dir)
            .map_err(|source| CliError::File { path: self.data_dir.clone(), source })?;
        let mut config = local_store(&data_dir)?;
        if let Some(url) = &self.database_url {
            config.database_url.clone_from(url);
        }
        if let Some(url) = &self.blob_url {
            config.blob_url.clone_from(url);
        }
        config.blob_options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        config.max_connections = self.database_connections;
        config.max_pending = self.max_queued_jobs;
        Ok(config)
    }

    /// Opens the store, its schema up to date.
    pub(super) async fn open(&self) -> Result<Store, CliError> {
        open(&self.config()?).await
    }
}

async fn open(config: &StoreConfig) -> Result<Store, CliError> {
    let store = Store::connect(config, Arc::new(SystemClock)).await.map_err(CliError::Store)?;
    store.migrate().await.map_err(CliError::Store)?;
    Ok(store)
}

fn local_store(data_dir: &Path) -> Result<StoreConfig, CliError> {
    let blobs = data_dir.join("blobs");
    let blob_url = url::Url::from_directory_path(&blobs)
        .map_err(|()| CliError::Usage(format!("{}: not a path that blobs can be kept under", data_dir.display())))?;
    let database = data_dir.join("evenkeel.db");
    Ok(StoreConfig::new(format!("sqlite:{}", database.display()), blob_url.as_str(), data_dir.join("spool")))
}

/// How jobs are worked on.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct JobArgs {
    /// Threads for numeric work, shared by all jobs of the process; 0 for one per core. Results do not depend on it.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Memory that one job may need by its estimate; a larger one is refused.
    #[arg(long, env = "EVENKEEL_MAX_JOB_MEMORY_BYTES", default_value_t = 2 << 30, value_name = "BYTES")]
    max_job_memory_bytes: u64,
    /// Seconds a job stays claimed without a sign of life from its worker.
    #[arg(long, env = "EVENKEEL_LEASE_SECONDS", default_value_t = 30.0, value_name = "SECONDS")]
    lease_seconds: f64,
    /// Seconds between two looks at the queue, where nothing tells of a new job.
    #[arg(long, env = "EVENKEEL_POLL_SECONDS", default_value_t = 1.0, value_name = "SECONDS")]
    poll_seconds: f64,
    /// Seconds between two checkpoints of a network's training, which it goes on from if its worker stops or is lost; 0
    /// for none.
    #[arg(long, env = "EVENKEEL_CHECKPOINT_SECONDS", default_value_t = 30.0, value_name = "SECONDS")]
    checkpoint_seconds: f64,
    /// Days until a finished job and its learning curves are forgotten; its model stays.
    #[arg(long, env = "EVENKEEL_JOB_RETENTION_DAYS", default_value_t = 90.0, value_name = "DAYS")]
    job_retention_days: f64,
}

impl JobArgs {
    fn worker_config(&self, workers: usize) -> Result<WorkerConfig, CliError> {
        for (flag, value) in [
            ("--lease-seconds", self.lease_seconds),
            ("--poll-seconds", self.poll_seconds),
            ("--job-retention-days", self.job_retention_days),
        ] {
            if !(value.is_finite() && value > 0.0 && value < 1e9) {
                return Err(CliError::Usage(format!("{flag} is a number above 0, found {value}")));
            }
        }
        if !(self.checkpoint_seconds >= 0.0 && self.checkpoint_seconds < 1e9) {
            let found = self.checkpoint_seconds;
            return Err(CliError::Usage(format!("--checkpoint-seconds is a number from 0 on, found {found}")));
        }
        let mut config = WorkerConfig::standard();
        config.workers = workers;
        config.checkpoint_seconds = self.checkpoint_seconds;
        config.lease_seconds = self.lease_seconds;
        config.poll_seconds = self.poll_seconds;
        config.heartbeat_seconds = config.heartbeat_seconds.min(self.lease_seconds / 3.0);
        config.memory_bytes = self.max_job_memory_bytes;
        config.retention.job_seconds = self.job_retention_days * 86_400.0;
        // What was accepted as an upload is read, whatever the limits are now.
        config.table_limits.max_decompressed_bytes = u64::MAX;
        Ok(config)
    }
}

/// Settings of `evenkeel worker`.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    jobs: JobArgs,
    /// Jobs at work at once.
    #[arg(long, env = "EVENKEEL_WORKERS", default_value_t = 1, value_name = "N")]
    workers: usize,
}

/// Settings of `evenkeel serve`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The address to listen on. Any but a loopback address needs `--require-keys` and at least one key.
    #[arg(long, env = "EVENKEEL_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The address to serve the Open Inference Protocol over gRPC on, such as `127.0.0.1:8081`; not served by default. The
    /// same rules hold as for `--listen`.
    #[arg(long, env = "EVENKEEL_GRPC_LISTEN", value_name = "ADDRESS")]
    grpc_listen: Option<SocketAddr>,
    /// Answer only requests with an API key, on loopback too.
    #[arg(long, env = "EVENKEEL_REQUIRE_KEYS")]
    require_keys: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    jobs: JobArgs,
    /// Jobs at work at once in this process; 0 to serve the API only.
    #[arg(long, env = "EVENKEEL_WORKERS", default_value_t = 1, value_name = "N")]
    workers: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What requests may ask for.
#[derive(Debug, Clone, clap::Args)]
struct LimitArgs {
    /// Bytes of an upload as sent.
    #[arg(long, env = "EVENKEEL_MAX_UPLOAD_BYTES", default_value_t = 4 << 30, value_name = "BYTES")]
    max_upload_bytes: u64,
    /// Bytes of an upload after decompression.
    #[arg(long, env = "EVENKEEL_MAX_DECOMPRESSED_BYTES", default_value_t = 16 << 30, value_name = "BYTES")]
    max_decompressed_bytes: u64,
    /// Bytes of any other request body.
    #[arg(long, env = "EVENKEEL_MAX_BODY_BYTES", default_value_t = 32 << 20, value_name = "BYTES")]
    max_body_bytes: u64,
    /// Bytes of a model that is imported; at most 1 GiB.
    #[arg(long, env = "EVENKEEL_MAX_ARTIFACT_BYTES", default_value_t = 256 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(..=MAX_ARTIFACT_BYTES))]
    max_artifact_bytes: u64,
    /// Nested arrays and objects in a JSON body.
    #[arg(long, env = "EVENKEEL_MAX_JSON_DEPTH", default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u64).range(8..=120))]
    max_json_depth: u64,
    /// The largest page of a list.
    #[arg(long, env = "EVENKEEL_MAX_PAGE_SIZE", default_value_t = 200, value_name = "N")]
    max_page_size: u32,
    /// Rows of a dataset.
    #[arg(long, env = "EVENKEEL_MAX_ROWS", default_value_t = 100_000_000, value_name = "N")]
    max_rows: u64,
    /// Columns of a dataset.
    #[arg(long, env = "EVENKEEL_MAX_COLUMNS", default_value_t = 10_000, value_name = "N")]
    max_columns: usize,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Rows of one predict request.
    #[arg(long, env = "EVENKEEL_MAX_PREDICT_ROWS", default_value_t = 100_000, value_name = "N")]
    max_predict_rows: usize,
    /// Rows of one predict request that is answered while it comes.
    #[arg(long, env = "EVENKEEL_MAX_STREAMED_ROWS", default_value_t = 100_000_000, value_name = "N")]
    max_streamed_rows: u64,
    /// Predict requests that are answered while they come, at once; more are told to come back.
    #[arg(long, env = "EVENKEEL_MAX_PREDICTION_STREAMS", default_value_t = 16, value_name = "N")]
    max_prediction_streams: usize,
    /// Bytes of predictions that wait for a client that sends all its rows before it reads.
    #[arg(long, env = "EVENKEEL_PREDICTION_BACKLOG_BYTES", default_value_t = 64 << 20, value_name = "BYTES")]
    prediction_backlog_bytes: usize,
    /// Bytes of one record batch of an Arrow stream.
    #[arg(long, env = "EVENKEEL_MAX_BATCH_BYTES", default_value_t = 256 << 20, value_name = "BYTES")]
    max_batch_bytes: usize,
    /// Predict requests at work at once; more are told to come back.
    #[arg(long, env = "EVENKEEL_MAX_CONCURRENT_PREDICTIONS", default_value_t = 64, value_name = "N")]
    max_concurrent_predictions: usize,
    /// Uploads at work at once; more are told to come back.
    #[arg(long, env = "EVENKEEL_MAX_CONCURRENT_UPLOADS", default_value_t = 16, value_name = "N")]
    max_concurrent_uploads: usize,
    /// Event streams open at once; more are told to come back.
    #[arg(long, env = "EVENKEEL_MAX_EVENT_STREAMS", default_value_t = 256, value_name = "N")]
    max_event_streams: usize,
    /// Hidden layers of a network.
    #[arg(long, env = "EVENKEEL_MAX_LAYERS", default_value_t = 16, value_name = "N")]
    max_layers: usize,
    /// Units of one hidden layer.
    #[arg(long, env = "EVENKEEL_MAX_UNITS_PER_LAYER", default_value_t = 4096, value_name = "N")]
    max_units_per_layer: usize,
    /// Epochs of a job.
    #[arg(long, env = "EVENKEEL_MAX_EPOCHS", default_value_t = 10_000, value_name = "N")]
    max_epochs: usize,
    /// Seconds until an answer must begin; uploads and event streams are exempt.
    #[arg(long, env = "EVENKEEL_REQUEST_SECONDS", default_value_t = 60.0, value_name = "SECONDS")]
    request_seconds: f64,
    /// Seconds without a byte of an awaited request body.
    #[arg(long, env = "EVENKEEL_BODY_IDLE_SECONDS", default_value_t = 30.0, value_name = "SECONDS")]
    body_idle_seconds: f64,
    /// Seconds that a server goes on answering after it was told to stop, while `/readyz` says 503: as long as a load balancer takes
    /// to turn to others.
    #[arg(long, env = "EVENKEEL_SHUTDOWN_DELAY_SECONDS", default_value_t = 0.0, value_name = "SECONDS")]
    shutdown_delay_seconds: f64,
    /// Bytes of loaded models kept for predictions.
    #[arg(long, env = "EVENKEEL_MODEL_CACHE_BYTES", default_value_t = 512 << 20, value_name = "BYTES")]
    model_cache_bytes: u64,
    /// Seconds until predictions see what another process changed of a model: its threshold, its deletion. 0 reads the
    /// model's record for each request.
    #[arg(long, env = "EVENKEEL_MODEL_TRUST_SECONDS", default_value_t = 1.0, value_name = "SECONDS")]
    model_trust_seconds: f64,
    /// Aliases.
    #[arg(long, env = "EVENKEEL_MAX_ALIASES", default_value_t = 1000, value_name = "N")]
    max_aliases: u64,
    /// An origin whose web pages may call the API; may be given more than once. None by default.
    #[arg(long, env = "EVENKEEL_ALLOWED_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
}

/// Everything a serving process needs to know.
pub(super) struct ServiceSettings {
    store: StoreConfig,
    http: HttpConfig,
    worker: WorkerConfig,
    threads: usize,
}

impl ServiceSettings {
    /// An open service on loopback that keeps everything under `data_dir`, with every default.
    pub(super) fn local(data_dir: &Path, threads: usize) -> Result<Self, CliError> {
        let data_dir =
            std::path::absolute(data_dir).map_err(|source| CliError::File { path: data_dir.to_owned(), source })?;
        Ok(Self {
            store: local_store(&data_dir)?,
            http: HttpConfig::default(),
            worker: WorkerConfig::standard(),
            threads,
        })
    }
}

impl ServeArgs {
    fn settings(&self) -> Result<ServiceSettings, CliError> {
        let mut worker = self.jobs.worker_config(self.workers)?;
        worker.table_limits.max_rows = self.limits.max_rows;
        worker.table_limits.max_columns = self.limits.max_columns;
        let mut http = self.limits.http_config();
        http.tables = worker.table_limits.clone();
        http.tables.max_decompressed_bytes = http.max_decompressed_bytes;
        http.tables.pictures = self.limits.pictures.limits();
        http.jobs.memory_bytes = self.jobs.max_job_memory_bytes;
        http.access = if self.require_keys { Access::Keys } else { Access::Open };
        Ok(ServiceSettings { store: self.store.config()?, http, worker, threads: self.jobs.threads })
    }
}

impl LimitArgs {
    fn http_config(&self) -> HttpConfig {
        let mut config = HttpConfig {
            max_upload_bytes: self.max_upload_bytes,
            max_decompressed_bytes: self.max_decompressed_bytes,
            max_body_bytes: self.max_body_bytes,
            max_artifact_bytes: self.max_artifact_bytes,
            max_json_depth: self.max_json_depth as usize,
            max_page_size: self.max_page_size,
            max_predict_rows: self.max_predict_rows,
            max_streamed_rows: self.max_streamed_rows,
            max_prediction_streams: self.max_prediction_streams,
            prediction_backlog_bytes: self.prediction_backlog_bytes,
            max_batch_bytes: self.max_batch_bytes,
            model_cache_bytes: self.model_cache_bytes,
            model_trust_seconds: self.model_trust_seconds,
            max_aliases: self.max_aliases,
            shutdown_delay_seconds: self.shutdown_delay_seconds,
            max_concurrent_predictions: self.max_concurrent_predictions,
            max_concurrent_uploads: self.max_concurrent_uploads,
            max_event_streams: self.max_event_streams,
            request_seconds: self.request_seconds,
            body_idle_seconds: self.body_idle_seconds,
            allowed_origins: self.allowed_origin.clone(),
            ..HttpConfig::default()
        };
        config.jobs.config.max_layers = self.max_layers;
        config.jobs.config.max_units_per_layer = self.max_units_per_layer;
        config.jobs.config.max_epochs = self.max_epochs;
        config
    }
}

pub(super) async fn serve(args: ServeArgs) -> Result<(), CliError> {
    let settings = args.settings()?;
    let listeners = Listeners::bind(args.listen, args.grpc_listen, settings.http.access).await?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    run(settings, listeners, shutdown).await
}

/// Serves the API and runs jobs until `shutdown`.
pub(super) async fn run(
    settings: ServiceSettings,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), CliError> {
    start_thread_pool(settings.threads)?;
    let store = open(&settings.store).await?;
    if settings.http.access == Access::Keys && !store.any_api_key().await.map_err(CliError::Store)? {
        let advice = "there is no API key yet; make one with `evenkeel keys create --name NAME`";
        return Err(CliError::Usage(advice.to_owned()));
    }
    listeners.announce(settings.worker.workers)?;
    let load = settings.worker.load.clone();
    let workers = async {
        if settings.worker.workers > 0 {
            jobs::run(store.clone(), settings.worker, shutdown.clone()).await;
        }
    };
    let state = AppState::new(store.clone(), settings.http, load).map_err(|error| CliError::work("the API", error))?;
    let ((), served) = tokio::join!(workers, listeners.serve(state, &shutdown));
    tracing::info!("stopped");
    served.map_err(CliError::Serve)
}

pub(super) async fn worker(args: WorkerArgs) -> Result<(), CliError> {
    if args.workers == 0 {
        return Err(CliError::Usage("--workers is at least 1 for a worker".to_owned()));
    }
    start_thread_pool(args.jobs.threads)?;
    let config = args.jobs.worker_config(args.workers)?;
    let store = args.store.open().await?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    tracing::info!(workers = args.workers, "working");
    jobs::run(store, config, shutdown).await;
    tracing::info!("stopped");
    Ok(())
}

pub(super) async fn migrate(args: StoreArgs) -> Result<(), CliError> {
    args.open().await?;
    println!("the schema is up to date");
    Ok(())
}

/// The pool for numeric work steps back behind serving, though not as far as the jobs' own threads do: uploads wait
/// for it.
fn start_thread_pool(threads: usize) -> Result<(), CliError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("numeric-{index}"))
        .start_handler(|_| jobs::lower_thread_priority())
        .build_global()
        .map_err(|error| CliError::work("the threads cannot be started", error))
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be heard");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
    tracing::info!("stopping");
    shutdown.cancel();
}
