//! Ensembles of members that each learn from a draw of their own.

use evenkeel::ml::labels::ClassCounts;
use evenkeel::ml::model::{Model, Predictor};
use evenkeel::ml::pipeline::Trained;
use serde_json::{Value, json};

use super::support::{metric, read_csv};

const HABERMAN: &[u8] = include_bytes!("../data/datasets/haberman.csv");
const MAMMOGRAPHY: &[u8] = include_bytes!("../../examples/data/mammography.csv");

fn request(parts: Value) -> Value {
    let mut whole = json!({
        "evaluation": {"bootstrap": 20}, "training": {"epochs": 6, "batch_size": 32}, "model": {"hidden_layers": [8]},
        "bagging": {"members": 4}
    });
    let (Value::Object(members), Value::Object(more)) = (&mut whole, parts) else { panic!("two objects") };
    members.extend(more);
    whole
}

fn logistic(parts: Value) -> Value {
    let mut whole = request(parts);
    whole["model"] = json!({"type": "logistic"});
    whole.as_object_mut().unwrap().remove("training");
    whole
}

fn bytes(trained: &Trained) -> Vec<u8> {
    trained.model.to_bytes().unwrap()
}

#[test]
fn each_member_has_its_own_balanced_draw_and_they_are_one_model() {
    let data = read_csv(HABERMAN);
    let trained = data.train(&request(json!({}))).unwrap();
    let Predictor::Mlp(ensemble) = &trained.model.predictor else { panic!("a network") };
    assert_eq!(ensemble.len(), 4);
    let drawn = trained.class_counts.last().unwrap();
    let train = trained.class_counts[0].counts;
    let rare = train.positive.min(train.negative);
    assert_eq!(drawn.stage, "random_under_sampler");
    assert_eq!(drawn.counts, ClassCounts { positive: rare, negative: rare });
    // Every member saw as many rows, the epochs of the first times the rows of its draw.
    assert!(trained.examples_seen >= (2 * rare * trained.epochs_run) as u64);
    let read = Model::from_bytes(&bytes(&trained)).unwrap();
    assert_eq!(read.predict(&data.table).unwrap(), trained.model.predict(&data.table).unwrap());
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads_and_another_one_others() {
    let data = read_csv(HABERMAN);
    for request in [request(json!({})), logistic(json!({}))] {
        let run = |threads: usize, seed: u64| {
            let mut request = request.clone();
            request["seed"] = json!(seed);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bytes(&data.train(&request).unwrap()))
        };
        assert_eq!(run(1, 1), run(2, 1));
        assert_eq!(run(1, 1), run(3, 1));
        assert_ne!(run(1, 1), run(1, 2));
    }
}

#[test]
fn probabilities_are_those_of_the_natural_prevalence() {
    let data = read_csv(MAMMOGRAPHY);
    let prevalence = 260.0 / 11_183.0;
    for request in [
        logistic(json!({})),
        // Unlike numbers of each class in each draw: Tomek links remove what they find.
        logistic(json!({"bagging": {"members": 5, "resample": [
            {"method": "random_under_sampler", "sampling_strategy": 0.5}, {"method": "tomek_links"}]}})),
        request(json!({"loss": {"type": "logit_adjusted", "tau": 0.5}})),
    ] {
        let trained = data.train(&request).unwrap();
        let probabilities = trained.model.predict(&data.table).unwrap();
        let mean = probabilities.iter().sum::<f64>() / probabilities.len() as f64;
        // Taught at a half or a third, an uncorrected model says so: about 0.1 on average here.
        assert!((mean / prevalence).ln().abs() < 0.5, "{mean} for {prevalence}: {request}");
        assert!(metric(&trained, "average_precision") > 0.2);
    }
}

#[test]
fn an_ensemble_of_linear_models_is_the_mean_of_their_logits() {
    let data = read_csv(HABERMAN);
    let of = |trained: &Trained| match &trained.model.predictor {
        Predictor::Logistic(fitted) => (fitted.weights.clone(), fitted.intercept),
        Predictor::Mlp(_) | Predictor::Cnn(_) => panic!("a linear model"),
    };
    let ensemble = of(&data.train(&logistic(json!({"bagging": {"members": 40}}))).unwrap());
    let balanced = data.train(&logistic(json!({"bagging": null, "loss": {"class_weight": "balanced"}}))).unwrap();
    let (weights, _) = of(&balanced);
    // Weights on all rows, balanced by class weights, are what balanced draws estimate.
    for (mean, weight) in ensemble.0.iter().zip(&weights) {
        assert!((mean - weight).abs() < 0.15, "{:?} {weights:?}", ensemble.0);
    }
    let once = of(&data.train(&logistic(json!({"bagging": {"members": 2}}))).unwrap());
    assert_ne!(once.0, ensemble.0);
}
