//! Resamples matrices: what `scripts/compare-resampling` runs beside imbalanced-learn.
//!
//! The argument is a JSON file of sets, `{name: {"X": [[...]], "y": [0 or 1], "categorical": [column, ...]}}`; each line
//! of the input is `{"data": name, "step": {...}}`, with a step as a job has it. Each line of the output is
//! `{"rows": [[...]], "labels": [...], "notes": [...]}` or `{"error": "..."}`.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write, stdin, stdout};
use std::ops::ControlFlow;

use evenkeel::ml::config::{ConfigLimits, ResampleStep, check_resample_steps};
use evenkeel::ml::labels::ClassNames;
use evenkeel::ml::resample::apply_to_classes;
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{FeatureKinds, TrainSet};
use ndarray::Array2;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "X")]
    features: Vec<Vec<f64>>,
    y: Vec<u8>,
    #[serde(default)]
    categorical: Vec<usize>,
}

#[derive(Deserialize)]
struct Case {
    data: String,
    step: Value,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("the file with the sets is missing")?;
    let sets: HashMap<String, Data> = serde_json::from_reader(BufReader::new(File::open(path)?))?;
    let sets: HashMap<String, TrainSet> =
        sets.into_iter().map(|(name, data)| Ok((name, train_set(data)?))).collect::<Result<_, Box<dyn Error>>>()?;
    let mut out = BufWriter::new(stdout().lock());
    for case in serde_json::Deserializer::from_reader(stdin().lock()).into_iter::<Case>() {
        let case = case?;
        let set = sets.get(&case.data).ok_or_else(|| format!("there is no set {:?}", case.data))?;
        let answer = match read_step(&case.step) {
            Ok(step) => answer(&step, set),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn train_set(data: Data) -> Result<TrainSet, Box<dyn Error>> {
    let columns = data.features.first().map_or(0, Vec::len);
    let features = Array2::from_shape_vec((data.features.len(), columns), data.features.concat())?;
    let categories = data.categorical.into_iter().map(|column| column..column + 1).collect();
    let labels = data.y.into_iter().map(|label| label == 1).collect();
    Ok(TrainSet { kinds: FeatureKinds { categories, whole: Vec::new() }, ..TrainSet::new(features, labels) })
}

fn read_step(step: &Value) -> Result<ResampleStep, String> {
    let steps = check_resample_steps(&json!([step]), &ConfigLimits::STANDARD, None);
    let steps = steps.map_err(|errors| format!("{errors:?}"))?;
    steps.into_iter().next().ok_or_else(|| "there is no step".to_owned())
}

fn answer(step: &ResampleStep, set: &TrainSet) -> Value {
    let classes = ClassNames { negative: "0".to_owned(), positive: "1".to_owned() };
    match apply_to_classes(0, step, &classes, set.clone(), Seed(0), None, &mut |_| ControlFlow::Continue(())) {
        Err(error) => json!({ "error": error.to_string() }),
        Ok(made) => {
            let rows: Vec<Vec<f64>> = made.set.features.rows().into_iter().map(|row| row.to_vec()).collect();
            let labels: Vec<u8> = made.set.labels.iter().map(|&label| u8::from(label)).collect();
            let notes: Vec<String> = made.notes.iter().map(ToString::to_string).collect();
            json!({ "rows": rows, "labels": labels, "notes": notes })
        }
    }
}
