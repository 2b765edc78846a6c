//! How much of a training job its diagnosis and its explanation take: the whole job beside the same without them.
//!
//! `cargo bench --bench diagnosis` trains on 1,000,000 x 30 rows made from a seed.
//! `cargo bench --bench diagnosis -- FILE.csv TARGET [REPEATS]` trains on the rows of a file.
//!
//! Seconds are those of all processors together, so that other work on the machine changes little; of Linux only.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::config::{ConfigLimits, DatasetFacts, FeatureFacts, ObjectReader, TrainConfig};
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::pipeline::{TrainInput, diagnose, measure, train};
use evenkeel::ml::table::{
    Column, ColumnType, DEFAULT_MISSING, MemorySource, ReadOptions, Table, TableFormat, TableLimits, Values, load,
    profile, target_classes,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

struct Data {
    table: Table,
    facts: DatasetFacts,
    markers: Vec<String>,
}

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [] => report("1,000,000 x 30", &generate(1_000_000, 30)?, 1),
        [file, target] => report(file, &read(file, target)?, 3),
        [file, target, repeats] => report(file, &read(file, target)?, repeats.parse()?),
        _ => Err("expected nothing, or FILE.csv TARGET [REPEATS]".into()),
    }
}

fn report(name: &str, data: &Data, repeats: usize) -> Result<(), Failure> {
    println!("{name}: {} rows, {} threads", data.table.rows(), rayon::current_num_threads());
    println!(
        "{:<10} {:>9} {:>12} {:>12} {:>12} {:>7}",
        "model", "job s", "diagnosis s", "explaining s", "the rest s", "share"
    );
    for model in ["logistic", "mlp"] {
        let config = data.config(&json!({"model": {"type": model}}))?;
        let mut least = [f64::INFINITY; 3];
        for _ in 0..repeats {
            let seconds = [
                seconds(|| train(data.input(), &config, &mut Unobserved).map(drop).map_err(Failure::from))?,
                seconds(|| measure(data.input(), &config, &mut Unobserved).map(drop).map_err(Failure::from))?,
                seconds(|| diagnose(data.input(), &config, &mut Unobserved).map(drop).map_err(Failure::from))?,
            ];
            for (least, seconds) in least.iter_mut().zip(seconds) {
                *least = least.min(seconds);
            }
        }
        // What is looked at before training; dividing the rows, which belongs to the rest, is small beside it.
        let [whole, rest, diagnosis] = least;
        let explaining = (whole - rest - diagnosis).max(0.0);
        let share = 100.0 * (1.0 - rest / whole);
        println!("{model:<10} {whole:>9.3} {diagnosis:>12.3} {explaining:>12.3} {rest:>12.3} {share:>5.1} %");
    }
    Ok(())
}

/// Processor seconds that something takes.
fn seconds(run: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let before = processor_seconds()?;
    run()?;
    Ok(processor_seconds()? - before)
}

/// Of this process, all threads, as Linux counts them: in hundredths.
fn processor_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("no name")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).ok_or("no time");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

impl Data {
    fn config(&self, request: &Value) -> Result<TrainConfig, Failure> {
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(request, "", &mut errors);
        let config = TrainConfig::check(&mut reader, &self.facts, &ConfigLimits::STANDARD, &mut errors);
        reader.finish(&mut errors);
        if errors.is_empty() { Ok(config) } else { Err(format!("{errors:?}").into()) }
    }

    fn input(&self) -> TrainInput {
        TrainInput { table: self.table.clone(), missing_markers: self.markers.clone() }
    }
}

/// Normal columns and labels by a logistic model of them, one row in about fifteen positive.
fn generate(rows: usize, columns: usize) -> Result<Data, Failure> {
    let mut chance = ChaCha8Rng::seed_from_u64(42);
    let weights: Vec<f64> = (0..columns).map(|_| 0.3 * chance.sample::<f64, _>(StandardNormal)).collect();
    let mut logits = vec![-4.0; rows];
    let mut table = Vec::with_capacity(columns + 1);
    for (index, weight) in weights.iter().enumerate() {
        let values: Vec<f64> = (0..rows).map(|_| chance.sample(StandardNormal)).collect();
        logits.iter_mut().zip(&values).for_each(|(logit, value)| *logit += weight * value);
        table.push(Column { name: format!("x{index}"), values: Values::Numeric(values) });
    }
    let label = |logit: &f64| f64::from(u8::from(chance.random::<f64>() < 1.0 / (1.0 + (-logit).exp())));
    let labels: Vec<f64> = logits.iter().map(label).collect();
    let positives = labels.iter().filter(|&&label| label == 1.0).count();
    table.push(Column { name: "y".to_owned(), values: Values::Numeric(labels) });
    let class_counts = BTreeMap::from([("0".to_owned(), rows - positives), ("1".to_owned(), positives)]);
    let fact = |column: &Column| FeatureFacts {
        name: column.name.clone(),
        column_type: ColumnType::Numeric,
        distinct: rows,
        values: None,
    };
    let facts = DatasetFacts {
        pictures: None,
        rows,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        columns: table.iter().map(fact).collect(),
        class_counts,
        origin_columns: Vec::new(),
    };
    Ok(Data { table: Table::new(table)?, facts, markers: Vec::new() })
}

/// Reads CSV as an upload is read; the rarer class is the positive one.
fn read(file: &str, target: &str) -> Result<Data, Failure> {
    let bytes = std::fs::read(file)?;
    let format = TableFormat::Csv { delimiter: ',', header: true };
    let markers: Vec<String> = DEFAULT_MISSING.iter().map(|&marker| marker.to_owned()).collect();
    let options =
        ReadOptions { format: &format, missing_markers: &markers, limits: &TableLimits::STANDARD, pictures: None };
    let on = &mut |_| ControlFlow::Continue(());
    let profiled = profile(MemorySource::new(bytes.clone()), &options, &BTreeMap::new(), on)?;
    let columns: Vec<(String, ColumnType)> =
        profiled.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    let table = load(MemorySource::new(bytes), &options, &columns, on)?;
    let class_counts: BTreeMap<String, usize> =
        target_classes(&profiled, target)?.into_iter().map(|(label, n)| (label, n as usize)).collect();
    let rarer = class_counts.iter().min_by_key(|(_, count)| **count).map(|(label, _)| label.clone());
    let fact = |column: &evenkeel::ml::table::ColumnSummary| FeatureFacts {
        name: column.name.clone(),
        column_type: column.column_type,
        distinct: column.distinct as usize,
        values: None,
    };
    let facts = DatasetFacts {
        pictures: None,
        rows: table.rows(),
        target: target.to_owned(),
        positive_label: rarer.ok_or("no class")?,
        columns: profiled.columns.iter().map(fact).collect(),
        class_counts,
        origin_columns: Vec::new(),
    };
    Ok(Data { table, facts, markers })
}
