//! Times a logistic regression.
//!
//! `cargo bench --bench logistic` fits 1,000,000 x 30 rows made from a seed.
//! `cargo bench --bench logistic -- FILE L1 L2 TOLERANCE REPEATS THREADS` fits the rows of a file, as
//! `benches/peers/logistic.py` does to compare; it writes one line of JSON.
//!
//! A file is, in little-endian order, the rows and columns as u64, the features row by row as f64, and one byte a
//! label.

use std::ops::ControlFlow;
use std::time::Instant;

use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::logistic::{FittedLogistic, LogisticTask, fit};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

type Failure = Box<dyn std::error::Error>;

struct Rows {
    features: Array2<f64>,
    labels: Vec<bool>,
}

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [] => {
            let rows = generate(1_000_000, 30)?;
            for threads in [1, 2] {
                report(&rows, (0.0, 5e-7), 1e-8, 5, threads)?;
            }
            Ok(())
        }
        [file, l1, l2, tolerance, repeats, threads] => {
            let rows = read(file)?;
            report(&rows, (l1.parse()?, l2.parse()?), tolerance.parse()?, repeats.parse()?, threads.parse()?)
        }
        _ => Err("expected nothing, or FILE L1 L2 TOLERANCE REPEATS THREADS".into()),
    }
}

/// Normal features and labels by a logistic model of them.
fn generate(rows: usize, columns: usize) -> Result<Rows, Failure> {
    let mut chance = ChaCha8Rng::seed_from_u64(42);
    let weights: Vec<f64> = (0..columns).map(|_| 0.5 * chance.sample::<f64, _>(StandardNormal)).collect();
    let features = Array2::from_shape_simple_fn((rows, columns), || chance.sample::<f64, _>(StandardNormal));
    let label = |row: ndarray::ArrayView1<'_, f64>| {
        let logit: f64 = row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() - 2.0;
        chance.random::<f64>() < 1.0 / (1.0 + (-logit).exp())
    };
    let labels = features.outer_iter().map(label).collect();
    Ok(Rows { features, labels })
}

fn read(file: &str) -> Result<Rows, Failure> {
    let bytes = std::fs::read(file)?;
    let (words, _) = bytes.as_chunks::<8>();
    let size =
        |index: usize| words.get(index).map(|word| u64::from_le_bytes(*word) as usize).ok_or("the file is short");
    let (rows, columns) = (size(0)?, size(1)?);
    let cells = words.get(2..2 + rows * columns).ok_or("the file is short")?;
    let labels = bytes.get(8 * (2 + rows * columns)..).ok_or("the file is short")?;
    let features =
        Array2::from_shape_vec((rows, columns), cells.iter().map(|cell| f64::from_le_bytes(*cell)).collect())?;
    Ok(Rows { features, labels: labels.iter().map(|&label| label == 1).collect() })
}

fn report(rows: &Rows, (l1, l2): (f64, f64), tolerance: f64, repeats: usize, threads: usize) -> Result<(), Failure> {
    let task = LogisticTask {
        features: rows.features.view(),
        labels: &rows.labels,
        class_weights: ClassWeights::EQUAL,
        l1,
        l2,
        tolerance,
        max_iterations: 10_000,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut seconds = Vec::new();
    let mut last: Option<FittedLogistic> = None;
    for _ in 0..repeats.max(1) {
        let begin = Instant::now();
        last = Some(pool.install(|| fit(&task, &mut |_| ControlFlow::Continue(())))?);
        seconds.push(begin.elapsed().as_secs_f64());
    }
    let fitted = last.ok_or("nothing was fitted")?;
    seconds.sort_by(f64::total_cmp);
    let line = serde_json::json!({
        "rows": rows.labels.len(),
        "columns": rows.features.ncols(),
        "l1": l1,
        "l2": l2,
        "threads": threads,
        "least_seconds": seconds.first(),
        "median_seconds": seconds.get(seconds.len() / 2),
        "iterations": fitted.iterations,
        "converged": fitted.converged,
        "objective": fitted.objective,
        "zero_weights": fitted.weights.iter().filter(|weight| **weight == 0.0).count(),
        "weights": if rows.features.ncols() <= 200 { fitted.weights } else { Vec::new() },
        "intercept": fitted.intercept,
    });
    println!("{line}");
    Ok(())
}
