//! Traces as a collector gets them, over OTLP by gRPC.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::support::app::{App, Engine};
use crate::support::data;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<BTreeSet<String>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            for attribute in of_resource.resource.into_iter().flat_map(|resource| resource.attributes) {
                if let (true, Some(any_value::Value::StringValue(name))) =
                    (attribute.key == "service.name", attribute.value.and_then(|value| value.value))
                {
                    self.services.lock().unwrap().insert(name);
                }
            }
            let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
            self.spans.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// A collector and its URL.
    async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        (collector, url)
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    match value {
        any_value::Value::StringValue(text) => Some(text),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_belongs_to_its_callers_trace_and_a_job_has_its_phases() {
    let (collector, url) = Collector::start().await;
    let mut app = App::with(Engine::Sqlite, &["--otlp-endpoint", &url, "--service-name", "under-test"]).await;
    let client = app.client();
    let dataset = client.upload("", data::csv(120)).await;
    let model = client.train(&dataset, data::quick()).await;
    let path = format!("/v1/models/{}/predict", model["id"].as_str().unwrap());
    let call = client.post(&path).header("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let reply = call.header("x-request-id", "asked-by-me").json(&json!({"rows": [data::row(1.0, 1.0)]})).send().await;
    reply.expect_status(200);
    client.get("/evil/17").send().await.expect_status(404);
    let not_sampled = client.get("/v1/models").header("traceparent", &format!("00-{TRACE}-{PARENT}-00"));
    not_sampled.send().await.expect_status(200);
    // What has not been sent by then is sent at the end.
    app.stop();

    let asked = collector.named("POST /v1/models/{model_id}/predict");
    assert_eq!(asked.len(), 1);
    assert_eq!((hex(&asked[0].trace_id).as_str(), hex(&asked[0].parent_span_id).as_str()), (TRACE, PARENT));
    assert_eq!(asked[0].kind, 2, "of a server");
    for (key, value) in [
        ("request_id", "asked-by-me"),
        ("http.request.method", "POST"),
        ("http.route", "/v1/models/{model_id}/predict"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(&asked[0], key).as_deref(), Some(value), "{key}");
    }
    assert!(asked[0].end_time_unix_nano > asked[0].start_time_unix_nano);
    assert_eq!(collector.named("GET").len(), 1, "a path that is unknown names no span");
    assert_eq!(collector.named("GET /v1/models").len(), 0, "the caller does not want it");
    let jobs = collector.named("job train");
    assert_eq!(jobs.len(), 1);
    assert_eq!(attribute(&jobs[0], "job"), model["job_id"].as_str().map(str::to_owned));
    for phase in ["splitting", "resampling", "training", "evaluating"] {
        let phases = collector.named(phase);
        assert_eq!(phases.len(), 1, "{phase}");
        assert_eq!((&phases[0].trace_id, &phases[0].parent_span_id), (&jobs[0].trace_id, &jobs[0].span_id), "{phase}");
    }
    assert_eq!(*collector.services.lock().unwrap(), BTreeSet::from(["under-test".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let mut app = App::with(Engine::Sqlite, &["--workers", "0", "--otlp-endpoint", "http://127.0.0.1:1"]).await;
    app.client().get("/v1/models").send().await.expect_status(200);
    app.stop();
}
