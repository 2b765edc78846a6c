//! The ceiling that serving is measured against: the least that an HTTP server of the same framework can do with the same
//! request. It parses the JSON of a prediction into numbers and answers how many rows there were.
//!
//! `cargo run --release --example echo -- 127.0.0.1:8090`

use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    columns: Vec<String>,
    data: Vec<Vec<f64>>,
}

#[derive(Serialize)]
struct Answer {
    rows: usize,
    fits: bool,
}

async fn echo(Json(request): Json<Request>) -> Json<Answer> {
    let fits = request.data.iter().all(|row| row.len() == request.columns.len());
    Json(Answer { rows: request.data.len(), fits })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let router = Router::new().route("/predict", post(echo)).route("/livez", get(|| async { "ok" }));
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router).await
}
