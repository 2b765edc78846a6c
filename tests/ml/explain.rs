//! What a model goes by, on problems of which the answer is known.

use std::ops::ControlFlow;

use evenkeel::ml::explain::{AttributionMethod, GridValue, Importance, attribute};
use evenkeel::ml::metrics::{ClassScale, ConfusionMatrix, Costs, Ranking, threshold_points};
use evenkeel::ml::pipeline::Trained;
use proptest::prelude::*;
use serde_json::json;

use super::support::{Data, read_csv};

const MAMMOGRAPHY: &[u8] = include_bytes!("../../examples/data/mammography.csv");
const GERMAN_CREDIT: &[u8] = include_bytes!("../data/datasets/german-credit.csv");

/// `signal` and a category decide, `noise` says nothing.
fn problem() -> Data {
    let mut text = String::from("signal,noise,group,y\n");
    for row in 0..1_500_u32 {
        let spread = |step: f64| (f64::from(row) * step).fract();
        let signal = spread(0.618_033_988_749) * 4.0 - 2.0;
        let group = ["a", "b", "c"][(row % 3) as usize];
        let log_odds = 2.5 * signal - 4.0 + if group == "c" { 2.0 } else { 0.0 };
        let positive = spread(0.754_877_666_247) < 1.0 / (1.0 + (-log_odds).exp());
        let noise = spread(0.414_213_562_373);
        text.push_str(&format!("{signal:.6},{noise:.6},{group},{}\n", u8::from(positive)));
    }
    read_csv(text.leak().as_bytes())
}

fn importance(trained: &Trained) -> &Importance {
    &trained.dossier.explanation.importance
}

#[test]
fn what_decides_matters_and_noise_does_not() {
    for model in [json!({"type": "logistic"}), json!({"type": "mlp", "hidden_layers": [16]})] {
        let trained = problem().train(&json!({"model": model, "evaluation": {"bootstrap": 50}})).unwrap();
        let found = importance(&trained);
        let of = |name: &str| found.columns.iter().find(|column| column.column == name).unwrap();
        assert!(of("signal").average_precision.ci[0] > 0.1, "{found:#?}");
        assert!(of("signal").log_loss.value > of("group").log_loss.value, "{found:#?}");
        assert!(of("group").log_loss.value > of("noise").log_loss.value, "{found:#?}");
        assert!(of("noise").log_loss.ci[1].abs() < 0.05 && of("noise").average_precision.ci[0] < 0.02, "{found:#?}");
    }
}

#[test]
fn partial_dependence_rises_with_what_raises_the_odds() {
    let trained = problem().train(&json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}})).unwrap();
    let columns = &trained.dossier.explanation.partial_dependence.columns;
    assert_eq!(columns[0].column, "signal", "the most important first");
    assert!(columns[0].points.windows(2).all(|pair| pair[0].mean_probability < pair[1].mean_probability));
    let group = columns.iter().find(|column| column.column == "group").unwrap();
    let of = |name: &str| {
        let value = GridValue::Text(name.to_owned());
        group.points.iter().find(|point| point.value == value).unwrap().mean_probability
    };
    assert!(of("c") > of("a") && of("c") > of("b"));
}

#[test]
fn explanations_are_the_same_for_any_number_of_threads() {
    let data = read_csv(GERMAN_CREDIT);
    let request = json!({"training": {"epochs": 3}, "evaluation": {"bootstrap": 20}});
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| data.train(&request).unwrap().dossier.to_bytes().unwrap())
    };
    assert_eq!(with_threads(1), with_threads(3));
}

/// Of any model, on any row, with categories and missing values.
#[test]
fn contributions_add_up_to_the_log_odds_of_the_probability() {
    let data = read_csv(GERMAN_CREDIT);
    let rows = data.table.select(&[0, 17, 400, 999]);
    for (model, calibration, method) in [
        ("logistic", "prior", AttributionMethod::Linear),
        ("logistic", "platt", AttributionMethod::Linear),
        ("mlp", "prior", AttributionMethod::SampledShapley),
    ] {
        let mut request = json!({
            "model": {"type": model}, "calibration": {"method": calibration}, "evaluation": {"bootstrap": 0},
            "loss": {"type": "bce", "class_weight": "balanced"},
        });
        if model == "mlp" {
            request["training"] = json!({"epochs": 5});
        }
        let trained = data.train(&request).unwrap();
        let found = attribute(&trained.model, &trained.model.calibrator, &trained.dossier.background, &rows).unwrap();
        assert_eq!(found.method, method);
        let tolerance = if model == "mlp" { 1e-4 } else { 1e-9 };
        for (row, probability) in found.rows.iter().zip(trained.model.predict(&rows).unwrap()) {
            let log_odds = (probability / (1.0 - probability)).ln();
            let sum = found.base + row.contributions.iter().map(|one| one.value).sum::<f64>();
            assert!((row.score - log_odds).abs() < tolerance, "{model} {calibration}: {} {log_odds}", row.score);
            assert!((sum - row.score).abs() < tolerance && row.gap.abs() < tolerance, "{sum} {}", row.score);
            if method == AttributionMethod::SampledShapley {
                assert!(row.contributions.iter().any(|one| one.standard_error > 0.0));
                assert!(row.contributions.iter().all(|one| one.standard_error < 0.5), "{row:?}");
            }
        }
    }
}

#[test]
fn few_columns_are_attributed_exactly_and_agree_with_a_linear_model() {
    let data = read_csv(MAMMOGRAPHY);
    let rows = data.table.select(&[0, 100, 11_000]);
    let trained = data.train(&json!({"training": {"epochs": 3}, "evaluation": {"bootstrap": 0}})).unwrap();
    let found = attribute(&trained.model, &trained.model.calibrator, &trained.dossier.background, &rows).unwrap();
    assert_eq!(found.method, AttributionMethod::Shapley);
    assert!(found.rows.iter().all(|row| row.gap.abs() < 1e-4), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Every point has the counts that its threshold gives by definition, and no way to part the rows is left out.
    #[test]
    fn points_count_as_the_definition_does(
        rows in proptest::collection::vec((0_u8..12, any::<bool>()), 1..60),
    ) {
        let labels: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 11.0).collect();
        let ranking = Ranking::of_probabilities(&labels, &scores).unwrap();
        let costs = Costs { false_positive: 1.0, false_negative: 3.0 };
        let points = threshold_points(&ranking, ClassScale::NATURAL, costs, 1_000).unwrap();
        let mut distinct: Vec<u8> = rows.iter().map(|row| row.0).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let none = usize::from(distinct.last() != Some(&11));
        prop_assert_eq!(points.len(), distinct.len() + none);
        for point in points {
            let expected = ConfusionMatrix::at(&labels, &scores, point.threshold);
            prop_assert_eq!(point.counts, expected);
            prop_assert_eq!(point.rates.mcc.ok(), expected.mcc().ok());
            let cost = (expected.fp as f64 + 3.0 * expected.fn_ as f64) / rows.len() as f64;
            prop_assert!((point.cost_per_row - cost).abs() < 1e-12);
        }
    }
}

#[test]
fn a_stop_while_explaining_ends_the_run() {
    use evenkeel::ml::observe::{EpochLog, Phase, Stop, TrainObserver};
    use evenkeel::ml::pipeline::{TrainError, TrainInput, train};

    /// Stops late in the evaluation.
    struct Late(Option<Phase>);
    impl TrainObserver for Late {
        fn phase(&mut self, phase: Phase) -> ControlFlow<Stop> {
            self.0 = Some(phase);
            ControlFlow::Continue(())
        }
        fn step(&mut self, fraction: f64) -> ControlFlow<Stop> {
            let late = self.0 == Some(Phase::Evaluating) && fraction > 0.7;
            if late { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
        }
        fn epoch(&mut self, _: &EpochLog) -> ControlFlow<Stop> {
            ControlFlow::Continue(())
        }
    }
    let data = problem();
    let config = data.config(&json!({"model": {"type": "logistic"}, "evaluation": {"bootstrap": 10}}));
    let input = TrainInput { table: data.table, missing_markers: Vec::new() };
    let stopped = train(input, &config, &mut Late(None));
    assert!(matches!(stopped, Err(TrainError::Stopped(Stop::Cancelled))), "{stopped:?}");
}
