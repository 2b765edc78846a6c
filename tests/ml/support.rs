//! Tables and configurations for the tests of whole runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use evenkeel::ml::config::{ConfigLimits, DatasetFacts, FeatureFacts, FieldError, ObjectReader, TrainConfig};
use evenkeel::ml::observe::Unobserved;
use evenkeel::ml::pipeline::{TrainError, TrainInput, Trained, train};
use evenkeel::ml::table::{
    ColumnType, DEFAULT_MISSING, MemorySource, ReadOptions, Table, TableFormat, TableLimits, load, profile,
    target_classes,
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
    let options = ReadOptions { format: &format, missing_markers: &markers, limits: &TableLimits::STANDARD };
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
    let facts = DatasetFacts { rows: table.rows(), target, positive_label, columns: columns.collect(), class_counts };
    Data { table, facts }
}

impl Data {
    pub(crate) fn config(&self, request: &Value) -> TrainConfig {
        self.check(request).unwrap()
    }

    fn check(&self, request: &Value) -> Result<TrainConfig, Vec<FieldError>> {
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
