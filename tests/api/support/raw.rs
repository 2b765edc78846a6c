//! Requests that no well-behaved client sends: unfinished bodies, other hosts, silence.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that writes what it is told.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads on until what has come contains `text`; gives all of it.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&read).contains(text) {
            let count = tokio::time::timeout(PATIENCE, self.0.read(&mut chunk)).await.expect("no answer").unwrap();
            assert!(count > 0, "closed before {text:?}: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads all that comes until the other side closes.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut read)).await.expect("no end").unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Begins an upload of CSV and stops in the middle, once the server has asked for the body.
    pub(crate) async fn park_upload(address: &str, idempotency_key: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.write(&format!(
            "POST /v1/datasets?name=parked HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/csv\r\n\
             Idempotency-Key: {idempotency_key}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            PARKED.len()
        ))
        .await;
        raw.read_until("100 Continue").await;
        raw.write(&PARKED[..PARKED.len() / 2]).await;
        raw
    }

    /// Sends the rest of a parked upload and gives the head of the answer.
    pub(crate) async fn complete_upload(&mut self) -> String {
        self.write(&PARKED[PARKED.len() / 2..]).await;
        self.read_until("\r\n\r\n").await
    }
}

const PARKED: &str = "a,b,y\n1,2,0\n2,3,0\n3,1,0\n4,4,1\n5,9,1\n6,2,0\n";
