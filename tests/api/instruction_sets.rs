//! Every instruction set gives the same bytes: of models of each kind, of predictions and of resampled rows.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const SETS: [&str; 3] = ["portable", "avx2", "avx512"];

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/datasets").join(name).display().to_string()
}

/// A folder that the program reads and writes.
struct Work {
    folder: tempfile::TempDir,
}

impl Work {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, set: &str, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        let output = command.args(["--max-instruction-set", set]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(PathBuf::from(self.path(name))).unwrap()
    }
}

/// What a run writes has to be the same with each instruction set.
fn same(what: &str, run: impl Fn(&Work, &str) -> Vec<Vec<u8>>) {
    let [first, others @ ..] = SETS.map(|set| run(&Work { folder: tempfile::tempdir().unwrap() }, set));
    assert!(first.iter().all(|file| file.len() > 100), "{what}: {:?}", first.iter().map(Vec::len).collect::<Vec<_>>());
    for (other, set) in others.iter().zip(&SETS[1..]) {
        assert!(first == *other, "{what}: {set} and {} do not give the same bytes", SETS[0]);
    }
}

fn trained(what: &str, file: &str, config: Value) {
    same(what, |work, set| {
        std::fs::write(work.path("job.json"), config.to_string()).unwrap();
        let (file, out) = (data(file), work.path("out"));
        work.run(set, &["train", "--data", &file, "--config", &work.path("job.json"), "--out", &out]);
        work.run(set, &["predict", "--model", &out, "--data", &file, "--out", &work.path("predictions.csv")]);
        vec![work.read("out/model.safetensors"), work.read("predictions.csv")]
    });
}

#[test]
fn a_logistic_model() {
    trained(
        "logistic",
        "haberman.csv",
        json!({"type": "train", "model": {"type": "logistic"}, "resample": [{"method": "smote"}]}),
    );
}

#[test]
fn a_network_with_every_activation() {
    let activations = ["relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid"];
    for activation in activations {
        let model = json!({"type": "mlp", "hidden_layers": [20, 9], "activation": activation, "dropout": 0.1, "normalization": "batch"});
        let job = json!({"type": "train", "model": model, "training": {"epochs": 2, "batch_size": 48}});
        trained(activation, "haberman.csv", job);
    }
}

#[test]
fn a_convolutional_network() {
    let layers = json!([
        {"type": "conv", "filters": 7}, {"type": "max_pool", "size": 2}, {"type": "depthwise_conv"},
        {"type": "avg_pool", "size": 2}, {"type": "dense", "units": 5}
    ]);
    for model in [json!({"type": "cnn", "size": "small"}), json!({"type": "cnn", "layers": layers})] {
        let augment = json!([{"method": "rotation", "degrees": 15, "classes": "all"}]);
        let job =
            json!({"type": "train", "model": model, "augment": augment, "training": {"epochs": 1, "batch_size": 64}});
        trained("cnn", "digits-eight.zip", job);
    }
}

#[test]
fn resampled_rows() {
    for method in ["smote", "adasyn", "tomek_links", "edited_nearest_neighbours", "kmeans_smote", "cluster_centroids"] {
        same(method, |work, set| {
            let (file, steps, out) = (data("haberman.csv"), work.path("steps.json"), work.path("out.csv"));
            std::fs::write(&steps, json!([{"method": method}]).to_string()).unwrap();
            let what = ["resample", "--data", &file, "--target", "status", "--config", &steps, "--out", &out];
            work.run(set, &what);
            vec![work.read("out.csv")]
        });
    }
}
