//! A store of its own for each test, on either engine, and the things to put into it.

use std::sync::Arc;

use bytes::Bytes;
use evenkeel::clock::{ManualClock, Timestamp};
use evenkeel::ml::config::{Candidate, CompareConfig, Folds};
use evenkeel::records::{
    CompareJob, DatasetId, DatasetRecord, JobConfig, JobId, JobRecord, Lease, ModelId, ModelRecord, TypedConfig,
};
use evenkeel::store::{Enqueue, Finish, NewJob, NewModel, Store, StoreConfig};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use uuid::Uuid;

/// The lease of most tests, in seconds.
pub const LEASE: f64 = 30.0;

#[derive(Debug, Clone, Copy)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A store, the clock that it goes by, and the directory that goes with it.
pub struct TestStore {
    pub store: Store,
    pub clock: ManualClock,
    pub config: StoreConfig,
    pub directory: TempDir,
}

impl TestStore {
    /// Migrated and empty.
    pub async fn new(engine: Engine) -> Self {
        let made = Self::unmigrated(engine).await;
        made.store.migrate().await.unwrap();
        made
    }

    pub async fn unmigrated(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database_url = match engine {
            Engine::Sqlite => format!("sqlite:{}", directory.path().join("made/evenkeel.db").display()),
            Engine::Postgres => new_postgres_database().await,
        };
        let blob_url = format!("file://{}", directory.path().join("blobs").display());
        let mut config = StoreConfig::new(database_url, blob_url, directory.path().join("spool"));
        config.max_connections = 8;
        let clock = ManualClock::at(now());
        let store = Store::connect(&config, Arc::new(clock.clone())).await.unwrap();
        Self { store, clock, config, directory }
    }

    /// Another process on the same data, by the same clock.
    pub async fn again(&self) -> Store {
        Store::connect(&self.config, Arc::new(self.clock.clone())).await.unwrap()
    }

    /// A stored dataset with its blob.
    pub async fn dataset(&self) -> DatasetRecord {
        let sha256 = self.store.blobs().put(Bytes::from_static(b"x,y\n1,a\n2,b\n")).await.unwrap();
        let dataset = dataset_record(&sha256, self.store.clock().now());
        self.store.insert_dataset(&dataset, None).await.unwrap();
        dataset
    }

    pub async fn enqueue(&self, dataset: DatasetId) -> JobRecord {
        self.enqueue_with(dataset, 0).await
    }

    pub async fn enqueue_with(&self, dataset: DatasetId, priority: i32) -> JobRecord {
        enqueued(self.store.enqueue(&new_job(dataset, priority), None).await.unwrap())
    }

    /// A job that is running, and the right to it.
    pub async fn running(&self) -> (JobRecord, Lease) {
        let dataset = self.dataset().await;
        self.enqueue(dataset.id).await;
        self.store.claim(LEASE).await.unwrap().expect("a job waits")
    }

    pub async fn job(&self, id: JobId) -> JobRecord {
        self.store.job(id).await.unwrap().expect("the job is there")
    }

    /// The model of a job that has just been finished.
    pub async fn model_of(&self, finish: Finish) -> ModelRecord {
        let Finish::Succeeded(job) = finish else { panic!("not finished: {finish:?}") };
        let id = job.model_id.expect("the job made a model");
        self.store.model(id).await.unwrap().expect("the model is there")
    }

    /// A model whose artifact is stored.
    pub async fn new_model(&self, name: &str) -> NewModel {
        let sha256 = self.store.blobs().put(Bytes::from(format!("artifact of {name}"))).await.unwrap();
        new_model(name, &sha256)
    }
}

/// The machine's time once, so that the files written in a test are as old as the test's clock says.
#[expect(clippy::disallowed_methods, reason = "files carry the machine's time")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

#[expect(clippy::disallowed_methods, reason = "the address of the test server is given from outside")]
async fn new_postgres_database() -> String {
    let server = std::env::var("EVENKEEL_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "EVENKEEL_TEST_POSTGRES_URL is not set: run ./scripts/test, which starts a PostgreSQL, or set it to \
             a server where databases may be created, such as postgres://user@127.0.0.1:5432/postgres"
        )
    });
    let name = format!("evenkeel_{}", Uuid::now_v7().simple());
    let mut admin = sqlx::postgres::PgConnection::connect(&server).await.expect("the test server answers");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    url.to_string()
}

pub fn enqueued(answer: Enqueue) -> JobRecord {
    match answer {
        Enqueue::Enqueued(job) => *job,
        other => panic!("not enqueued: {other:?}"),
    }
}

pub fn dataset_record(sha256: &str, created_at: Timestamp) -> DatasetRecord {
    let columns = json!([
        { "name": "x", "type": "numeric", "missing": 0, "distinct": 2, "distinct_exact": true, "min": 1.0, "max": 2.0,
          "mean": 1.5, "std": 0.5, "q25": 1.25, "median": 1.5, "q75": 1.75, "quartiles_exact": true },
        { "name": "y\u{0}", "type": "categorical", "missing": 0, "distinct": 2, "distinct_exact": true,
          "top": [{ "value": "a", "count": 1 }] },
    ]);
    DatasetRecord {
        id: DatasetId::new(),
        name: "two rows".into(),
        created_at,
        format: serde_json::from_value(json!({ "type": "csv", "delimiter": ",", "header": true })).unwrap(),
        size_bytes: 12,
        sha256: sha256.to_owned(),
        rows: 2,
        target: "y\u{0}".into(),
        positive_label: "a".into(),
        class_counts: [("a".to_owned(), 1), ("b".to_owned(), 1)].into(),
        columns: serde_json::from_value(columns).unwrap(),
        missing_markers: vec!["?".into(), "NA".into()],
        origin_columns: vec![],
    }
}

pub fn new_job(dataset_id: DatasetId, priority: i32) -> NewJob {
    NewJob { id: JobId::new(), dataset_id, retry_of: None, config: job_config(priority), max_attempts: 3 }
}

/// A comparison of two candidates on four folds.
pub fn comparison(dataset_id: DatasetId, priority: i32) -> NewJob {
    let mut job = new_job(dataset_id, priority);
    let TypedConfig::Train(train) = job.config.typed else { panic!("{job:?}") };
    let candidate = |name: &str| Candidate { name: name.to_owned(), train: train.train.clone() };
    let compare = CompareConfig {
        candidates: vec![candidate("one"), candidate("other")],
        cross_validation: Folds { folds: 4, repeats: 1 },
        metric: "average_precision".to_owned(),
        confidence: 0.95,
    };
    job.config.typed = TypedConfig::Compare(Box::new(CompareJob { model_name: train.model_name.clone(), compare }));
    job
}

pub fn job_config(priority: i32) -> JobConfig {
    serde_json::from_value(json!({
        "model_name": "fraud", "priority": priority, "max_seconds": 600.0, "seed": 7, "target": "y",
        "positive_label": "a", "exclude": [], "sample_weight": null,
        "split": { "strategy": "stratified", "test_fraction": 0.2, "validation_fraction": 0.2 },
        "preprocess": {
            "numeric": { "impute": "median", "fill_value": 0.0, "missing_indicator": true, "scale": "standard" },
            "categorical": { "encode": "one_hot", "impute": "indicator", "fill_value": "missing", "min_frequency": 1,
                "max_categories": 100 } },
        "resample": [{ "method": "smote", "sampling_strategy": "auto", "k_neighbors": 5, "seed": null,
            "rng": "default" }],
        "augment": [],
        "model": { "type": "logistic", "tolerance": 1e-6, "max_iterations": 100 },
        "loss": { "type": "bce", "class_weight": "balanced", "label_smoothing": 0.0 },
        "regularization": { "l1": 0.0, "l2": 0.1 },
        "optimizer": { "type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": true },
        "training": {
            "epochs": 10, "batch_size": 32, "batches": "shuffled",
            "schedule": { "type": "constant", "warm_up_epochs": 0 }, "gradient_clipping": null,
            "weight_averaging": null, "early_stopping": null },
        "calibration": { "method": "prior" },
        "threshold": { "rule": "max_f_beta", "beta": 1.0 },
        "evaluation": { "bootstrap": 100, "confidence": 0.95 },
    }))
    .unwrap()
}

pub fn new_model(name: &str, sha256: &str) -> NewModel {
    let metric = json!({ "value": 0.1 + 0.2, "no_skill": null, "ci": [0.25, 0.35] });
    let report = json!({
        "computed_on": "test", "rows": 4, "positives": 1, "prevalence": 0.25, "threshold": 0.5,
        "confusion_matrix": { "tp": 1, "fp": 0, "fn": 0, "tn": 3 }, "per_class": {},
        "metrics": { "roc_auc": metric },
        "curves": { "roc": [], "precision_recall": [], "reliability": [] },
    });
    let training = json!({
        "epochs_run": 9, "best_epoch": 4, "stopped_by": "early_stopping", "examples_per_second": 12.5,
        "class_counts": [{ "stage": "train", "positive": 2, "negative": 8 }], "dropped_columns": [],
        "unlabelled_rows": 0,
    });
    NewModel {
        id: ModelId::new(),
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        size_bytes: 11,
        classes: serde_json::from_value(json!({ "positive": "a", "negative": "b" })).unwrap(),
        threshold_rule: serde_json::from_value(json!({ "rule": "max_mcc" })).unwrap(),
        threshold: 0.1 + 0.2,
        threshold_basis: None,
        dossier_sha256: None,
        features: vec![],
        training: serde_json::from_value(training).unwrap(),
        verdict: serde_json::from_value(json!("no_skill")).unwrap(),
        report: serde_json::from_value(report).unwrap(),
    }
}

/// Runs each of these tests on both engines.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::support::Engine::Sqlite).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::support::Engine::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;
