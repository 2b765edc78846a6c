//! Every code of the closed list, sent by the real program. A code that is added does not compile here until there is
//! a request that provokes it.

use std::io::Write;

use evenkeel::http::{ALL_CODES, Code};
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::support::app::{App, Engine};
use crate::support::client::{Client, Reply};
use crate::support::data;
use crate::support::raw::Raw;

const NOTHING: &str = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";

#[tokio::test]
async fn every_code_is_sent() {
    let scene = Scene::set().await;
    for code in ALL_CODES {
        let reply = scene.provoke(*code).await;
        reply.expect_problem(code.status().as_u16(), code.as_str());
        let wait = code.retry_after_seconds().map(|seconds| seconds.to_string());
        assert_eq!(reply.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned()), wait, "{code:?}");
    }
}

/// Servers with limits that are easily met, and what the requests need.
struct Scene {
    /// Trains, in the only worker.
    app: App,
    /// Has a full queue.
    full: App,
    /// Needs keys.
    locked: App,
    dataset: Value,
    model: Value,
}

impl Scene {
    async fn set() -> Self {
        let flags = [
            "--max-decompressed-bytes",
            "50000",
            "--max-body-bytes",
            "4000",
            "--max-predict-rows",
            "3",
            "--workers",
            "1",
            "--max-aliases",
            "1",
        ];
        let app = App::with(Engine::Sqlite, &[&flags[..], &["--max-event-streams", "1"]].concat()).await;
        let dataset = app.client().upload("", data::csv(80)).await;
        let model = app.client().train(&dataset, data::quick()).await;
        let full = App::with(Engine::Sqlite, &["--workers", "0", "--max-queued-jobs", "1"]).await;
        let locked = App::with(Engine::Sqlite, &["--require-keys"]).await;
        Self { app, full, locked, dataset, model }
    }

    async fn provoke(&self, code: Code) -> Reply {
        let client = self.app.client();
        match code {
            Code::MalformedRequest => client.get("/v1/jobs/seventeen").send().await,
            Code::MalformedJson => self.post_job("{").await,
            Code::InvalidInference => {
                let path = format!("/v2/models/{}/infer", self.model["name"].as_str().unwrap());
                client.post(&path).json(&json!({"inputs": []})).send().await
            }
            Code::MissingApiKey => self.locked.client().get("/v1/jobs").send().await,
            Code::InvalidApiKey => self.locked.client_with("ek_no_key").get("/v1/jobs").send().await,
            Code::InsufficientScope => {
                self.locked.client_with(&self.locked.create_key("predict")).get("/v1/jobs").send().await
            }
            Code::HostNotAllowed => client.get("/v1/jobs").header("host", "evil.example").send().await,
            Code::NotFound => client.get(&format!("/v1/jobs/{NOTHING}")).send().await,
            Code::MethodNotAllowed => client.call("put", "/v1/jobs").send().await,
            Code::NotAcceptable => {
                let call = client.post(&self.of_model("predict")).header("accept", "text/html");
                call.json(&json!({"rows": [data::row(1.0, 1.0)]})).send().await
            }
            Code::DatasetInUse => self.dataset_in_use().await,
            Code::ModelInUse => {
                self.set_alias("champion").await.expect_status(201);
                client.delete(&self.of_model("")).send().await
            }
            Code::TooManyAliases => self.set_alias("second").await,
            Code::NoResult => {
                let path = format!("/v1/jobs/{}/result", self.model["job_id"].as_str().unwrap());
                client.get(&path).send().await
            }
            Code::IdempotencyKeyInUse => self.key_in_use().await,
            Code::NotAvailable => client.get(&self.of_model("coefficients")).send().await,
            Code::PreconditionFailed => {
                let call = client.call("put", &self.of_model("threshold")).header("if-match", "\"other\"");
                call.json(&json!({"value": 0.5})).send().await
            }
            Code::PreconditionRequired => {
                client.call("put", &self.of_model("threshold")).json(&json!({"value": 0.5})).send().await
            }
            Code::PayloadTooLarge => self.post_job(&" ".repeat(5_000)).await,
            Code::DecompressedTooLarge => self.bomb().await,
            Code::TooManyRows => self.predict(json!({"rows": vec![data::row(1.0, 1.0); 4]})).await,
            Code::UnsupportedMediaType => client.post("/v1/datasets").body("a,y\n").send().await,
            Code::UnsupportedContentEncoding => {
                let call = client.post("/v1/datasets").header("content-type", "text/csv");
                call.header("content-encoding", "br").body("x").send().await
            }
            Code::InvalidRequest => self.post_job("{}").await,
            Code::InvalidDataset => upload(&client, "a,y\n1\n").await,
            Code::TargetNotBinary => upload(&client, "a,y\n1,1\n1,2\n1,3\n").await,
            Code::JobTooLarge => {
                let layers = vec![4096; 16];
                let job = json!({"dataset_id": self.dataset["id"], "model": {"type": "mlp", "hidden_layers": layers}});
                client.post("/v1/jobs").json(&job).send().await
            }
            Code::InvalidRows => self.predict(json!({"rows": [{"height": "tall"}]})).await,
            Code::InvalidModel => {
                let call = client.post("/v1/models?name=m").header("content-type", "application/octet-stream");
                call.body("not a model").send().await
            }
            Code::IdempotencyKeyReused => self.key_reused().await,
            Code::TooManyRequests => self.second_stream().await,
            Code::QueueFull => self.queue_full().await,
            Code::InternalError => self.lost_model().await,
            Code::NotReady => without_a_table().await,
            Code::Timeout => behind_a_lock().await,
        }
    }

    async fn post_job(&self, body: &str) -> Reply {
        let call = self.app.client().post("/v1/jobs").header("content-type", "application/json");
        call.body(body.to_owned()).send().await
    }

    fn of_model(&self, part: &str) -> String {
        format!("/v1/models/{}/{part}", self.model["id"].as_str().unwrap()).trim_end_matches('/').to_owned()
    }

    async fn set_alias(&self, name: &str) -> Reply {
        let call = self.app.client().call("put", &format!("/v1/aliases/{name}"));
        call.json(&json!({"model_id": self.model["id"]})).send().await
    }

    async fn predict(&self, body: Value) -> Reply {
        self.app.client().post(&self.of_model("predict")).json(&body).send().await
    }

    /// A dataset with a job that nobody takes.
    async fn dataset_in_use(&self) -> Reply {
        let client = self.full.client();
        let dataset = client.upload("", data::csv(80)).await;
        let job = client.queue(&json!({"dataset_id": dataset["id"]})).await;
        let reply = client.delete(&format!("/v1/datasets/{}", dataset["id"].as_str().unwrap())).send().await;
        client.post(&format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap())).send().await.expect_status(200);
        reply
    }

    async fn key_in_use(&self) -> Reply {
        let mut first = Raw::park_upload(self.app.address(), "in-use").await;
        let call = self.app.client().post("/v1/datasets?name=parked").header("content-type", "text/csv");
        let second = call.header("idempotency-key", "in-use").body(data::csv(40)).send().await;
        assert!(first.complete_upload().await.contains(" 201 "));
        second
    }

    async fn key_reused(&self) -> Reply {
        let upload = |rows| {
            let call = self.app.client().post("/v1/datasets").header("content-type", "text/csv");
            call.header("idempotency-key", "reused").body(data::csv(rows)).send()
        };
        upload(40).await.expect_status(201);
        upload(41).await
    }

    async fn bomb(&self) -> Reply {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&[b'\n'; 60_000]).unwrap();
        let call = self.app.client().post("/v1/datasets").header("content-type", "text/csv");
        call.header("content-encoding", "gzip").body(gzip.finish().unwrap()).send().await
    }

    /// While one stream is open, as many as are allowed.
    async fn second_stream(&self) -> Reply {
        let client = self.app.client();
        let job = client.queue(&data::endless(&self.dataset)).await;
        let id = job["id"].as_str().unwrap();
        let _open = client.follow(id, None).await;
        let reply = client.get(&format!("/v1/jobs/{id}/events")).send().await;
        client.post(&format!("/v1/jobs/{id}/cancel")).send().await.expect_status(200);
        reply
    }

    async fn queue_full(&self) -> Reply {
        let client = self.full.client();
        let dataset = client.upload("", data::csv(80)).await;
        let job = json!({"dataset_id": dataset["id"]});
        client.queue(&job).await;
        client.post("/v1/jobs").json(&job).send().await
    }

    async fn lost_model(&self) -> Reply {
        self.app.lose_blob(self.model["sha256"].as_str().unwrap());
        self.app.client().get(&format!("/v1/models/{}/artifact", self.model["id"].as_str().unwrap())).send().await
    }
}

async fn upload(client: &Client, csv: &'static str) -> Reply {
    client.post("/v1/datasets").header("content-type", "text/csv").body(csv).send().await
}

/// The server's own database, under another hand.
async fn database(app: &App) -> SqliteConnection {
    let path = app.data_dir().join("evenkeel.db");
    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap()
}

/// Readiness while the database lacks what the service keeps in it; then again with it.
async fn without_a_table() -> Reply {
    let app = App::with(Engine::Sqlite, &["--workers", "0"]).await;
    let mut database = database(&app).await;
    app.client().get("/readyz").send().await.expect_status(200);
    sqlx::query("ALTER TABLE jobs RENAME TO away").execute(&mut database).await.unwrap();
    let reply = app.client().get("/readyz").send().await;
    app.client().get("/livez").send().await.expect_status(200);
    sqlx::query("ALTER TABLE away RENAME TO jobs").execute(&mut database).await.unwrap();
    app.client().get("/readyz").send().await.expect_status(200);
    reply
}

/// A request that must write while somebody else does, for longer than an answer may take; then again without.
async fn behind_a_lock() -> Reply {
    let app = App::with(Engine::Sqlite, &["--workers", "0", "--request-seconds", "0.5"]).await;
    let client = app.client();
    let mut database = database(&app).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut database).await.unwrap();
    let cancel = format!("/v1/jobs/{NOTHING}/cancel");
    let reply = client.post(&cancel).send().await;
    client.get("/v1/jobs").send().await.expect_status(200);
    sqlx::query("ROLLBACK").execute(&mut database).await.unwrap();
    client.post(&cancel).send().await.expect_problem(404, "not-found");
    reply
}
