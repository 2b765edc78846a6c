//! Interrupted runs: from a checkpoint on, the model and its learning curves are those of a run never interrupted,
//! bit for bit; and nothing but a checkpoint of the very same task is gone on from.

use std::collections::HashMap;
use std::ops::ControlFlow;

use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver, WriteCheckpoint};
use evenkeel::ml::pipeline::{TrainError, TrainInput, Trained, train};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::images::crosses;
use super::support::{Data, missing_markers, read_csv};

const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");
const MOMENTS: usize = 20;

/// Watches a run, interrupts it, and hands it what an earlier run left.
#[derive(Default)]
struct Interrupter {
    earlier: Option<Vec<u8>>,
    /// Whether the run went on from that.
    resumed: Option<Result<(), String>>,
    /// The offer at which a checkpoint is taken, as a worker does by time.
    take_at: Option<usize>,
    /// The step of training at which the run is told to stop.
    stop_at: Option<usize>,
    /// Whether a checkpoint is taken when the run was told to stop, as at a shutdown; a crash leaves none.
    is_graceful: bool,
    told_to_stop: bool,
    phase: Option<Phase>,
    steps: usize,
    offers: usize,
    epochs: Vec<EpochLog>,
    taken: Option<(usize, Vec<u8>)>,
}

impl Interrupter {
    fn flow(&self) -> ControlFlow<Stop> {
        if self.told_to_stop { ControlFlow::Break(Stop::Shutdown) } else { ControlFlow::Continue(()) }
    }
}

impl TrainObserver for Interrupter {
    fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
        self.phase = Some(phase);
        self.flow()
    }

    fn step(&mut self, _: f64) -> ControlFlow<Stop> {
        if self.phase == Some(Phase::Training) {
            self.steps += 1;
            self.told_to_stop |= self.stop_at == Some(self.steps);
        }
        self.flow()
    }

    fn epoch(&mut self, log: &EpochLog) -> ControlFlow<Stop> {
        self.epochs.push(log.clone());
        self.flow()
    }

    fn checkpoint(&mut self, epochs: usize, write: &mut WriteCheckpoint<'_>) {
        self.offers += 1;
        if self.take_at == Some(self.offers) || (self.is_graceful && self.told_to_stop) {
            self.taken = Some((epochs, write().unwrap()));
        }
    }

    fn earlier_checkpoint(&mut self) -> Option<Vec<u8>> {
        self.earlier.take()
    }

    fn resumed(&mut self, outcome: Result<(), evenkeel::ml::nn::CheckpointError>) {
        self.resumed = Some(outcome.map_err(|error| error.to_string()));
    }
}

fn run(data: &Data, request: &Value, threads: usize, watch: &mut Interrupter) -> Result<Trained, TrainError> {
    let input = TrainInput { table: data.table.clone(), missing_markers: missing_markers() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| train(input, &data.config(request), watch))
}

/// All that a model and its record keep of a run.
fn left(trained: &Trained) -> (Vec<u8>, String) {
    let Trained { epochs_run, best_epoch, stopped_by, examples_seen, report, .. } = trained;
    let summary = format!("{epochs_run} {best_epoch} {stopped_by:?} {examples_seen} {report:?}");
    (trained.model.to_bytes().unwrap(), summary)
}

fn request(seed: u64, parts: Value) -> Value {
    let mut whole = json!({
        "seed": seed, "evaluation": {"bootstrap": 20},
        "resample": [{"method": "smote", "k_neighbors": 3}],
    });
    let (Value::Object(members), Value::Object(more)) = (&mut whole, parts) else { panic!("two objects") };
    members.extend(more);
    whole
}

/// Every optimizer, both averages, both ways for the rate to fall by what was seen, everything that draws.
fn requests() -> Vec<Value> {
    let parts = [
        json!({
            "model": {"hidden_layers": [16, 8], "dropout": 0.3}, "optimizer": {"type": "adam"},
            "augment": [{"method": "gaussian_noise", "std": 0.1, "probability": 0.5}],
            "training": {"epochs": 40, "batch_size": 16, "weight_averaging": {"type": "ema", "decay": 0.9},
                "early_stopping": {"monitor": "validation_loss", "patience": 4, "restore_best": true}},
        }),
        json!({
            "model": {"hidden_layers": [12], "normalization": "batch"},
            "optimizer": {"type": "sgd", "learning_rate": 0.3, "momentum": 0.9, "nesterov": true},
            "training": {"epochs": 15, "batch_size": 32, "batches": "balanced",
                "schedule": {"type": "reduce_on_plateau", "factor": 0.5, "patience": 1},
                "gradient_clipping": {"type": "norm", "max": 1.0}, "early_stopping": null},
        }),
        json!({
            "model": {"hidden_layers": [8], "members": 3, "dropout": 0.1, "activation": "prelu"},
            "optimizer": {"type": "rmsprop"},
            "training": {"epochs": 24, "batch_size": 32, "batches": "stratified",
                "weight_averaging": {"type": "swa", "start_epoch": 4},
                "early_stopping": {"monitor": "validation_average_precision", "patience": 12, "restore_best": true}},
        }),
        json!({
            // Products wide enough to be shared among threads.
            "model": {"hidden_layers": [128, 128], "normalization": "batch", "dropout": 0.1},
            "optimizer": {"type": "adamw"}, "resample": [],
            "training": {"epochs": 15, "batch_size": 150, "schedule": {"type": "one_cycle"},
                "early_stopping": {"monitor": "validation_loss", "patience": 9, "restore_best": true}},
        }),
        json!({
            "model": {"hidden_layers": [6], "dropout": 0.1}, "bagging": {"members": 4}, "resample": [],
            "training": {"epochs": 16, "batch_size": 16,
                "early_stopping": {"monitor": "validation_loss", "patience": 12, "restore_best": true}},
        }),
        json!({
            // A batch that is worked on in parts.
            "model": {"hidden_layers": [192, 192], "dropout": 0.2, "activation": "relu"},
            "training": {"epochs": 16, "batch_size": 130, "early_stopping": null},
        }),
    ];
    parts.into_iter().zip(3..).map(|(parts, seed)| request(seed, parts)).collect()
}

/// Convolutional networks: everything that draws, statistics over batches, averages, members side by side, and neighbours in
/// an embedding, whose network is trained before the one that checkpoints are of.
fn picture_requests() -> Vec<Value> {
    let layers = json!([
        {"type": "conv", "filters": 6}, {"type": "batch_norm"}, {"type": "activation", "function": "prelu"},
        {"type": "residual", "layers": [
            {"type": "depthwise_conv", "stride": 2}, {"type": "batch_norm"}, {"type": "conv", "filters": 8, "kernel": 1}]},
        {"type": "max_pool"}, {"type": "dropout", "probability": 0.3}, {"type": "dense", "units": 6}, {"type": "activation"},
    ]);
    let parts = [
        json!({
            "model": {"type": "cnn", "layers": layers}, "resample": [{"method": "random_over_sampler"}],
            "augment": [
                {"method": "rotation", "classes": "all"}, {"method": "horizontal_flip"},
                {"method": "gaussian_noise", "classes": "all"}, {"method": "cutout"}, {"method": "mixup", "classes": "all"}],
            "training": {"epochs": 6, "batch_size": 32, "weight_averaging": {"type": "ema", "decay": 0.9},
                "early_stopping": {"monitor": "validation_loss", "patience": 3, "restore_best": true}},
        }),
        json!({
            "model": {"type": "cnn", "layers": layers, "members": 2}, "resample": [], "optimizer": {"type": "sgd", "momentum": 0.9},
            "training": {"epochs": 4, "batch_size": 32, "batches": "balanced", "schedule": {"type": "one_cycle"},
                "weight_averaging": {"type": "swa", "start_epoch": 2}, "early_stopping": null},
        }),
        json!({
            // Enough work in a step for several threads.
            "model": {"type": "cnn", "dropout": 0.2},
            "resample": [{"method": "smote", "k_neighbors": 3, "space": "embedding"}],
            "augment": [{"method": "random_crop", "classes": "all"}],
            "training": {"epochs": 2, "batch_size": 48, "early_stopping": null},
        }),
    ];
    parts.into_iter().zip(11..).map(|(parts, seed)| request(seed, parts)).collect()
}

#[test]
fn a_run_interrupted_at_any_moment_leaves_the_same_bytes_as_one_never_interrupted() {
    interrupt(&read_csv(HABERMAN), requests(), MOMENTS);
}

#[test]
fn so_does_one_of_a_convolutional_network() {
    interrupt(&crosses(200), picture_requests(), MOMENTS / 4);
}

fn interrupt(data: &Data, requests: Vec<Value>, moments: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    for request in requests {
        let mut whole = Interrupter::default();
        let expected = left(&run(data, &request, 1, &mut whole).unwrap());
        for _ in 0..moments {
            let [first, second] = *[[1, 1], [1, 2], [2, 1], [2, 2]].choose(&mut rng).unwrap();
            let is_graceful = rng.random();
            let stop_at = rng.random_range(1..=whole.steps);
            let mut cut = Interrupter {
                is_graceful,
                // After a crash there is what was written some time before it, or nothing.
                take_at: (!is_graceful).then(|| rng.random_range(1..=stop_at)),
                stop_at: Some(stop_at),
                ..Interrupter::default()
            };
            let stopped = run(data, &request, first, &mut cut).unwrap_err();
            assert!(matches!(stopped, TrainError::Stopped(Stop::Shutdown)), "{stopped}");
            let was_taken = cut.taken.is_some();
            assert!(was_taken || !is_graceful, "nothing was written at a graceful stop after {stop_at} steps");
            let (told, bytes) = cut.taken.unzip();
            let mut rest = Interrupter { earlier: bytes, ..Interrupter::default() };
            let found = left(&run(data, &request, second, &mut rest).unwrap());
            assert_eq!(rest.resumed, was_taken.then_some(Ok(())));
            assert!(!was_taken || rest.steps < whole.steps, "nothing was saved");
            if is_graceful {
                // Blocks of validation rows are scored again, steps are not made again.
                assert!(rest.steps + stop_at <= whole.steps + 1, "{} of {}", rest.steps, whole.steps);
            }
            assert!(found == expected, "stopped after {stop_at} of {} steps: {request}", whole.steps);
            let curves: Vec<_> = cut.epochs.into_iter().take(told.unwrap_or(0)).chain(rest.epochs).collect();
            assert_eq!(curves, whole.epochs);
        }
    }
}

#[test]
fn a_run_interrupted_twenty_times_leaves_the_same_bytes() {
    interrupt_often(&read_csv(HABERMAN), requests(), MOMENTS);
    interrupt_often(&crosses(200), picture_requests().into_iter().take(2).collect(), MOMENTS / 4);
}

fn interrupt_often(data: &Data, requests: Vec<Value>, moments: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    for request in requests {
        let mut whole = Interrupter::default();
        let expected = left(&run(data, &request, 2, &mut whole).unwrap());
        let longest = (whole.steps / moments).max(2);
        let (mut earlier, mut interruptions) = (None, 0);
        let found = loop {
            let stop_at = Some(rng.random_range(1..=longest));
            let mut watch = Interrupter { earlier, stop_at, is_graceful: true, ..Interrupter::default() };
            match run(data, &request, 1 + interruptions % 2, &mut watch) {
                Ok(trained) => break left(&trained),
                Err(TrainError::Stopped(_)) => earlier = Some(watch.taken.unwrap().1),
                Err(error) => panic!("{error}"),
            }
            interruptions += 1;
        };
        assert!(interruptions >= moments, "{interruptions}");
        assert!(found == expected, "{request}");
    }
}

/// A checkpoint of a small task, from the middle of an epoch.
fn small() -> (Data, Value, Vec<u8>) {
    let data = read_csv(HABERMAN);
    let parts = json!({
        "model": {"hidden_layers": [4], "normalization": "batch", "members": 2},
        "training": {"epochs": 4, "batch_size": 64, "weight_averaging": {"type": "ema", "decay": 0.9}},
    });
    let request = request(1, parts);
    let mut cut = Interrupter { take_at: Some(30), ..Interrupter::default() };
    run(&data, &request, 1, &mut cut).unwrap();
    let bytes = cut.taken.unwrap().1;
    (data, request, bytes)
}

/// Why the run began anew; it went through all the same, and to the same end.
fn refusal(data: &Data, request: &Value, bytes: Vec<u8>) -> Option<String> {
    let mut watch = Interrupter { earlier: Some(bytes), ..Interrupter::default() };
    run(data, request, 1, &mut watch).unwrap();
    watch.resumed.unwrap().err()
}

#[test]
fn a_checkpoint_of_another_task_is_refused_and_the_run_begins_anew() {
    let (mut data, request, bytes) = small();
    assert_eq!(refusal(&data, &request, bytes.clone()), None);
    let foreign = "the checkpoint belongs to another configuration, other data or another program";
    for (pointer, value) in [
        ("/seed", json!(2)),
        ("/training/epochs", json!(5)),
        ("/model/members", json!(3)),
        ("/optimizer", json!({"learning_rate": 0.002})),
        ("/resample/0/k_neighbors", json!(4)),
    ] {
        let mut other = request.clone();
        match other.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => other[&pointer[1..]] = value,
        }
        assert_eq!(refusal(&data, &other, bytes.clone()).as_deref(), Some(foreign), "{pointer}");
    }
    data.table = data.table.select(&(1..data.table.rows()).collect::<Vec<_>>());
    assert_eq!(refusal(&data, &request, bytes).as_deref(), Some(foreign));
}

#[test]
fn whatever_byte_is_changed_or_missing_the_run_neither_crashes_nor_fails() {
    let (data, request, bytes) = small();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for case in 0..150 {
        let mut broken = bytes.clone();
        if case % 3 == 0 {
            broken.truncate(rng.random_range(0..bytes.len()));
            assert!(refusal(&data, &request, broken).is_some(), "truncated");
            continue;
        }
        // Most of what can be wrong is in the header.
        let end = if case % 3 == 1 { header } else { bytes.len() };
        let place = rng.random_range(0..end);
        broken[place] ^= rng.random_range(1..=255_u8);
        let mut watch = Interrupter { earlier: Some(broken), ..Interrupter::default() };
        let ended = run(&data, &request, 1, &mut watch);
        // A weight that is another number is one that training may well start from, and diverge.
        let diverged = matches!(&ended, Err(TrainError::Network(_)));
        assert!(ended.is_ok() || diverged && place >= header, "{:?}", ended.err());
        assert!(watch.resumed.is_some());
    }
}

/// The checkpoint with its header, or one of its tensors, changed.
fn forged(bytes: &[u8], change: impl Fn(&mut Value, &mut HashMap<String, Vec<f32>>)) -> Vec<u8> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let mut metadata = metadata.metadata().clone().unwrap();
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut values: HashMap<String, Vec<f32>> = tensors
        .iter()
        .map(|(name, view)| {
            let (chunks, _) = view.data().as_chunks::<4>();
            (name.to_owned(), chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
        })
        .collect();
    let header = metadata.get_mut("evenkeel_checkpoint").unwrap();
    let mut changed: Value = serde_json::from_str(header).unwrap();
    change(&mut changed, &mut values);
    *header = changed.to_string();
    let raw: HashMap<&String, Vec<u8>> = values
        .iter()
        .map(|(name, values)| (name, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = raw.iter().map(|(name, bytes)| {
        let shape = vec![bytes.len() / 4];
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes).unwrap())
    });
    safetensors::serialize(views, Some(metadata)).unwrap()
}

#[test]
fn a_forged_checkpoint_is_refused_by_what_is_wrong_with_it() {
    let (data, request, bytes) = small();
    assert_eq!(refusal(&data, &request, forged(&bytes, |_, _| {})), None);
    type Change = fn(&mut Value, &mut HashMap<String, Vec<f32>>);
    let changes: [(&str, Change); 13] = [
        ("version 3", |header, _| header["format_version"] = json!(3)),
        ("not as many epochs", |header, _| header["members"][1]["running"]["epoch"] = json!(6)),
        ("not as many epochs", |header, _| header["members"][1]["running"]["epoch"] = json!(0)),
        ("not as many steps", |header, _| header["members"][1]["running"]["batch"] = json!(1_000)),
        ("averaged weights", |header, _| header["members"][1]["running"]["averaged"] = Value::Null),
        ("best weights", |header, _| {
            header["members"][1]["running"]["has_best"] =
                json!(!header["members"][1]["running"]["has_best"].as_bool().unwrap());
        }),
        ("without a reason", |header, _| header["members"][1]["running"]["stopped_by"] = json!("converged")),
        ("no member", |header, _| {
            let member = json!({"finished": {"epochs_run": 4, "best_epoch": 4, "stopped_by": "epochs"}});
            header["members"] = json!([member, member]);
        }),
        ("\"1.network.parameters\"", |_, tensors| drop(tensors.remove("1.network.parameters"))),
        ("\"1.moments.first\"", |_, tensors| tensors.get_mut("1.moments.first").unwrap().push(0.0)),
        ("\"1.moments.second\"", |_, tensors| tensors.get_mut("1.moments.second").unwrap()[0] = -1.0),
        ("\"1.average.parameters\"", |_, tensors| tensors.get_mut("1.average.parameters").unwrap()[0] = f32::NAN),
        // Rows of four weights lie sixteen apart.
        ("\"1.network\"", |_, tensors| tensors.get_mut("1.network.parameters").unwrap()[5] = 1.0),
    ];
    for (expected, change) in changes {
        let refused = refusal(&data, &request, forged(&bytes, change)).unwrap_or_default();
        assert!(refused.contains(expected), "{expected:?} is not in {refused:?}");
    }
}
