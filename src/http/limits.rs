//! Every limit of the HTTP layer, with its default.

use crate::ml::config::ConfigLimits;
use crate::ml::table::TableLimits;

/// How the server treats requests. Built by the command line; every number is an operator's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    /// Bytes of a dataset upload as sent, before decompression. Default 4 GiB.
    pub max_upload_bytes: u64,
    /// Bytes of a dataset after decompression. Default 16 GiB.
    pub max_decompressed_bytes: u64,
    /// Bytes of any other request body, before and after decompression. Default 32 MiB.
    pub max_body_bytes: u64,
    /// Bytes of a model artifact that is imported, before and after decompression. Default 256 MiB.
    pub max_artifact_bytes: u64,
    /// Nested arrays and objects in a JSON body; at most 120. Default 64.
    pub max_json_depth: usize,
    /// The largest `page_size` of a list. Default 200.
    pub max_page_size: u32,
    /// The `page_size` of a list that does not name one. Default 50.
    pub default_page_size: u32,
    /// Most rows that `GET /v1/datasets/{id}/rows` gives. Default 1000.
    pub max_preview_rows: u64,
    /// Rows in one predict request. Default 100 000.
    pub max_predict_rows: usize,
    /// Rows in one predict request that is answered while it comes. Default 100 000 000.
    pub max_streamed_rows: u64,
    /// Predict requests that are answered while they come, at once; more are told to come back. Default 16.
    pub max_prediction_streams: usize,
    /// Bytes of predictions that wait for the reader of such a request. Default 64 MiB.
    pub prediction_backlog_bytes: usize,
    /// Bytes of one record batch of an Arrow stream. Default 256 MiB.
    pub max_batch_bytes: usize,
    /// Predict requests at work at once; more are told to come back. Default 64.
    pub max_concurrent_predictions: usize,
    /// Uploads at work at once; more are told to come back. Default 16.
    pub max_concurrent_uploads: usize,
    /// Event streams open at once; more are told to come back. Default 256.
    pub max_event_streams: usize,
    /// Bytes of loaded models kept for predictions. Default 512 MiB.
    pub model_cache_bytes: u64,
    /// Seconds that a model's record is trusted by predictions before it is read again. Default 1.
    pub model_trust_seconds: f64,
    /// Aliases. Default 1000.
    pub max_aliases: u64,
    /// Open connections; further ones wait to be accepted. Default 4096.
    pub max_connections: usize,
    /// Seconds until an answer must begin; uploads and event streams are exempt. Default 60.
    pub request_seconds: f64,
    /// Seconds without a byte of an awaited request body. Default 30.
    pub body_idle_seconds: f64,
    /// Seconds from the first byte of a request to the end of its header. Default 10.
    pub header_seconds: f64,
    /// Seconds that a connection may wait for its next request, or for its reader to take a byte. Default 75.
    pub connection_idle_seconds: f64,
    /// Seconds between the signal to stop and the end of listening, in which `readyz` says that the server is stopping and
    /// everything else is answered as before. Default 0.
    pub shutdown_delay_seconds: f64,
    /// Seconds that requests may take to end once the server stops. Default 20.
    pub drain_seconds: f64,
    /// Seconds that an `Idempotency-Key` of an unfinished request stays held should its server die. Default 5.
    pub idempotency_hold_seconds: f64,
    /// Seconds between comments that keep a silent event stream open. Default 15.
    pub event_keep_alive_seconds: f64,
    /// Origins whose web pages may call the API; none by default.
    pub allowed_origins: Vec<String>,
    /// Who may call.
    pub access: Access,
    /// How large a dataset may be.
    pub tables: TableLimits,
    /// What a job may ask for.
    pub jobs: JobLimits,
}

/// Who may call the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone, without a key. Only for a listener on a loopback address: only loopback `Host`s are answered.
    Open,
    /// Holders of a key with the operation's scope.
    Keys,
}

/// What a job may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLimits {
    pub config: ConfigLimits,
    /// Memory that one job may use by its estimate. Default 2 GiB.
    pub memory_bytes: u64,
    /// The longest `max_seconds` of a job. Default 86 400.
    pub max_seconds: f64,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self { config: ConfigLimits::STANDARD, memory_bytes: 2 << 30, max_seconds: 86_400.0 }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_upload_bytes: 4 << 30,
            max_decompressed_bytes: 16 << 30,
            max_body_bytes: 32 << 20,
            max_artifact_bytes: 256 << 20,
            max_json_depth: 64,
            max_page_size: 200,
            default_page_size: 50,
            max_preview_rows: 1000,
            max_predict_rows: 100_000,
            max_streamed_rows: 100_000_000,
            max_prediction_streams: 16,
            prediction_backlog_bytes: 64 << 20,
            max_batch_bytes: 256 << 20,
            max_concurrent_predictions: 64,
            max_concurrent_uploads: 16,
            max_event_streams: 256,
            model_cache_bytes: 512 << 20,
            model_trust_seconds: 1.0,
            max_aliases: 1000,
            max_connections: 4096,
            request_seconds: 60.0,
            body_idle_seconds: 30.0,
            header_seconds: 10.0,
            connection_idle_seconds: 75.0,
            shutdown_delay_seconds: 0.0,
            drain_seconds: 20.0,
            idempotency_hold_seconds: 5.0,
            event_keep_alive_seconds: 15.0,
            allowed_origins: Vec::new(),
            access: Access::Open,
            tables: TableLimits::STANDARD,
            jobs: JobLimits::default(),
        }
    }
}
