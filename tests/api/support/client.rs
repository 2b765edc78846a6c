//! A client that lets no answer pass that `openapi.yaml` does not allow.

use std::borrow::Cow;
use std::io::Read as _;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::contract::{Answer, CONTRACT};
use super::events::{self, Event, EventStream};

/// Far more than any request of a test needs.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<String>,
}

/// A request being put together.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    request: reqwest::RequestBuilder,
}

/// An answer that keeps the contract.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: &str, key: Option<&str>) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { http, base: format!("http://{address}"), key: key.map(str::to_owned) }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("get", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("post", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("delete", path)
    }

    /// A request with any method, in lower case.
    pub(crate) fn call(&self, method: &'static str, path: &str) -> Call {
        let verb = method.to_uppercase().parse().unwrap();
        let mut request = self.http.request(verb, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let path = path.split('?').next().unwrap_or_default().to_owned();
        Call { method, path, request }
    }

    /// Uploads a CSV file and gives the dataset.
    pub(crate) async fn upload(&self, query: &str, csv: impl Into<reqwest::Body>) -> Value {
        let call = self.post(&format!("/v1/datasets{query}")).header("content-type", "text/csv").body(csv);
        call.send().await.expect_status(201)
    }

    /// Posts a job and gives it as it was queued.
    pub(crate) async fn queue(&self, job: &Value) -> Value {
        self.post("/v1/jobs").json(job).send().await.expect_status(202)
    }

    /// The live events of a job.
    pub(crate) async fn follow(&self, job_id: &str, last_event_id: Option<u64>) -> EventStream {
        self.try_follow(job_id, last_event_id).await.unwrap()
    }

    /// As [`Client::follow`], from a server that may die meanwhile.
    pub(crate) async fn try_follow(&self, job_id: &str, last_event_id: Option<u64>) -> reqwest::Result<EventStream> {
        let mut call = self.get(&format!("/v1/jobs/{job_id}/events"));
        if let Some(id) = last_event_id {
            call = call.header("last-event-id", &id.to_string());
        }
        let response = call.request.send().await?;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(EventStream::new(response))
    }

    /// All items of a list, newest first. `query` is empty or starts with `&`.
    pub(crate) async fn list(&self, path: &str, query: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let page = format!("{path}?page_size=200{query}{token}");
            let mut page = self.get(&page).send().await.expect_status(200);
            items.append(page["items"].as_array_mut().unwrap());
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => return items,
            }
        }
    }

    /// Follows a job to its end and gives it as it is then.
    pub(crate) async fn finish(&self, job: &Value) -> Value {
        let id = job["id"].as_str().unwrap();
        let reply = self.get(&format!("/v1/jobs/{id}/events")).send().await;
        let events: Vec<Event> = events::parse(&reply.bytes);
        let last = events.last().expect("a job has at least one event");
        assert_eq!(last.kind, "status", "the stream ends with the last status: {last:?}");
        let job = self.get(&format!("/v1/jobs/{id}")).send().await.expect_status(200);
        assert_eq!(job["status"], last.data["status"]);
        job
    }

    /// Trains on a dataset and gives the model; the job must succeed.
    pub(crate) async fn train(&self, dataset: &Value, further: Value) -> Value {
        let mut request = json!({"dataset_id": dataset["id"]});
        for (name, value) in further.as_object().unwrap() {
            request[name] = value.clone();
        }
        let job = self.finish(&self.queue(&request).await).await;
        assert_eq!(job["status"], "succeeded", "{job:#}");
        self.get(&format!("/v1/models/{}", job["model_id"].as_str().unwrap())).send().await.expect_status(200)
    }
}

impl Call {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.request = self.request.header(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.query(&[(name, value)]);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.body(body);
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    pub(crate) fn multipart(mut self, form: reqwest::multipart::Form) -> Self {
        self.request = self.request.multipart(form);
        self
    }

    /// Sends the request and holds the answer against the contract.
    pub(crate) async fn send(self) -> Reply {
        self.try_send().await.unwrap()
    }

    /// As [`Call::send`], to a server that may die meanwhile.
    pub(crate) async fn try_send(self) -> reqwest::Result<Reply> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let plain = decompressed(&headers, &bytes);
        let answer = Answer { status, headers: &headers, body: &plain };
        let mistakes = CONTRACT.mistakes(self.method, &self.path, &answer);
        let shown = String::from_utf8_lossy(&plain[..plain.len().min(2_000)]).into_owned();
        assert!(mistakes.is_empty(), "{} {}: {status}\n{}\n{shown}", self.method, self.path, mistakes.join("\n"));
        Ok(Reply { status, headers, bytes })
    }
}

/// What a body says, however it was packed.
fn decompressed<'b>(headers: &HeaderMap, bytes: &'b [u8]) -> Cow<'b, [u8]> {
    match headers.get("content-encoding").map(|encoding| encoding.to_str().unwrap()) {
        None => Cow::Borrowed(bytes),
        Some("gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
            Cow::Owned(plain)
        }
        Some("zstd") => Cow::Owned(zstd::decode_all(bytes).unwrap()),
        Some(other) => panic!("packed as {other:?}"),
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub(crate) fn expect_status(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// Fails unless the request succeeded with a body of any kind.
    #[track_caller]
    pub(crate) fn expect_bytes(&self) {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        assert!(!self.bytes.is_empty(), "the body is empty");
    }

    /// The problem, of an answer with this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect_status(status);
        assert_eq!(problem["code"], code, "{problem:#}");
        problem
    }
}

/// Where the mistakes of a problem are: pointers, parameters, or rows and columns.
pub(crate) fn places(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| match (&error["pointer"], &error["parameter"]) {
            (Value::String(pointer), _) => pointer.clone(),
            (_, Value::String(parameter)) => format!("?{parameter}"),
            _ => format!("{}:{}", error["row"], error["column"].as_str().unwrap_or("-")),
        })
        .collect()
}
