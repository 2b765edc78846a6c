//! A steady load on one or more servers, as a load balancer in front of them would make it; `scripts/soak` uses it.
//!
//! ```sh
//! cargo run --release --example load -- --path /v1/aliases/champion/predict --body row.json --rate 20000 --seconds 600 \
//!     127.0.0.1:8081 127.0.0.1:8082
//! ```
//!
//! Requests begin at a constant rate, whether earlier ones are answered or not as far as there are connections; a
//! latency counts from the moment that its request was due. Only servers that `/readyz` calls ready are asked. What was not
//! answered with 200 is lost, with one exception: a connection that could not be opened has cost no request.
//! The last line is a JSON object with what was found. `--rate 0` asks as fast as it can.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How often servers are asked whether they are ready.
const LOOK: Duration = Duration::from_millis(100);
/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Parser)]
struct Args {
    #[arg(long)]
    path: String,
    /// A file with the body of every request.
    #[arg(long)]
    body: std::path::PathBuf,
    /// What the body is.
    #[arg(long, default_value = "application/json")]
    media_type: String,
    /// Requests a second, over all connections; 0: as many as can be.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// `host:port`, one or more.
    #[arg(required = true)]
    servers: Vec<String>,
}

struct Shared {
    requests: Vec<Vec<u8>>,
    servers: Vec<String>,
    ready: Vec<AtomicBool>,
    lost: AtomicU64,
    reconnected: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let body = std::fs::read(&args.body)?;
    let shared = Arc::new(Shared {
        requests: args.servers.iter().map(|server| request(server, &args, &body)).collect(),
        ready: args.servers.iter().map(|_| AtomicBool::new(true)).collect(),
        servers: args.servers.clone(),
        lost: AtomicU64::new(0),
        reconnected: AtomicU64::new(0),
    });
    let watching: Vec<_> = (0..args.servers.len()).map(|server| tokio::spawn(watch(shared.clone(), server))).collect();
    let began = Instant::now();
    let clients: Vec<_> =
        (0..args.connections).map(|client| tokio::spawn(ask(shared.clone(), args.clone(), client, began))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await?);
    }
    let seconds = began.elapsed().as_secs_f64();
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    latencies.sort_unstable();
    let percentile = |share: f64| {
        let place = (latencies.len().saturating_sub(1) as f64 * share) as usize;
        latencies.get(place).map(|nanos| f64::from(*nanos) / 1e6)
    };
    let found = json!({
        "answered": latencies.len(),
        "lost": shared.lost.load(Ordering::Relaxed),
        "reconnected": shared.reconnected.load(Ordering::Relaxed),
        "seconds": seconds,
        "per_second": latencies.len() as f64 / seconds,
        "milliseconds": {"p50": percentile(0.5), "p99": percentile(0.99), "p999": percentile(0.999), "max": percentile(1.0)},
    });
    println!("{found}");
    Ok(())
}

fn request(server: &str, args: &Args, body: &[u8]) -> Vec<u8> {
    let Args { path, media_type, .. } = args;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Asks a server again and again whether it is ready.
async fn watch(shared: Arc<Shared>, server: usize) {
    let (Some(address), Some(ready)) = (shared.servers.get(server), shared.ready.get(server)) else { return };
    loop {
        let asked = async {
            let mut stream = TcpStream::connect(address).await?;
            let question = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(question.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, io::Error>(answer.starts_with(b"HTTP/1.1 200"))
        };
        let is_ready = matches!(tokio::time::timeout(Duration::from_secs(2), asked).await, Ok(Ok(true)));
        ready.store(is_ready, Ordering::Relaxed);
        tokio::time::sleep(LOOK).await;
    }
}

/// One client: its latencies in nanoseconds.
async fn ask(shared: Arc<Shared>, args: Args, client: usize, began: Instant) -> Vec<u32> {
    let mut connections: Vec<Option<Connection>> = shared.servers.iter().map(|_| None).collect();
    let mut latencies = Vec::new();
    let end = began + Duration::from_secs_f64(args.seconds);
    for turn in 0_u64.. {
        let due = match args.rate {
            rate if rate > 0.0 => {
                let place = turn as f64 * args.connections as f64 + client as f64;
                began + Duration::from_secs_f64(place / rate)
            }
            _ => Instant::now(),
        };
        if due >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        match once(&shared, &mut connections, client as u64 + turn).await {
            Ok(()) => latencies.push(u32::try_from(due.elapsed().as_nanos()).unwrap_or(u32::MAX)),
            Err(error) => {
                if shared.lost.fetch_add(1, Ordering::Relaxed) < 20 {
                    eprintln!("lost after {:.3} s: {error}", began.elapsed().as_secs_f64());
                }
            }
        }
    }
    latencies
}

/// Asks one of the servers that are ready; the next one if it takes no connection.
async fn once(shared: &Shared, connections: &mut [Option<Connection>], turn: u64) -> io::Result<()> {
    let began = Instant::now();
    let count = shared.servers.len().max(1);
    let mut place = usize::try_from(turn).unwrap_or_default() % count;
    loop {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other("no server is ready"));
        }
        let is_ready = shared.ready.get(place).is_some_and(|ready| ready.load(Ordering::Relaxed));
        let (Some(held), Some(address), Some(request)) =
            (connections.get_mut(place), shared.servers.get(place), shared.requests.get(place))
        else {
            return Err(io::Error::other("there is no server"));
        };
        if !is_ready {
            // Closed as a load balancer closes what it does not use.
            *held = None;
            place = (place + 1) % count;
            tokio::task::yield_now().await;
            continue;
        }
        let connection = match held {
            Some(connection) => connection,
            None => match TcpStream::connect(address).await {
                Ok(stream) => {
                    shared.reconnected.fetch_add(1, Ordering::Relaxed);
                    stream.set_nodelay(true)?;
                    held.insert(Connection { stream, buffer: Vec::new() })
                }
                Err(_) => {
                    place = (place + 1) % count;
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        let exchanged = tokio::time::timeout(PATIENCE, connection.exchange(request)).await;
        return match exchanged.unwrap_or_else(|_| Err(io::Error::other("no answer in time"))) {
            Ok(closes) => {
                if closes {
                    *held = None;
                }
                Ok(())
            }
            Err(error) => {
                *held = None;
                Err(error)
            }
        };
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads its answer; whether the server closes the connection after it.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<bool> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(head_end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head =
                    String::from_utf8_lossy(self.buffer.get(..head_end).unwrap_or_default()).to_ascii_lowercase();
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
                let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
                if self.buffer.len() >= head_end + 4 + length {
                    if !head.starts_with("http/1.1 200") {
                        return Err(io::Error::other(String::from_utf8_lossy(&self.buffer).into_owned()));
                    }
                    return Ok(head.lines().any(|line| line == "connection: close"));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the answer"));
            }
        }
    }
}
