//! Tables and configurations for the tests of whole runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::config::{ConfigLimits, DatasetFacts, FeatureFacts, FieldError, ObjectReader, TrainConfig};
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::pipeline::{TrainError, TrainInput, Trained, train};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::table::{
    Column, ColumnType, DEFAULT_MISSING, MemorySource, ReadOptions, Table, TableFormat, TableLimits, Values, load,
    profile, target_classes,
};
use serde_json::Value;

/// A table with what a configuration is checked against.
pub(crate) struct Data {
    pub(crate) table: Table,
    pub(crate) facts: DatasetFacts,
}

pub(crate) fn missing_markers() -> Vec<String> {
    DEFAULT_MISSING.iter().map(|&marker| marker.to_owned()).collect()
}

/// Reads CSV as an upload would; the last column is the target, the rarer class the positive one.
pub(crate) fn read_csv(bytes: &'static [u8]) -> Data {
    let format = TableFormat::Csv { delimiter: ',', header: true };
    let markers = missing_markers();
    let options =
        ReadOptions { format: &format, missing_markers: &markers, limits: &TableLimits::STANDARD, pictures: None };
    let on = &mut |_| ControlFlow::Continue(());
    let profiled = profile(MemorySource::new(bytes), &options, &BTreeMap::new(), on).unwrap();
    let columns: Vec<(String, ColumnType)> =
        profiled.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    let table = load(MemorySource::new(bytes), &options, &columns, on).unwrap();
    let target = columns.last().unwrap().0.clone();
    let class_counts: BTreeMap<String, usize> =
        target_classes(&profiled, &target).unwrap().into_iter().map(|(label, n)| (label, n as usize)).collect();
    let positive_label = class_counts.iter().min_by_key(|(_, count)| **count).unwrap().0.clone();
    let columns = profiled.columns.iter().map(|column| FeatureFacts {
        name: column.name.clone(),
        column_type: column.column_type,
        distinct: column.distinct as usize,
        values: None,
    });
    let facts = DatasetFacts {
        rows: table.rows(),
        target,
        positive_label,
        columns: columns.collect(),
        origin_columns: Vec::new(),
        pictures: None,
        class_counts,
    };
    Data { table, facts }
}

impl Data {
    pub(crate) fn config(&self, request: &Value) -> TrainConfig {
        self.check(request).unwrap()
    }

    pub(crate) fn check(&self, request: &Value) -> Result<TrainConfig, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut reader = ObjectReader::new(request, "", &mut errors);
        let config = TrainConfig::check(&mut reader, &self.facts, &ConfigLimits::STANDARD, &mut errors);
        reader.finish(&mut errors);
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    pub(crate) fn train(&self, request: &Value) -> Result<Trained, TrainError> {
        let input = TrainInput { table: self.table.clone(), missing_markers: missing_markers() };
        train(input, &self.config(request), &mut Unobserved)
    }
}

/// The value of a metric on the test rows.
pub(crate) fn metric(trained: &Trained, name: &str) -> f64 {
    trained.report.metrics[name].value.unwrap()
}

/// Two normal classes of two columns, so that the true probability of every row is known: a logistic one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Truth {
    pub(crate) prevalence: f64,
    /// Between the means of the classes, in standard deviations, along the first column; the second says nothing.
    pub(crate) distance: f64,
}

impl Truth {
    /// Rows with exactly this prevalence, in a random order.
    pub(crate) fn draw(self, rows: usize, seed: u64) -> Data {
        use rand::seq::SliceRandom as _;
        use rand_distr::{Distribution, StandardNormal};
        let mut chance = Seed(seed).stream("truth");
        let positives = (rows as f64 * self.prevalence).round() as usize;
        let mut labels: Vec<bool> = (0..rows).map(|row| row < positives).collect();
        labels.shuffle(&mut chance);
        let mut normal = || -> f64 { StandardNormal.sample(&mut chance) };
        let signal = labels.iter().map(|&label| normal() + if label { self.distance } else { 0.0 }).collect();
        let noise = labels.iter().map(|_| normal()).collect();
        let target = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
        let column = |name: &str, values| Column { name: name.to_owned(), values: Values::Numeric(values) };
        let columns = vec![column("signal", signal), column("noise", noise), column("y", target)];
        let fact = |column: &Column| FeatureFacts {
            name: column.name.clone(),
            column_type: ColumnType::Numeric,
            distinct: if column.name == "y" { 2 } else { rows },
            values: None,
        };
        let facts = DatasetFacts {
            rows,
            target: "y".to_owned(),
            positive_label: "1".to_owned(),
            columns: columns.iter().map(fact).collect(),
            class_counts: BTreeMap::from([("0".to_owned(), rows - positives), ("1".to_owned(), positives)]),
            origin_columns: Vec::new(),
            pictures: None,
        };
        Data { table: Table::new(columns).unwrap(), facts }
    }

    /// The true probability of each row.
    pub(crate) fn probabilities(self, data: &Data) -> Vec<f64> {
        let Values::Numeric(signal) = &data.table.column("signal").unwrap().values else { panic!("numbers") };
        let odds = (self.prevalence / (1.0 - self.prevalence)).ln();
        let logit = |x: f64| odds + self.distance * (x - self.distance / 2.0);
        signal.iter().map(|&x| 1.0 / (1.0 + (-logit(x)).exp())).collect()
    }
}
