//! Keys and scopes, on every operation; and who is let in without a key.

use std::process::Command;

use serde_json::json;

use crate::support::app::{App, Engine};
use crate::support::contract::CONTRACT;
use crate::support::data;
use crate::support::raw::Raw;

async fn with_keys() -> App {
    App::with(Engine::Sqlite, &["--require-keys"]).await
}

#[tokio::test]
async fn every_operation_but_the_public_ones_needs_a_key() {
    let app = with_keys().await;
    let (nobody, stranger) = (app.client(), app.client_with("ek_not_a_key"));
    for operation in &CONTRACT.operations {
        let method = operation.method.clone().leak();
        let path = operation.sample_path();
        let reply = nobody.call(method, &path).send().await;
        if operation.scope.is_none() {
            assert_eq!(reply.status, 200, "{}", operation.id);
            continue;
        }
        reply.expect_problem(401, "missing-api-key");
        stranger.call(method, &path).send().await.expect_problem(401, "invalid-api-key");
    }
}

#[tokio::test]
async fn a_scope_opens_its_operations_and_no_others() {
    let app = with_keys().await;
    for scope in ["read", "predict", "train", "admin"] {
        let client = app.client_with(&app.create_key(scope));
        for operation in CONTRACT.operations.iter().filter(|operation| operation.scope.is_some()) {
            let reply = client.call(operation.method.clone().leak(), &operation.sample_path()).send().await;
            let allowed = scope == "admin" || operation.scope.as_deref() == Some(scope);
            if allowed {
                assert!(![401, 403].contains(&reply.status), "{} with {scope}: {}", operation.id, reply.status);
            } else {
                let problem = reply.expect_problem(403, "insufficient-scope");
                let needed = operation.scope.as_deref().unwrap();
                assert!(problem["detail"].as_str().unwrap().contains(needed), "{problem:#}");
            }
        }
    }
}

#[tokio::test]
async fn scopes_add_up_and_a_key_survives_a_restart() {
    let mut app = with_keys().await;
    let key = app.create_key("read,train");
    let dataset = app.client_with(&key).upload("", data::csv(40)).await;
    app.restart();
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    app.client_with(&key).get(&path).send().await.expect_status(200);
    let log = app.log();
    assert!(!log.contains(&key), "the key is in the log");
}

#[tokio::test]
async fn an_open_server_answers_only_for_loopback_hosts() {
    let app = App::start().await;
    let client = app.client();
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7", "[::2]:8080"] {
        client.get("/v1/jobs").header("host", host).send().await.expect_problem(403, "host-not-allowed");
        client.get("/livez").header("host", host).send().await.expect_problem(403, "host-not-allowed");
    }
    for host in ["localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"] {
        client.get("/v1/jobs").header("host", host).send().await.expect_status(200);
    }
    // A page elsewhere can send a form without asking first; its origin tells it apart.
    let call = client.post("/v1/jobs").header("origin", "http://evil.example").json(&json!({}));
    call.send().await.expect_problem(403, "host-not-allowed");
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let app = App::start().await;
    let mut raw = Raw::connect(app.address()).await;
    raw.write("GET /v1/jobs HTTP/1.0\r\n\r\n").await;
    let answer = raw.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 403") || answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn beyond_loopback_the_server_refuses_to_start_without_keys() {
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
        .args(["serve", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(scratch.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("keys create"), "the refusal says what to do: {said}");
}
