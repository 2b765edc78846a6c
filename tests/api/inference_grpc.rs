//! The Open Inference Protocol over gRPC, by a client of tonic: the numbers, the checks and the keys of REST.

use std::collections::BTreeMap;

use bytes::Bytes;
use evenkeel::http::oip_messages::{
    InferInputTensor, InferParameter, InferRequestedOutputTensor, InferTensorContents, ModelInferRequest,
    ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse,
    ParameterChoice, RepositoryIndexRequest, RepositoryIndexResponse, ServerLiveRequest, ServerLiveResponse,
    ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use serde_json::{Value, json};
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::support::app::{App, Engine};
use crate::support::inference::{Scene, fp64, read_bits, read_texts, rows, texts};

const GRPC: [&str; 2] = ["--grpc-listen", "127.0.0.1:0"];

/// A client of one server.
struct Caller {
    channel: Channel,
    key: Option<String>,
    compressed: bool,
}

impl Caller {
    async fn new(app: &App) -> Self {
        Self { channel: endpoint(app).connect().await.unwrap(), key: None, compressed: false }
    }

    async fn call<Q, A>(&self, procedure: &str, message: Q) -> Result<A, Status>
    where
        Q: prost::Message + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        if self.compressed {
            client = client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
        }
        client.ready().await.unwrap();
        let mut request = Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        let path = format!("/inference.GRPCInferenceService/{procedure}").parse().unwrap();
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        Ok(client.unary(request, path, codec).await?.into_inner())
    }

    async fn infer(&self, message: ModelInferRequest) -> Result<ModelInferResponse, Status> {
        self.call("ModelInfer", message).await
    }
}

fn endpoint(app: &App) -> Endpoint {
    Endpoint::from_shared(format!("http://{}", app.grpc_address())).unwrap()
}

fn tensor(name: &str, datatype: &str, shape: &[i64], contents: Option<InferTensorContents>) -> InferInputTensor {
    let (name, datatype) = (name.to_owned(), datatype.to_owned());
    InferInputTensor { name, datatype, shape: shape.to_vec(), parameters: BTreeMap::new(), contents }
}

/// The rows of the mixed model, in lists or in binary. Missing numbers are NaN, missing texts empty.
fn request(rows: &[Value], in_binary: bool) -> ModelInferRequest {
    let numbers = |name: &str| -> Vec<f64> { rows.iter().map(|row| row[name].as_f64().unwrap_or(f64::NAN)).collect() };
    let colours: Vec<&str> = rows.iter().map(|row| row["colour"].as_str().unwrap_or_default()).collect();
    let shape = [rows.len() as i64];
    let mut message = ModelInferRequest { model_name: "mixed".to_owned(), ..ModelInferRequest::default() };
    for name in ["width", "height", "age"] {
        let contents = InferTensorContents { fp64_contents: numbers(name), ..InferTensorContents::default() };
        message.inputs.push(tensor(name, "FP64", &shape, (!in_binary).then_some(contents)));
        message.raw_input_contents.push(fp64(&numbers(name)).into());
    }
    let bytes_contents = colours.iter().map(|colour| Bytes::copy_from_slice(colour.as_bytes())).collect();
    let contents = InferTensorContents { bytes_contents, ..InferTensorContents::default() };
    message.inputs.push(tensor("colour", "BYTES", &shape, (!in_binary).then_some(contents)));
    message.raw_input_contents.push(texts(&colours).into());
    if !in_binary {
        message.raw_input_contents.clear();
    }
    message
}

/// The probabilities, bit for bit, and the labels of an answer, in lists or in binary.
fn outputs(answer: &ModelInferResponse) -> (Vec<u64>, Vec<String>) {
    if let [probability, label] = answer.raw_output_contents.as_slice() {
        return (read_bits(probability), read_texts(label));
    }
    let contents: Vec<&InferTensorContents> =
        answer.outputs.iter().map(|output| output.contents.as_ref().unwrap()).collect();
    let labels = contents[1].bytes_contents.iter().map(|label| String::from_utf8(label.to_vec()).unwrap());
    (contents[0].fp64_contents.iter().map(|number| number.to_bits()).collect(), labels.collect())
}

#[tokio::test]
async fn the_numbers_are_those_of_predict() {
    let scene = Scene::set(&GRPC).await;
    let mut caller = Caller::new(&scene.app).await;
    let expected = scene.predicted(&scene.mixed, &rows()).await;
    for (in_binary, compressed) in [(false, false), (true, false), (false, true), (true, true)] {
        caller.compressed = compressed;
        let message = ModelInferRequest { id: "seven".to_owned(), ..request(&rows(), in_binary) };
        let answer = caller.infer(message).await.unwrap();
        assert_eq!(outputs(&answer), expected);
        assert_eq!(answer.raw_output_contents.is_empty(), !in_binary);
        assert_eq!((answer.id.as_str(), answer.model_version.as_str()), ("seven", "1"));
        let names: Vec<(&str, &str, &[i64])> = answer
            .outputs
            .iter()
            .map(|output| (output.name.as_str(), output.datatype.as_str(), output.shape.as_slice()))
            .collect();
        assert_eq!(names, [("probability", "FP64", &[4][..]), ("label", "BYTES", &[4])]);
        let threshold = answer.parameters["threshold"].parameter_choice.clone();
        assert_eq!(threshold, Some(ParameterChoice::DoubleParam(scene.mixed["threshold"]["value"].as_f64().unwrap())));
    }
}

#[tokio::test]
async fn outputs_versions_and_parameters_are_honoured() {
    let scene = Scene::set(&GRPC).await;
    let caller = Caller::new(&scene.app).await;
    let threshold = InferParameter { parameter_choice: Some(ParameterChoice::DoubleParam(0.0)) };
    let answer = caller
        .infer(ModelInferRequest {
            model_version: "1".to_owned(),
            outputs: vec![InferRequestedOutputTensor { name: "label".to_owned(), parameters: BTreeMap::new() }],
            parameters: BTreeMap::from([("threshold".to_owned(), threshold)]),
            ..request(&rows(), true)
        })
        .await
        .unwrap();
    assert_eq!(answer.outputs.len(), 1);
    assert_eq!(read_texts(&answer.raw_output_contents[0]), ["yes"; 4]);
    // A matrix of another name and datatype.
    let rows = [json!({"height": 1.5, "width": 0.5, "age": 31})];
    let (bits, _) = scene.predicted(&scene.numeric, &rows).await;
    let features = scene.numeric["features"].as_array().unwrap();
    let fp32_contents =
        features.iter().map(|feature| rows[0][feature["name"].as_str().unwrap()].as_f64().unwrap() as f32).collect();
    let contents = InferTensorContents { fp32_contents, ..InferTensorContents::default() };
    let message = ModelInferRequest {
        model_name: "numeric".to_owned(),
        inputs: vec![tensor("x", "FP32", &[1, 3], Some(contents))],
        ..ModelInferRequest::default()
    };
    assert_eq!(outputs(&caller.infer(message).await.unwrap()).0, bits);
}

#[tokio::test]
async fn the_server_and_its_models_say_what_they_are() {
    let scene = Scene::set(&GRPC).await;
    let caller = Caller::new(&scene.app).await;
    let live: ServerLiveResponse = caller.call("ServerLive", ServerLiveRequest {}).await.unwrap();
    let ready: ServerReadyResponse = caller.call("ServerReady", ServerReadyRequest {}).await.unwrap();
    assert!(live.live && ready.ready);
    let server: ServerMetadataResponse = caller.call("ServerMetadata", ServerMetadataRequest {}).await.unwrap();
    assert_eq!((server.name.as_str(), server.extensions), ("evenkeel", vec!["binary_tensor_data".to_owned()]));
    let asked = ModelMetadataRequest { name: "mixed".to_owned(), version: String::new() };
    let model: ModelMetadataResponse = caller.call("ModelMetadata", asked).await.unwrap();
    let inputs: Vec<(&str, &str)> =
        model.inputs.iter().map(|input| (input.name.as_str(), input.datatype.as_str())).collect();
    assert_eq!(inputs, [("height", "FP64"), ("width", "FP64"), ("colour", "BYTES"), ("age", "FP64")]);
    assert_eq!((model.versions, model.inputs[0].shape.clone()), (vec!["1".to_owned()], vec![-1]));
    let asked = ModelReadyRequest { name: "mixed".to_owned(), version: "1".to_owned() };
    let ready: ModelReadyResponse = caller.call("ModelReady", asked).await.unwrap();
    assert!(ready.ready);
    let index: RepositoryIndexResponse =
        caller.call("RepositoryIndex", RepositoryIndexRequest::default()).await.unwrap();
    let names: Vec<(&str, &str)> =
        index.models.iter().map(|model| (model.name.as_str(), model.state.as_str())).collect();
    assert_eq!(names, [("mixed", "READY"), ("numeric", "READY")]);
}

/// Calls are counted with the operations that do the same over REST.
#[tokio::test]
async fn calls_are_counted() {
    let scene = Scene::set(&GRPC).await;
    let caller = Caller::new(&scene.app).await;
    caller.infer(request(&rows(), true)).await.unwrap();
    assert!(caller.infer(ModelInferRequest::default()).await.is_err());
    for status in ["2xx", "4xx"] {
        let labels = ["endpoint=\"oipInfer\"", "format=\"grpc\"", &format!("status=\"{status}\"")];
        let metrics = scene.client.get("/metrics").send().await.text();
        let counted = metrics.lines().any(|line| {
            line.starts_with("evenkeel_") && line.ends_with(" 1") && labels.iter().all(|label| line.contains(label))
        });
        assert!(counted, "{status}:\n{metrics}");
    }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String, String) {
    let status = answer.unwrap_err();
    let code = status.metadata().get("evenkeel-code").map(|code| code.to_str().unwrap().to_owned());
    (status.code(), code.unwrap_or_default(), status.message().to_owned())
}

#[tokio::test]
async fn refusals_say_what_rest_says() {
    let scene = Scene::set(&[&GRPC[..], &["--max-body-bytes", "4000", "--max-predict-rows", "4"]].concat()).await;
    let caller = Caller::new(&scene.app).await;
    let mut wrong = request(&rows(), false);
    wrong.inputs[0].shape = vec![-1];
    wrong.inputs[1].datatype = "FP16".to_owned();
    wrong.outputs.push(InferRequestedOutputTensor { name: "logit".to_owned(), parameters: BTreeMap::new() });
    let (status, code, message) = refusal(caller.infer(wrong).await);
    assert_eq!((status, code.as_str()), (Code::InvalidArgument, "invalid-inference"));
    for place in ["/inputs/0/shape", "/inputs/1/datatype", "/outputs/0/name"] {
        assert!(message.contains(place), "{message}");
    }
    let unknown = ModelInferRequest { model_name: "other".to_owned(), ..request(&rows(), true) };
    assert_eq!(refusal(caller.infer(unknown).await).0, Code::NotFound);
    let asked = ModelReadyRequest { name: "other".to_owned(), version: String::new() };
    let ready: Result<ModelReadyResponse, Status> = caller.call("ModelReady", asked).await;
    assert_eq!(refusal(ready).0, Code::NotFound);
    let many: Vec<Value> = rows().into_iter().cycle().take(5).collect();
    let (status, code, _) = refusal(caller.infer(request(&many, true)).await);
    assert_eq!((status, code.as_str()), (Code::OutOfRange, "too-many-rows"));
    let large: Vec<Value> = rows().into_iter().cycle().take(400).collect();
    assert_eq!(refusal(caller.infer(request(&large, true)).await).0, Code::OutOfRange);
    let stream: Result<ModelInferResponse, Status> = caller.call("ModelStreamInfer", request(&rows(), true)).await;
    assert_eq!(refusal(stream).0, Code::Unimplemented);
    // A message of another kind: a text where the name of the model should be a text is not one in UTF-8.
    let other: Result<ModelInferResponse, Status> =
        caller.call("ModelInfer", ModelIndexOfBytes { name: Bytes::from_static(b"\xff") }).await;
    let (status, code, _) = refusal(other);
    assert_eq!((status, code.as_str()), (Code::InvalidArgument, "malformed-request"));
    let live: ServerLiveResponse = caller.call("ServerLive", ServerLiveRequest {}).await.unwrap();
    assert!(live.live);
}

/// A message whose first field is no text.
#[derive(Clone, PartialEq, prost::Message)]
struct ModelIndexOfBytes {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[tokio::test]
async fn a_compressed_message_is_bounded_as_it_is_decompressed() {
    let scene = Scene::set(&[&GRPC[..], &["--max-body-bytes", "100000"]].concat()).await;
    let mut caller = Caller::new(&scene.app).await;
    caller.compressed = true;
    let bomb = ModelInferRequest { id: "0".repeat(10_000_000), ..request(&rows(), true) };
    let status = refusal(caller.infer(bomb).await).0;
    assert!([Code::OutOfRange, Code::ResourceExhausted].contains(&status), "{status:?}");
    assert!(caller.infer(request(&rows(), true)).await.is_ok());
}

#[tokio::test]
async fn keys_and_scopes_are_those_of_rest() {
    let app = App::with(Engine::Sqlite, &[&GRPC[..], &["--require-keys"]].concat()).await;
    let mut caller = Caller::new(&app).await;
    let live: ServerLiveResponse = caller.call("ServerLive", ServerLiveRequest {}).await.unwrap();
    let ready: ServerReadyResponse = caller.call("ServerReady", ServerReadyRequest {}).await.unwrap();
    assert!(live.live && ready.ready, "health needs no key");
    for (key, expected) in [
        (None, Code::Unauthenticated),
        (Some("ek_not_a_key".to_owned()), Code::Unauthenticated),
        (Some(app.create_key("read,train")), Code::PermissionDenied),
        (Some(app.create_key("predict")), Code::NotFound),
    ] {
        caller.key = key;
        assert_eq!(refusal(caller.infer(request(&rows(), true)).await).0, expected);
        let asked = ModelMetadataRequest { name: "m".to_owned(), version: String::new() };
        let model: Result<ModelMetadataResponse, Status> = caller.call("ModelMetadata", asked).await;
        assert_eq!(refusal(model).0, expected);
        let server: Result<ServerMetadataResponse, Status> =
            caller.call("ServerMetadata", ServerMetadataRequest {}).await;
        let index: Result<RepositoryIndexResponse, Status> =
            caller.call("RepositoryIndex", RepositoryIndexRequest::default()).await;
        let allowed = expected == Code::NotFound;
        assert_eq!((server.is_ok(), index.is_ok()), (allowed, allowed));
    }
}

#[tokio::test]
async fn an_open_server_answers_only_for_loopback_hosts() {
    let app = App::with(Engine::Sqlite, &GRPC).await;
    let foreign = endpoint(&app).origin("http://evil.example".parse().unwrap());
    let caller = Caller { channel: foreign.connect().await.unwrap(), key: None, compressed: false };
    let live: Result<ServerLiveResponse, Status> = caller.call("ServerLive", ServerLiveRequest {}).await;
    let (status, code, _) = refusal(live);
    assert_eq!((status, code.as_str()), (Code::PermissionDenied, "host-not-allowed"));
}

/// The client has a thread of its own to hear that the server goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_do_not_keep_the_server_from_stopping() {
    let mut app = App::with(Engine::Sqlite, &GRPC).await;
    let caller = Caller::new(&app).await;
    let live: ServerLiveResponse = caller.call("ServerLive", ServerLiveRequest {}).await.unwrap();
    assert!(live.live);
    let begun = std::time::Instant::now();
    app.restart();
    let drain = evenkeel::http::HttpConfig::default().drain_seconds;
    assert!(begun.elapsed().as_secs_f64() < drain, "the server waited for a connection without calls");
    let caller = Caller::new(&app).await;
    let live: ServerLiveResponse = caller.call("ServerLive", ServerLiveRequest {}).await.unwrap();
    assert!(live.live);
    let line = app.logged(|line| line.contains("answered over gRPC"));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["procedure"], &line["code"]), (&json!("ServerLive"), &json!("Ok")));
}

#[test]
fn beyond_loopback_grpc_needs_keys_too() {
    let scratch = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["serve", "--listen", "127.0.0.1:0", "--grpc-listen", "0.0.0.0:0", "--data-dir"])
        .arg(scratch.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("keys create"));
}
