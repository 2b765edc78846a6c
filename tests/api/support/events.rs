//! Server-sent events, read as they come or all at once.

use std::time::Duration;

use serde_json::Value;

/// The longest that a running job may stay silent in a test.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// Events as they arrive.
pub(crate) struct EventStream {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl EventStream {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// The next event; `None` where the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.try_next().await.unwrap()
    }

    /// As [`EventStream::next`], from a server that may die meanwhile.
    pub(crate) async fn try_next(&mut self) -> reqwest::Result<Option<Event>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&block).into_iter().next() {
                    return Ok(Some(event));
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream is silent");
            match chunk? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// Reads on to an event that `wanted` accepts.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut seen = Vec::new();
        while let Some(event) = self.next().await {
            if wanted(&event) {
                return event;
            }
            seen.push(event);
        }
        panic!("the stream ended without the event waited for: {seen:#?}");
    }
}

/// All events in a finished stream. Comments, which keep connections open, are passed over.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split("\n\n").filter_map(parse_block).collect()
}

fn parse_block(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim_start())
    };
    let data = field("data")?;
    Some(Event {
        id: field("id").expect("an event has an id").parse().unwrap(),
        kind: field("event").expect("an event has a kind").to_owned(),
        data: serde_json::from_str(data).unwrap(),
    })
}
