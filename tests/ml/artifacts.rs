//! Artifacts from strangers: whatever is in the file, reading it ends with a model that predicts or with an error, and takes
//! no more memory than the file warrants.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use evenkeel::ml::calibrate::{CalibrationMap, Knots};
use evenkeel::ml::model::{ArtifactError, MAX_HEADER_BYTES, Model, card_of};
use evenkeel::ml::seed::{Rng, Seed};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::support::{Data, read_csv};

const GERMAN_CREDIT: &[u8] = include_bytes!("../data/datasets/german-credit.csv");
const BREAST_CANCER: &[u8] = include_bytes!("../data/datasets/breast-cancer.csv");

fn trained(data: &Data, parts: Value) -> Model {
    let mut request = json!({"evaluation": {"bootstrap": 0}});
    let (Value::Object(members), Value::Object(more)) = (&mut request, parts) else { panic!("two objects") };
    members.extend(more);
    data.train(&request).unwrap().model
}

fn network(data: &Data) -> Model {
    let mut model = trained(
        data,
        json!({
            "model": {"hidden_layers": [5, 5], "normalization": "batch", "activation": "prelu", "residual": true,
                      "members": 2},
            "training": {"epochs": 2}, "loss": {"type": "asymmetric"},
        }),
    );
    // Training keeps a map only where it helps, which is not what this is about.
    model.calibrator.map =
        CalibrationMap::Isotonic { knots: Knots::from_parts(vec![-1.0, 0.5, 2.0], vec![0.1, 0.4, 0.8]) };
    model
}

type Tensor = (Dtype, Vec<usize>, Vec<u8>);

/// The parts of a file, to be put together otherwise.
struct Parts {
    manifest: Value,
    tensors: HashMap<String, Tensor>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let manifest = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["evenkeel"]).unwrap();
        let tensors = SafeTensors::deserialize(bytes).unwrap();
        let tensor = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Self { manifest, tensors: tensors.tensors().into_iter().map(tensor).collect() }
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self
            .tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let metadata = HashMap::from([("evenkeel".to_owned(), self.manifest.to_string())]);
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    /// What reading says once the manifest has another value at a JSON pointer.
    fn forged(&self, pointer: &str, value: Value) -> String {
        let mut forged = Self { manifest: self.manifest.clone(), tensors: self.tensors.clone() };
        *forged.manifest.pointer_mut(pointer).unwrap() = value;
        told(&forged.bytes())
    }

    /// What reading says once a tensor has been changed, added (from an empty one) or removed (`None`).
    fn with_tensor(&self, name: &str, change: impl FnOnce(&mut Tensor) -> bool) -> String {
        let mut forged = Self { manifest: self.manifest.clone(), tensors: self.tensors.clone() };
        let mut tensor = forged.tensors.remove(name).unwrap_or((Dtype::F32, vec![0], Vec::new()));
        if change(&mut tensor) {
            forged.tensors.insert(name.to_owned(), tensor);
        }
        told(&forged.bytes())
    }
}

/// The refusal with its causes.
fn told(bytes: &[u8]) -> String {
    let error = Model::from_bytes(bytes).err().map(|error| error.to_string() + &causes(&error));
    error.unwrap_or_else(|| "it was read".to_owned())
}

fn causes(error: &dyn std::error::Error) -> String {
    error.source().map_or(String::new(), |cause| format!(": {cause}{}", causes(cause)))
}

#[test]
fn a_model_comes_back_to_the_last_bit_with_its_card() {
    let data = read_csv(BREAST_CANCER);
    for model in [network(&data), trained(&data, json!({"model": {"type": "logistic"}}))] {
        let bytes = model.to_bytes_with_card(b"{\"any\": 1}").unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        let bits =
            |model: &Model| model.predict(&data.table).unwrap().into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(&read), bits(&model));
        assert_eq!(card_of(&bytes).unwrap().as_deref(), Some(&b"{\"any\": 1}"[..]));
        assert_eq!(card_of(&model.to_bytes().unwrap()).unwrap(), None);
        assert_eq!(read.to_bytes().unwrap(), model.to_bytes().unwrap());
        assert_eq!(Parts::of(&bytes).bytes().len(), bytes.len(), "the parts are put together as they were");
    }
}

#[test]
fn forged_claims_are_refused_by_name_and_cost_nothing() {
    let model = network(&read_csv(BREAST_CANCER));
    let parts = Parts::of(&model.to_bytes_with_card(b"{}").unwrap());
    let started = Instant::now();
    let before = memory_peak();
    for (pointer, value, expected) in [
        ("/format_version", json!(3), "version 3"),
        ("/format_version", json!(u64::MAX), "manifest cannot be read"),
        ("/predictor", json!("logistic"), "belong to a network of that kind"),
        ("/members", json!(0), "belong to a network of that kind"),
        ("/members", json!(3), "network 2"),
        ("/members", json!(1_000_000_000), "1000000000 members"),
        ("/members", json!(4_000), "network 2"),
        ("/network/inputs", json!(1_000_000_000_000_u64), "inputs of the network"),
        ("/network/inputs", json!(1), "shape"),
        ("/network/hidden_layers", json!(vec![5; 300]), "300 hidden layers"),
        ("/network/hidden_layers", json!([5, 1_000_000_000]), "units in a layer"),
        ("/network/hidden_layers", json!([131_072, 131_072]), "bytes of weights"),
        ("/network/hidden_layers", json!([0, 5]), "layer 1 has 0"),
        ("/network/activation", json!("sinus"), "manifest cannot be read"),
        ("/threshold", json!(null), "manifest cannot be read"),
        ("/threshold_rule", json!({"rule": "max_f_beta", "beta": -1.0}), "rule"),
        ("/classes/positive", parts.manifest["classes"]["negative"].clone(), "one name"),
        ("/classes/positive", json!(""), "no proper name"),
        ("/classes/positive", json!("a\u{0}b"), "no proper name"),
        ("/missing_markers", json!(vec![""; 20_000]), "missing markers"),
        ("/calibrator/prevalence", json!(1.5), "calibrator"),
        ("/preprocessor/columns/0/name", json!(""), "no proper name"),
        ("/preprocessor/columns/0/name", parts.manifest["preprocessor"]["columns"][1]["name"].clone(), "same name"),
        ("/preprocessor/columns/0/categories", json!(["b", "a"]), "ascending"),
        ("/preprocessor/columns", json!([]), "output columns"),
    ] {
        let told = parts.forged(pointer, value);
        assert!(told.contains(expected), "{pointer}: {told}");
    }
    for (name, expected) in [("member.0.output.weight", "output.weight"), ("member.1.hidden.1.bias", "network 1")] {
        assert!(parts.with_tensor(name, |_| false).contains(expected), "{name} is missing");
        let infinite = |tensor: &mut Tensor| {
            tensor.2[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            true
        };
        assert!(parts.with_tensor(name, infinite).contains("not a finite number"), "{name} is infinite");
    }
    let falls = |tensor: &mut Tensor| {
        tensor.2[..8].copy_from_slice(&1e9_f64.to_le_bytes());
        true
    };
    assert!(parts.with_tensor("calibrator.isotonic.positions", falls).contains("does not rise"));
    assert!(parts.with_tensor("../../etc/passwd", |_| true).contains("tensors in the file"));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(memory_peak() - before < 256 << 20, "{} bytes more", memory_peak() - before);
}

#[test]
fn several_mistakes_are_told_at_once() {
    let model = network(&read_csv(BREAST_CANCER));
    let mut parts = Parts::of(&model.to_bytes().unwrap());
    parts.manifest["classes"]["positive"] = json!("");
    parts.manifest["calibrator"]["prevalence"] = json!(1.5);
    parts.manifest["threshold_rule"] = json!({"rule": "alert_rate", "fraction": 7.0});
    let told = told(&parts.bytes());
    for part in ["no proper name", "the calibrator", "rule"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_header_that_is_too_long_is_not_read() {
    for length in [MAX_HEADER_BYTES + 1, u64::MAX] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.resize(1000, b' ');
        assert!(matches!(Model::from_bytes(&bytes), Err(ArtifactError::HeaderTooLarge { found }) if found == length));
        assert!(card_of(&bytes).is_err());
    }
}

#[test]
fn damaged_artifacts_never_do_harm() {
    fuzz(Instant::now() + Duration::from_secs(600), 4_000, 1);
}

/// Ten minutes, with another seed each time; it is printed.
#[test]
#[ignore = "takes ten minutes; scripts/test --full runs it"]
fn damaged_artifacts_never_do_harm_for_ten_minutes() {
    #[expect(clippy::disallowed_methods, reason = "tests have no other way to be told")]
    let seed = std::env::var("EVENKEEL_TEST_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("EVENKEEL_TEST_FUZZ_SEED={seed}");
    fuzz(Instant::now() + Duration::from_secs(600), u64::MAX, seed);
}

/// Reads damaged artifacts until the end of time or rounds. A read that succeeds must give a model that can be written,
/// exported and asked.
fn fuzz(end: Instant, rounds: u64, seed: u64) {
    let (german, cancer) = (read_csv(GERMAN_CREDIT), read_csv(BREAST_CANCER));
    let models = [(network(&cancer), &cancer), (trained(&german, json!({"model": {"type": "logistic"}})), &german)];
    let originals =
        models.each_ref().map(|(model, data)| (model.to_bytes_with_card(b"{\"report\": []}").unwrap(), *data));
    let mut chance = Seed(seed).stream("damage");
    let (mut round, mut read) = (0, 0_u64);
    let before = memory_peak();
    while round < rounds && Instant::now() < end {
        round += 1;
        let (original, data) = originals.choose(&mut chance).unwrap();
        let damaged = damage(original, &mut chance);
        let _ = card_of(&damaged);
        let Ok(model) = Model::from_bytes(&damaged) else { continue };
        read += 1;
        // The columns may have other names now; then it is refused, which is an answer, too.
        if let Ok(probabilities) = model.predict(&data.table) {
            assert_eq!(probabilities.len(), data.table.rows());
        }
        assert!(Model::from_bytes(&model.to_bytes().unwrap()).is_ok(), "round {round} of seed {seed}");
    }
    assert!(read > 0 && read < round, "{read} of {round} were read: nothing was put to the test");
    assert!(memory_peak() - before < 512 << 20, "{} bytes more", memory_peak() - before);
    println!("{round} rounds, {read} models");
}

/// A few changes: of bytes, of pieces, of the header's length, of its numbers and words.
fn damage(original: &[u8], chance: &mut Rng) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let header = u64::from_le_bytes(*original.first_chunk::<8>().unwrap()) as usize + 8;
    for _ in 0..chance.random_range(1..=4) {
        let length = bytes.len().max(9);
        bytes.resize(length, 0);
        let within = |chance: &mut Rng, end: usize| chance.random_range(0..end.min(length).max(1));
        match chance.random_range(0..8) {
            0 => {
                let at = within(chance, length);
                bytes[at] ^= 1 << chance.random_range(0..8);
            }
            1 => {
                let at = within(chance, header);
                bytes[at] = *b"0123456789.-eE{}[]\",:ntf \\".choose(chance).unwrap();
            }
            2 => bytes.truncate(within(chance, length)),
            3 => {
                let (from, to) = (within(chance, length), within(chance, length));
                let piece = bytes[from.min(to)..from.max(to)].iter().take(64).copied().collect::<Vec<_>>();
                let at = within(chance, length);
                bytes.splice(at..at, piece);
            }
            4 => {
                let claimed = [0, 1, header as u64, length as u64, u64::from(u32::MAX), u64::MAX, 1 << 24];
                bytes[..8].copy_from_slice(&claimed.choose(chance).unwrap().to_le_bytes());
            }
            5 => replace_number(&mut bytes, header, chance),
            6 => {
                // Numbers of the weights: NaN, infinities, the ends of the range.
                let at = header + within(chance, length) * 4;
                let value = [f32::NAN, f32::INFINITY, f32::MAX, -f32::MAX, f32::MIN_POSITIVE, 0.0];
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&value.choose(chance).unwrap().to_le_bytes());
                }
            }
            _ => {
                let at = within(chance, length);
                let end = (at + within(chance, 200)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
    bytes
}

/// Another number in the place of one of the header, and a header as long as it then is.
fn replace_number(bytes: &mut Vec<u8>, header: usize, chance: &mut Rng) {
    let header = header.min(bytes.len());
    let starts: Vec<usize> = (9..header)
        .filter(|&at| bytes[at].is_ascii_digit() && !bytes[at - 1].is_ascii_digit() && bytes[at - 1] != b'.')
        .collect();
    let Some(&start) = starts.choose(chance) else { return };
    let digits = bytes[start..header].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let numbers =
        ["0", "1", "2", "7", "16", "255", "65536", "4294967296", "18446744073709551615", "1e308", "-1", "1e999"];
    let number = numbers.choose(chance).unwrap();
    bytes.splice(start..start + digits, number.bytes());
    let length = (header + number.len() - digits - 8) as u64;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
}

/// The most memory that this process has had, in bytes; 0 where that is not told.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

#[test]
fn forged_convolutional_networks_are_refused() {
    let data = crate::images::crosses(160);
    let request = json!({
        "model": {"type": "cnn", "layers": [{"type": "conv", "filters": 3}, {"type": "batch_norm"}]},
        "training": {"epochs": 1}, "evaluation": {"bootstrap": 0},
    });
    let parts = Parts::of(&data.train(&request).unwrap().model.to_bytes().unwrap());
    let layer = |part: &str| format!("/picture_network/layers/0/{part}");
    let impossible = [
        (layer("filters"), json!(0), "without units"),
        (layer("filters"), json!(1_000_000_000), "at most"),
        (layer("kernel"), json!(0), "a window of 0 pixels"),
        (layer("kernel"), json!(60), "larger than"),
        (layer("stride"), json!(0), "moved by 0"),
        (layer("padding"), json!(u64::MAX), "with a padding"),
        (layer("filters"), json!(4), "has shape"),
        ("/picture_network/input/height".to_owned(), json!(0), "impossible shape"),
        ("/picture_network/input/height".to_owned(), json!(7), "other pictures"),
        ("/picture_network/layers".to_owned(), json!(vec![json!({"type": "batch_norm"}); 300]), "300 layers"),
        (
            "/picture_network/layers/1".to_owned(),
            json!({"type": "residual", "layers": [], "projection": true}),
            "needs layers",
        ),
        ("/picture_network/layers/1".to_owned(), json!({"type": "batch_norm", "x": 1}), "cannot be read"),
        ("/picture_network/layers/1".to_owned(), json!({"type": "dropout", "probability": 2.0}), "a chance of 2"),
        ("/predictor".to_owned(), json!("mlp"), "of that kind"),
        ("/members".to_owned(), json!(2), "missing"),
    ];
    for (pointer, value, expected) in impossible {
        let told = parts.forged(&pointer, value.clone());
        assert!(told.contains(expected), "{pointer} {value}: {told}");
    }
    let variance = "member.0.layers.1.running_variance";
    let told = parts.with_tensor(variance, |(.., bytes)| {
        bytes[..4].copy_from_slice(&(-1.0_f32).to_le_bytes());
        true
    });
    assert!(told.contains("negative"), "{told}");
    let told = parts.with_tensor("member.0.layers.0.weight", |_| false);
    assert!(told.contains("is missing"), "{told}");
}
