//! The program under test: `evenkeel serve` as its own process, on a free port, on a database of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Connection;

use super::client::Client;

/// How long the program may take to start or to stop; it takes well under a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PROGRAM: &str = env!("CARGO_BIN_EXE_evenkeel");

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A running server with its data; both are gone when this is dropped.
pub(crate) struct App {
    scratch: tempfile::TempDir,
    flags: Vec<String>,
    server: Server,
}

/// A second server on the data of an [`App`].
pub(crate) struct Beside {
    server: Server,
}

impl Beside {
    /// A client without a key.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server.address, None)
    }
}

struct Server {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl App {
    /// A server on SQLite with two workers and everything else at its default.
    pub(crate) async fn start() -> App {
        App::with(Engine::Sqlite, &[]).await
    }

    /// A server with further flags; later ones replace earlier ones.
    pub(crate) async fn with(engine: Engine, flags: &[&str]) -> App {
        let scratch = tempfile::tempdir().unwrap();
        let mut all: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        if !flags.contains(&"--workers") {
            all.extend(["--workers".to_owned(), "2".to_owned()]);
        }
        if engine == Engine::Postgres {
            let admin = postgres_url().expect("a test on PostgreSQL asks for its URL first");
            all.extend(["--database-url".to_owned(), create_database(&admin).await]);
        }
        if flags.contains(&"--require-keys") {
            // A server that needs keys does not start before there is one.
            create_key(scratch.path(), &all, "read");
        }
        let server = Server::start(scratch.path(), &all);
        App { scratch, flags: all, server }
    }

    /// Another server on the same data.
    pub(crate) fn beside(&self) -> Beside {
        Beside { server: Server::start(self.scratch.path(), &self.flags) }
    }

    /// Asks the server to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        let status = self.server.stop();
        assert!(status.success(), "the server ended with {status}; its log:\n{}", self.log());
    }

    /// SIGTERM, and no more.
    pub(crate) fn ask_to_stop(&self) {
        self.server.ask_to_stop();
    }

    /// A client without a key.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server.address, None)
    }

    /// A client with a key.
    pub(crate) fn client_with(&self, key: &str) -> Client {
        Client::new(&self.server.address, Some(key))
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn address(&self) -> &str {
        &self.server.address
    }

    /// `127.0.0.1:<port>` of gRPC, of a server that was told to serve it.
    pub(crate) fn grpc_address(&self) -> String {
        let line = self.logged(|line| line.contains("listening for gRPC"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Makes a key by the command line and returns its secret.
    pub(crate) fn create_key(&self, scopes: &str) -> String {
        create_key(self.scratch.path(), &self.flags, scopes)
    }

    /// Asks the server to stop, waits until it has, and starts another one on the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// As [`App::restart`], with another number of workers.
    pub(crate) fn restart_with_workers(&mut self, workers: usize) {
        let at = self.flags.iter().position(|flag| flag == "--workers").unwrap();
        self.flags[at + 1] = workers.to_string();
        self.restart();
    }

    /// Ends the server at once, as a power cut would, and starts another one on the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Ends the server at once, as a power cut would. Answers when it is gone.
    pub(crate) fn kill(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
    }

    /// Starts another server on the data of one that was killed.
    pub(crate) fn start_again(&mut self) {
        self.server = Server::start(self.scratch.path(), &self.flags);
    }

    /// Removes a blob behind the server's back.
    pub(crate) fn lose_blob(&self, sha256: &str) {
        std::fs::remove_file(self.blob(sha256)).unwrap();
    }

    /// Changes the last byte of a blob behind the server's back.
    pub(crate) fn damage_blob(&self, sha256: &str) {
        let path = self.blob(sha256);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn blob(&self, sha256: &str) -> PathBuf {
        let mut folders = vec![self.data_dir().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.ends_with(sha256) {
                    return path;
                }
            }
        }
        panic!("there is no blob {sha256}");
    }

    /// Waits for a line of the log: an answer may be here before the line that was written ahead of it.
    pub(crate) fn logged(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
            assert!(std::time::Instant::now() < deadline, "the log has no such line:\n{log}");
            std::thread::yield_now();
        }
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.server.log.lock().unwrap().clone()
    }
}

impl Server {
    fn start(data_dir: &Path, flags: &[String]) -> Server {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .arg("--data-dir")
            .arg(data_dir)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        // The pipe is read to its end, or the server would wait for room in it.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = listening_address(&line) {
                    let _ = found.send(address);
                }
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        match address.recv_timeout(PATIENCE) {
            Ok(address) => Server { child, address, log },
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the server does not listen; its log:\n{}", log.lock().unwrap());
            }
        }
    }

    fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// SIGTERM, then the end of the process.
    fn stop(&mut self) -> std::process::ExitStatus {
        self.ask_to_stop();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "the server does not stop:\n{}", self.log.lock().unwrap());
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bound address out of the log line that announces it.
fn listening_address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str().map(str::to_owned))?
}

fn create_key(data_dir: &Path, flags: &[String], scopes: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(["keys", "create", "--name", "test", "--scopes", scopes])
        .args(database_flags(flags))
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "keys create: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn database_flags(flags: &[String]) -> Vec<String> {
    let at = flags.iter().position(|flag| flag == "--database-url");
    at.map(|at| flags[at..at + 2].to_vec()).unwrap_or_default()
}

/// The PostgreSQL server to test on. Without one the tests on it say so and do nothing; `scripts/test` always
/// starts one.
pub(crate) fn postgres_url() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests have no other way to be told")]
    let url = std::env::var("EVENKEEL_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!("NOT TESTED ON POSTGRESQL: EVENKEEL_TEST_POSTGRES_URL is not set; run ./scripts/test");
    }
    url
}

/// A new, empty database on the server of `admin_url`; its URL.
async fn create_database(admin_url: &str) -> String {
    let name = format!("evenkeel_api_{}", uuid::Uuid::now_v7().simple());
    let mut connection = sqlx::postgres::PgConnection::connect(admin_url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = url::Url::parse(admin_url).unwrap();
    url.set_path(&name);
    url.to_string()
}
