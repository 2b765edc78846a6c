//! Models ready to predict: the record and the loaded model of an id, without a query or a file per request.
//!
//! A record that was read may be trusted for a moment ([`HttpConfig::model_trust_seconds`]); then it is read again,
//! once for all who ask. What this process itself changes (a threshold, a deletion) holds for every request that
//! begins after the change was answered; changes by other processes hold once the moment is over. The loaded model
//! stays as long as the record names the same artifact, whose hash never changes its meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::Entry;
use moka::future::Cache;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};

use super::byte_cache::{UNIT_BYTES, units};
use super::predict::Wording;
use crate::http::error::ApiError;
use crate::http::limits::HttpConfig;
use crate::ml::dossier::DossierError;
use crate::ml::model::{ArtifactError, MAX_ARTIFACT_BYTES, Model};
use crate::ml::table::{ExpectedColumn, Inputs};
use crate::records::{ModelId, ModelRecord};
use crate::store::{Store, StoreError};

/// A record with its report takes about so much memory.
const RECORD_BYTES: u64 = 64 << 10;

/// A model that can be asked, with what is known of it.
#[derive(Debug)]
pub(in crate::http) struct Served {
    pub(in crate::http) record: Arc<ModelRecord>,
    pub(in crate::http) model: Arc<Model>,
    /// The columns that the model reads, in its order.
    pub(in crate::http) inputs: Arc<Inputs>,
    /// What answers say of the model.
    pub(super) wording: Arc<Wording>,
    /// The share of positives that probabilities hold at, unless a request has its own; `None`: the model's.
    pub(in crate::http) prevalence: Option<f64>,
    /// Where rows that are scored for an answer are counted.
    pub(in crate::http) rows: Arc<AtomicU64>,
    read: Read,
}

/// When the record was read.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: Instant,
    /// The changes that this process had made before.
    changes: u64,
}

impl Served {
    fn new(record: ModelRecord, model: Arc<Model>, read: Read, rows: Arc<AtomicU64>) -> Self {
        let inputs = model.inputs().into_iter();
        let inputs = inputs.map(|input| ExpectedColumn { name: input.name, column_type: input.column_type });
        let wording = Arc::new(Wording::new(&record));
        let inputs = Arc::new(Inputs::new(inputs.collect()));
        Self { inputs, record: Arc::new(record), model, wording, prevalence: None, rows, read }
    }

    /// The same model as it answers for an alias.
    pub(in crate::http) fn by_alias(&self, alias: &str, prevalence: Option<f64>) -> Self {
        Self {
            record: self.record.clone(),
            model: self.model.clone(),
            inputs: self.inputs.clone(),
            wording: Arc::new(self.wording.by_alias(alias)),
            prevalence,
            rows: self.rows.clone(),
            read: self.read,
        }
    }

    /// The same for questions that nobody gets the answers of.
    pub(in crate::http) fn uncounted(self) -> Self {
        Self { rows: Arc::default(), ..self }
    }
}

/// Why a stored model cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the artifact cannot be had")]
    Store(#[source] StoreError),
    #[error("the artifact cannot be read")]
    Artifact(#[source] ArtifactError),
    #[error("the dossier cannot be read")]
    Dossier(#[source] DossierError),
    #[error("the thread that read the artifact ended early")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Models by id, within a budget of bytes; the least useful go first.
#[derive(Clone)]
pub(super) struct ServedModels {
    held: Cache<ModelId, Arc<Served>>,
    changes: Arc<AtomicU64>,
    trusted_for: Duration,
    counts: Arc<ServedCounts>,
}

/// What the cache has done since the process started.
#[derive(Debug, Default)]
struct ServedCounts {
    hits: AtomicU64,
    loads: AtomicU64,
    evictions: AtomicU64,
    rows: Arc<AtomicU64>,
}

/// How the cache stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct CacheLoad {
    pub(in crate::http) models: u64,
    pub(in crate::http) bytes: u64,
    /// Requests that found their model loaded.
    pub(in crate::http) hits: u64,
    /// Models that were loaded, because nobody had asked for them or because they had gone.
    pub(in crate::http) loads: u64,
    /// Models that went to make room.
    pub(in crate::http) evictions: u64,
    /// Rows scored for answers.
    pub(in crate::http) rows: u64,
}

impl ServedModels {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let weigh = |_: &ModelId, served: &Arc<Served>| units(served.model.size_bytes() as u64 + RECORD_BYTES);
        let counts = Arc::<ServedCounts>::default();
        let evicted = counts.clone();
        let held = Cache::builder()
            .max_capacity(units(config.model_cache_bytes).into())
            .weigher(weigh)
            .eviction_listener(move |_, _, cause| {
                evicted.evictions.fetch_add(u64::from(cause == RemovalCause::Size), Ordering::Relaxed);
            });
        Self {
            held: held.build(),
            changes: Arc::default(),
            trusted_for: Duration::try_from_secs_f64(config.model_trust_seconds).unwrap_or_default(),
            counts,
        }
    }

    pub(super) async fn load(&self) -> CacheLoad {
        // What was put in or has gone is counted later, by itself.
        self.held.run_pending_tasks().await;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheLoad {
            models: self.held.entry_count(),
            bytes: self.held.weighted_size() * UNIT_BYTES,
            hits: count(&self.counts.hits),
            loads: count(&self.counts.loads),
            evictions: count(&self.counts.evictions),
            rows: count(&self.counts.rows),
        }
    }

    /// The model of an id, as it is or was a moment ago.
    ///
    /// # Errors
    /// 404 if there is none; 503 if database or blob store do not answer; 500 if the artifact is missing or damaged.
    pub(super) async fn get(&self, store: &Store, id: ModelId) -> Result<Arc<Served>, ApiError> {
        match self.held.get(&id).await {
            Some(served) if self.is_fresh(&served, self.trusted_for) => {
                self.counts.hits.fetch_add(1, Ordering::Relaxed);
                Ok(served)
            }
            _ => self.read(store, id, self.trusted_for).await,
        }
    }

    /// The model of an id, as it is now.
    ///
    /// # Errors
    /// As [`ServedModels::get`].
    pub(super) async fn current(&self, store: &Store, id: ModelId) -> Result<Arc<Served>, ApiError> {
        self.read(store, id, Duration::ZERO).await
    }

    /// To be called when this process has changed or deleted the model: nothing that was read before is trusted.
    pub(super) async fn changed(&self, id: ModelId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.held.invalidate(&id).await;
    }

    fn is_fresh(&self, served: &Served, trusted_for: Duration) -> bool {
        served.read.changes == self.changes.load(Ordering::Acquire) && served.read.at.elapsed() < trusted_for
    }

    /// Reads the record, and the artifact unless it is the one that is held. Of those who ask for one model at the same
    /// time, one reads and the others wait for it.
    async fn read(&self, store: &Store, id: ModelId, trusted_for: Duration) -> Result<Arc<Served>, ApiError> {
        let reading = async |held: Option<Entry<ModelId, Arc<Served>>>| {
            let held = held.map(Entry::into_value);
            if held.as_ref().is_some_and(|served| self.is_fresh(served, trusted_for)) {
                return Ok(Op::Nop);
            }
            let read = Read { at: Instant::now(), changes: self.changes.load(Ordering::Acquire) };
            let Some(record) = store.model(id).await? else { return Ok(Op::Remove) };
            let loaded = held.as_ref().is_none_or(|held| held.record.sha256 != record.sha256);
            let (record, model) = with_model(store, record, held).await?;
            let count = if loaded { &self.counts.loads } else { &self.counts.hits };
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ApiError>(Op::Put(Arc::new(Served::new(record, model, read, self.counts.rows.clone()))))
        };
        match self.held.entry(id).and_try_compute_with(reading).await? {
            CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => {
                Ok(entry.into_value())
            }
            CompResult::Removed(_) | CompResult::StillNone(_) => Err(ApiError::not_found("model")),
        }
    }
}

/// A record with the model it names. One that was read just before its threshold was changed may name an artifact that
/// has been swept away since; its successor then has another.
async fn with_model(
    store: &Store,
    record: ModelRecord,
    held: Option<Arc<Served>>,
) -> Result<(ModelRecord, Arc<Model>), ApiError> {
    if let Some(held) = held.filter(|held| held.record.sha256 == record.sha256) {
        return Ok((record, held.model.clone()));
    }
    match load(store, &record.sha256).await {
        Ok(model) => Ok((record, Arc::new(model))),
        Err(error) => {
            let again = store.model(record.id).await?.ok_or_else(|| ApiError::not_found("model"))?;
            if again.sha256 == record.sha256 {
                return Err(refusal(Arc::new(error)));
            }
            let model = load(store, &again.sha256).await.map_err(|error| refusal(Arc::new(error)))?;
            Ok((again, Arc::new(model)))
        }
    }
}

async fn load(store: &Store, sha256: &str) -> Result<Model, LoadError> {
    let bytes = store.blobs().get(sha256, MAX_ARTIFACT_BYTES).await.map_err(LoadError::Store)?;
    let read = tokio::task::spawn_blocking(move || Model::from_bytes(&bytes)).await;
    read.map_err(LoadError::Interrupted)?.map_err(LoadError::Artifact)
}

pub(super) fn refusal(error: Arc<LoadError>) -> ApiError {
    match &*error {
        LoadError::Store(cause) if cause.is_transient() => ApiError::unavailable(error),
        LoadError::Store(_) | LoadError::Artifact(_) | LoadError::Dossier(_) | LoadError::Interrupted(_) => {
            ApiError::internal(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Code;

    #[test]
    fn trouble_that_passes_is_told_apart_from_damage() {
        let unavailable = StoreError::Unavailable { what: "blob store", source: "timed out".into() };
        let missing = StoreError::BlobMissing { sha256: "ab".repeat(32) };
        let damaged = Model::from_bytes(b"not a model").unwrap_err();
        assert_eq!(refusal(Arc::new(LoadError::Store(unavailable))).code(), Code::NotReady);
        assert_eq!(refusal(Arc::new(LoadError::Store(missing))).code(), Code::InternalError);
        assert_eq!(refusal(Arc::new(LoadError::Artifact(damaged))).code(), Code::InternalError);
    }
}
