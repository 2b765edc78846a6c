//! `evenkeel quickstart`: the whole main job on a bundled real dataset, against a server of its own.

use std::net::SocketAddr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::CliError;
use super::listen::Listeners;
use super::service::{self, ServiceSettings};

/// Mammography (Woods et al. 1993): 11,183 regions of digitised mammograms, 260 of them calcifications.
const DATA: &[u8] = include_bytes!("../../examples/data/mammography.csv");
/// How often a running job is looked at.
const POLL: Duration = Duration::from_millis(100);
/// The job takes seconds; a machine on which it takes this long has another problem.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Settings of `evenkeel quickstart`.
#[derive(Debug, clap::Args)]
pub(super) struct QuickstartArgs {
    /// Keep the data, the job and the model under this directory instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<std::path::PathBuf>,
    /// Threads for training; 0 for one per core.
    #[arg(long, env = "EVENKEEL_THREADS", default_value_t = 0, value_name = "N")]
    threads: usize,
}

/// Runs the quickstart from upload to prediction.
pub(super) async fn run(args: QuickstartArgs) -> Result<(), CliError> {
    let scratch = Scratch::new(args.data_dir)?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(CliError::Listen)?;
    let address = listener.local_addr().map_err(CliError::Listen)?;
    let shutdown = CancellationToken::new();
    let settings = ServiceSettings::local(&scratch.path, args.threads)?;
    let server = tokio::spawn(service::run(settings, Listeners { http: listener, grpc: None }, shutdown.clone()));
    let client = Client::new(address);
    let outcome = tokio::select! {
        outcome = walk(&client, &scratch) => outcome,
        _ = tokio::signal::ctrl_c() => Err(CliError::Quickstart("stopped by the user".to_owned())),
    };
    shutdown.cancel();
    let served = server.await.map_err(|error| CliError::Quickstart(error.to_string()))?;
    outcome.and(served)
}

async fn walk(client: &Client, scratch: &Scratch) -> Result<(), CliError> {
    println!("Evenkeel is listening on {}\n", client.base);
    let dataset = upload(client).await?;
    let job = post_job(client, &dataset).await?;
    let job = follow(client, &job).await?;
    let model = client.get(&format!("/v1/models/{}", text(&job, "model_id"))).await?;
    let report = client.get(&format!("/v1/models/{}/report", text(&model, "id"))).await?;
    print_stages(&model);
    let diagnosis = client.get(&format!("/v1/models/{}/diagnosis", text(&model, "id"))).await?;
    print_report(&model, &report);
    print_diagnosis(&diagnosis);
    predict(client, &model).await?;
    print_next(scratch);
    Ok(())
}

async fn upload(client: &Client) -> Result<Value, CliError> {
    let path = "/v1/datasets?name=mammography&target=calcification&positive_label=1";
    let request = client.http.post(client.url(path)).header("content-type", "text/csv").body(DATA);
    let dataset = client.answer(request).await?;
    let positives = dataset["class_counts"]["1"].as_u64().unwrap_or(0);
    let rows = dataset["rows"].as_u64().unwrap_or(0);
    println!("1. Uploaded mammography: {rows} rows, {positives} of them positive ({}).", percent(positives, rows));
    println!(
        "   A model that always says no is right for {} of them and finds nothing.\n",
        percent(rows - positives, rows)
    );
    Ok(dataset)
}

async fn post_job(client: &Client, dataset: &Value) -> Result<Value, CliError> {
    let job = json!({
        "type": "train",
        "dataset_id": dataset["id"],
        "model_name": "mammography",
        "seed": 42,
        "resample": [{"method": "smote", "sampling_strategy": 1.0, "k_neighbors": 5}, {"method": "tomek_links"}],
        "model": {"type": "mlp", "hidden_layers": [128], "activation": "relu", "dropout": 0.2}
    });
    println!("2. Posting a job: SMOTE, then Tomek links, then a network of 128 units.");
    client.answer(client.http.post(client.url("/v1/jobs")).json(&job)).await
}

/// Polls the job until it has ended and shows how far it is.
async fn follow(client: &Client, job: &Value) -> Result<Value, CliError> {
    let bar = ProgressBar::new(1_000);
    let style = ProgressStyle::with_template("   [{bar:40}] {percent:>3} % {msg}")
        .map_err(|error| CliError::Quickstart(error.to_string()))?;
    bar.set_style(style.progress_chars("=> "));
    let path = format!("/v1/jobs/{}", text(job, "id"));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let job = client.get(&path).await?;
        bar.set_position((job["progress"].as_f64().unwrap_or(0.0) * 1_000.0) as u64);
        bar.set_message(job["phase"].as_str().unwrap_or("waiting").to_owned());
        match job["status"].as_str() {
            Some("succeeded") => {
                bar.finish_with_message("done");
                let seconds: f64 =
                    job["timings"].as_array().into_iter().flatten().filter_map(|t| t["seconds"].as_f64()).sum();
                println!("   Succeeded after {seconds:.1} s.\n");
                return Ok(job);
            }
            Some("failed" | "cancelled") => {
                bar.abandon();
                return Err(CliError::Quickstart(format!("the job ended as {}: {}", job["status"], job["failure"])));
            }
            _ if tokio::time::Instant::now() > deadline => {
                bar.abandon();
                return Err(CliError::Quickstart("the job did not end in time".to_owned()));
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

fn print_stages(model: &Value) {
    println!("3. Rows per class (validation and test are never resampled):");
    println!("   {:<14} {:>9} {:>9}", "", "positive", "negative");
    for stage in model["training"]["class_counts"].as_array().into_iter().flatten() {
        println!("   {:<14} {:>9} {:>9}", text(stage, "stage"), stage["positive"], stage["negative"]);
    }
    println!();
}

fn print_report(model: &Value, report: &Value) {
    println!("4. On {} test rows, {} of them positive:\n", report["rows"], report["positives"]);
    println!(
        "   {:<10} {:>10} {:>10} {:>10} {:>12} {:>8}",
        "class", "precision", "recall", "f1", "specificity", "rows"
    );
    for (label, class) in report["per_class"].as_object().into_iter().flatten() {
        let value = |name: &str| number(&class[name]["value"]);
        println!(
            "   {:<10} {:>10} {:>10} {:>10} {:>12} {:>8}",
            label,
            value("precision"),
            value("recall"),
            value("f1"),
            value("specificity"),
            class["support"].to_string()
        );
    }
    println!("\n   {:<22} {:>8} {:>10}   95 % interval", "", "model", "no skill");
    for name in ["average_precision", "roc_auc", "mcc", "balanced_accuracy", "log_loss", "brier", "accuracy"] {
        let metric = &report["metrics"][name];
        println!(
            "   {:<22} {:>8} {:>10}   {} to {}",
            name,
            number(&metric["value"]),
            number(&metric["no_skill"]),
            number(&metric["ci"][0]),
            number(&metric["ci"][1])
        );
    }
    println!(
        "\n   Verdict: {}. Threshold {} ({}), chosen on validation rows.\n",
        text(model, "verdict"),
        number(&model["threshold"]["value"]),
        text(&model["threshold"], "rule")
    );
}

/// What deserves a look, and what simple models reach.
fn print_diagnosis(diagnosis: &Value) {
    let members = |name: &str| diagnosis[name].as_array().cloned().unwrap_or_default();
    let passed = members("checks").iter().filter(|check| check["passed"] == true).count();
    println!("5. Diagnosis: {passed} of {} checks passed.", members("checks").len());
    for finding in members("findings") {
        println!("   {:<7} {}: {}", text(&finding, "severity"), text(&finding, "code"), text(&finding, "title"));
    }
    let baselines = members("baselines");
    let reached = baselines.iter().map(|b| format!("{} {}", text(b, "name"), number(&b["average_precision"])));
    println!("   Average precision of simple models: {}.\n", reached.collect::<Vec<_>>().join(", "));
}

/// Asks for one row of each class, as another service would.
async fn predict(client: &Client, model: &Value) -> Result<(), CliError> {
    let chosen: Vec<Value> = ["1", "0"].into_iter().filter_map(first_row_of).collect();
    let path = format!("/v1/models/{}/predict", text(model, "id"));
    let answer = client.answer(client.http.post(client.url(&path)).json(&json!({ "rows": chosen }))).await?;
    println!("6. Predicting {} rows:", chosen.len());
    for (row, prediction) in chosen.iter().zip(answer["predictions"].as_array().into_iter().flatten()) {
        println!(
            "   truly {:<3} predicted {:<3} probability of {} is {}",
            row["calcification"].as_f64().unwrap_or_default(),
            text(prediction, "label"),
            text(&answer, "positive_label"),
            number(&prediction["probability"])
        );
    }
    println!();
    Ok(())
}

/// The first row of the bundled file with this label, as JSON.
fn first_row_of(label: &str) -> Option<Value> {
    let mut reader = csv::Reader::from_reader(DATA);
    let names = reader.headers().ok()?.clone();
    let row = reader.records().flatten().find(|row| row.iter().next_back() == Some(label))?;
    let cell = |(name, text): (&str, &str)| Some((name.to_owned(), json!(text.parse::<f64>().ok()?)));
    names.iter().zip(row.iter()).map(cell).collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
}

fn print_next(scratch: &Scratch) {
    println!("Where to look next:");
    println!("   evenkeel serve                 the service itself, on http://127.0.0.1:8080");
    println!("   http://127.0.0.1:8080/docs     every operation, with examples");
    println!("   docs/http.md                   the same job by curl");
    if scratch.temporary.is_none() {
        println!("   evenkeel serve --data-dir {}   serves what was made here", scratch.path.display());
    }
}

/// Where the quickstart's server keeps its data; removed at the end unless the user named it.
struct Scratch {
    path: std::path::PathBuf,
    temporary: Option<RemoveOnDrop>,
}

struct RemoveOnDrop(std::path::PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        // Nothing depends on it: a leftover directory in the system's temporary folder is the worst that happens.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    fn new(named: Option<std::path::PathBuf>) -> Result<Self, CliError> {
        let (path, temporary) = match named {
            Some(path) => (path, None),
            None => {
                let path = std::env::temp_dir().join(format!("evenkeel-{}", uuid::Uuid::now_v7()));
                (path.clone(), Some(RemoveOnDrop(path)))
            }
        };
        std::fs::create_dir_all(&path).map_err(|source| CliError::File { path: path.clone(), source })?;
        Ok(Self { path, temporary })
    }
}

struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{address}") }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.answer(self.http.get(self.url(path))).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, CliError> {
        let response = request.send().await.map_err(CliError::Request)?;
        let status = response.status();
        let body: Value = response.json().await.map_err(CliError::Request)?;
        if status.is_success() {
            return Ok(body);
        }
        Err(CliError::Quickstart(format!("the server answered {status}: {}", text(&body, "detail"))))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"))
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}
