//! The memory that is estimated before a job starts, against what is allocated while it runs.
//!
//! The estimate must not be too low for any method; how far it may be too high is stated below. Each test has the counter
//! to itself: they wait for each other where they run in one process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../ml/samplers/methods.rs"]
#[expect(dead_code, reason = "shared with the tests of the methods, which use all of it")]
mod methods;

mod counting;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::config::{
    ConfigLimits, DatasetFacts, FeatureFacts, ObjectReader, ResampleConfig, ResampleMethod, ResampleNumeric,
    ResamplePreprocess, ResampleStep, Scale, TrainConfig,
};
use evenkeel::ml::pipeline::{TrainInput, estimate, train};
use evenkeel::ml::resample_table::{estimate_resampling, resample_table};
use evenkeel::ml::table::{Column, ColumnType, Table, Values, WriteFormat};
use serde_json::json;

/// What every estimate has in reserve for what does not depend on the rows.
const RESERVE: u64 = 16 << 20;
/// What the methods use whatever the number of rows: buffers of the threads, the cache of a support vector machine's kernel
/// not counted.
const FIXED: u64 = 4 << 20;
/// How many times what was used the estimate may be, for those methods that use most. Others use less: one estimate serves
/// all of them.
const TOO_HIGH: u64 = 4;

fn table(rows: usize, columns: usize) -> (Table, DatasetFacts) {
    let set = methods::overlapping(rows, columns);
    let name = |column: usize| format!("x{column}");
    let numbers = |column: usize| Values::Numeric(set.features.column(column).to_vec());
    let mut all: Vec<Column> =
        (0..columns).map(|column| Column { name: name(column), values: numbers(column) }).collect();
    let labels = set.labels.iter().map(|&label| f64::from(u8::from(label))).collect();
    all.push(Column { name: "y".to_owned(), values: Values::Numeric(labels) });
    let positive = set.labels.iter().filter(|&&label| label).count();
    let fact = |column: &Column| FeatureFacts {
        name: column.name.clone(),
        column_type: ColumnType::Numeric,
        distinct: if column.name == "y" { 2 } else { rows },
        values: None,
    };
    let facts = DatasetFacts {
        pictures: None,
        rows,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        columns: all.iter().map(fact).collect(),
        class_counts: BTreeMap::from([("0".to_owned(), rows - positive), ("1".to_owned(), positive)]),
        origin_columns: Vec::new(),
    };
    (Table::new(all).unwrap(), facts)
}

/// The methods with as many rows as they are quick with here.
fn all_with_sizes() -> Vec<(ResampleMethod, usize)> {
    let rows = |method: &ResampleMethod| match method {
        ResampleMethod::SvmSmote { .. } | ResampleMethod::ClusterCentroids { .. } => 3_000,
        _ => 20_000,
    };
    methods::all_methods().into_iter().map(|method| (method.clone(), rows(&method))).collect()
}

/// The estimate, and what was used, without what does not depend on the rows.
fn assert_estimate(name: &str, estimated: u64, used: u64, shares: &mut Vec<f64>) {
    assert!(used <= estimated - RESERVE + FIXED, "{name}: {used} bytes where {estimated} were estimated");
    shares.push((estimated - RESERVE) as f64 / used as f64);
}

/// The closest estimate says by how much all are too high: they do not know the methods apart.
fn assert_not_too_high(shares: &[f64]) {
    let closest = shares.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(closest <= TOO_HIGH as f64, "even the closest estimate is {closest} times what was used");
}

#[test]
fn a_resample_job_uses_no_more_than_was_estimated() {
    let _alone = counting::alone();
    let mut shares = Vec::new();
    for (method, rows) in all_with_sizes() {
        let (table, facts) = table(rows, 30);
        let config = ResampleConfig {
            seed: 1,
            target: "y".to_owned(),
            positive_label: "1".to_owned(),
            exclude: Vec::new(),
            resample: vec![methods::step(method.clone())],
            preprocess: ResamplePreprocess { numeric: ResampleNumeric { impute: None, scale: Scale::Standard } },
            round_integers: false,
            keep_removed: true,
            origin_column: "origin".to_owned(),
            format: WriteFormat::Parquet,
        };
        let estimated = estimate_resampling(&config, &facts).memory_bytes;
        // The table is there all the time, and in the estimate.
        let of_table = (rows * 31 * 8) as u64;
        let (_, used) = counting::most_during(|| {
            let made = resample_table(&table, &config, &mut |_| ControlFlow::Continue(())).unwrap();
            made.with_origins(&config).unwrap()
        });
        assert_estimate(&format!("{method:?}"), estimated, used + of_table, &mut shares);
    }
    assert_not_too_high(&shares);
}

#[test]
fn a_train_job_uses_no_more_than_was_estimated() {
    let _alone = counting::alone();
    let mut shares = Vec::new();
    for (method, rows) in all_with_sizes() {
        let (table, facts) = table(rows, 30);
        let config = train_config(&methods::step(method.clone()), &facts);
        let estimated = estimate(&config, &facts).memory_bytes;
        let of_table = (rows * 31 * 8) as u64;
        let input = TrainInput { table, missing_markers: Vec::new() };
        let (trained, used) =
            counting::most_during(|| train(input, &config, &mut evenkeel::ml::observe::Unobserved).map(drop));
        trained.unwrap();
        assert_estimate(&format!("{method:?}"), estimated, used + of_table, &mut shares);
    }
    assert_not_too_high(&shares);
}

fn train_config(step: &ResampleStep, facts: &DatasetFacts) -> TrainConfig {
    let request = json!({
        "resample": [step], "model": {"type": "logistic"}, "evaluation": {"bootstrap": 0}, "calibration": {"method": "prior"},
    });
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(&request, "", &mut errors);
    let config = TrainConfig::check(&mut reader, facts, &ConfigLimits::STANDARD, &mut errors);
    reader.finish(&mut errors);
    assert_eq!(errors, []);
    config
}
