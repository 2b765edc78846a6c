//! Seconds and memory of resampling a prepared matrix, and the speed of the neighbour engine beside that of the matrix
//! product; see docs/benchmarks.md. benches/peers/resampling.py prepares the matrices, runs this, and imbalanced-learn.
//!
//! `cargo bench --bench resampling -- FILE STEP [--categories 1,3] [--repeat 5] [--threads 2]`
//! `cargo bench --bench resampling -- engine [--threads 2]`
//!
//! FILE has the number of rows and of columns as little-endian u64, the features row by row as f64, and one byte per
//! row, 1 for the positive class; the columns of `--categories` are codes. STEP is one element of a job's `resample`,
//! such as `{"method": "smote"}`. Printed is one line of JSON: the median seconds of the step alone, rows after it, and
//! the most memory that the process had, before and after.

use std::error::Error;
use std::io::Read;
use std::ops::ControlFlow;
use std::time::Instant;

use evenkeel::ml::config::{ConfigLimits, ResampleStep, check_resample_steps};
use evenkeel::ml::kernel::{Buffer, Left, Start, matmul};
use evenkeel::ml::neighbours::Neighbours;
use evenkeel::ml::resample::{ResampleError, apply};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::TrainSet;
use ndarray::Array2;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    work(std::env::args().skip(1).filter(|argument| argument != "--bench").collect())
}

fn work(arguments: Vec<String>) -> Result<(), Box<dyn Error>> {
    let (names, options) = {
        let first = arguments.iter().position(|argument| argument.starts_with("--")).unwrap_or(arguments.len());
        arguments.split_at(first)
    };
    let option = |name: &str| {
        let place = options.iter().position(|option| option == name);
        place.and_then(|place| options.get(place + 1))
    };
    let number = |name: &str, default: usize| option(name).map_or(Ok(default), |value| value.parse());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number("--threads", 2)?).build()?;
    match names {
        [name] if name == "engine" => pool.install(engine),
        [file, step] => {
            let (step, repeat) = (step_of(step)?, number("--repeat", 5)?);
            let (features, labels) = read(file)?;
            let mut set = TrainSet::new(features, labels);
            for column in option("--categories").iter().flat_map(|columns| columns.split(',')) {
                let column: usize = column.parse()?;
                set.kinds.categories.push(column..column + 1);
            }
            pool.install(|| resample(set, &step, repeat))?;
        }
        _ => println!("give a prepared matrix and a step, or `engine`; see the head of benches/resampling.rs"),
    }
    Ok(())
}

fn step_of(text: &str) -> Result<ResampleStep, Box<dyn Error>> {
    let steps = json!([serde_json::from_str::<serde_json::Value>(text)?]);
    let steps = check_resample_steps(&steps, &ConfigLimits::STANDARD, None).map_err(|errors| format!("{errors:?}"))?;
    Ok(steps.into_iter().next().ok_or("no step")?)
}

fn go(_: f64) -> ControlFlow<evenkeel::ml::observe::Stop> {
    ControlFlow::Continue(())
}

fn resample(set: TrainSet, step: &ResampleStep, repeat: usize) -> Result<(), ResampleError> {
    let (rows, columns) = set.features.dim();
    let before = peak_mib();
    let mut seconds = Vec::new();
    let mut timed = |seed: usize, set: TrainSet| {
        let begun = Instant::now();
        let resampled = apply(0, step, set, Seed(seed as u64), &mut go)?;
        seconds.push(begun.elapsed().as_secs_f64());
        Ok::<usize, ResampleError>(resampled.set.rows())
    };
    for seed in 1..repeat {
        timed(seed, set.clone())?;
    }
    // The last run has the rows alone, as a job has; with one run, the most memory is that of a job.
    let after = timed(0, set)?;
    seconds.sort_by(f64::total_cmp);
    let line = json!({
        "rows": rows, "columns": columns, "rows_after": after, "median_s": seconds[seconds.len() / 2],
        "min_s": seconds[0], "runs": seconds.len(), "before_mib": before, "peak_mib": peak_mib(),
    });
    println!("{line}");
    Ok(())
}

/// Each row's nearest neighbour among independent normal values, where hardly a block can be skipped, beside the bare
/// matrix product of the same size, in multiply-adds of every pair's product.
fn engine() {
    for (rows, queries, columns) in [(100_000, 5_000, 30), (30_000, 5_000, 108), (200_000, 20_000, 10)] {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        let features = Array2::from_shape_simple_fn((rows, columns), || {
            // Irwin and Hall's normal, nearly.
            (0..12).map(|_| uniform()).sum::<f64>() - 6.0
        });
        let asked: Vec<usize> = (0..rows).step_by(rows / queries).collect();
        let index = Neighbours::new(features.view());
        // The first search prepares the rows.
        let begun = Instant::now();
        let _ = index.of_rows(&asked[..2_000], 1, &mut go);
        let first = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let _ = index.of_rows(&asked, 5, &mut go);
        let seconds = begun.elapsed().as_secs_f64();
        let gflops = |seconds: f64| 2e-9 * (rows * asked.len() * columns) as f64 / seconds;
        let product = product(rows, asked.len(), columns);
        let line = json!({
            "rows": rows, "queries": asked.len(), "columns": columns, "first_s": first, "search_s": seconds,
            "engine_gflops": gflops(seconds), "product_s": product, "product_gflops": gflops(product),
            "share": product / seconds,
        });
        println!("{line}");
    }
}

/// Seconds of the matrix product alone, in the blocks in which the engine does it.
fn product(rows: usize, queries: usize, columns: usize) -> f64 {
    const BLOCK: usize = 256;
    const AT_ONCE: usize = 24;
    use rayon::prelude::*;
    let mut panels = Buffer::zeros(rows.div_ceil(BLOCK) * BLOCK * columns);
    panels.iter_mut().enumerate().for_each(|(place, value)| *value = (place % 17) as f32);
    let points = panels[..48 * columns].to_vec();
    let groups: Vec<usize> = (0..queries.div_ceil(48)).collect();
    let begun = Instant::now();
    groups.into_par_iter().for_each_init(
        || Buffer::zeros(AT_ONCE * BLOCK),
        |scores, _| {
            for panel in panels.chunks_exact(BLOCK * columns) {
                for half in points.chunks_exact(AT_ONCE * columns) {
                    let left = Left { values: half, row_step: columns, depth_step: 1 };
                    matmul([AT_ONCE, columns, BLOCK], left, panel, BLOCK, Start::Zero, scores, BLOCK);
                }
            }
            std::hint::black_box(&scores[0]);
        },
    );
    begun.elapsed().as_secs_f64()
}

fn read(file: &str) -> Result<(Array2<f64>, Vec<bool>), Box<dyn Error>> {
    let mut file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(file)?);
    let mut word = [0_u8; 8];
    let mut sizes = [0_usize; 2];
    for size in &mut sizes {
        file.read_exact(&mut word)?;
        *size = usize::try_from(u64::from_le_bytes(word))?;
    }
    let mut values = Vec::with_capacity(sizes[0] * sizes[1]);
    for _ in 0..sizes[0] * sizes[1] {
        file.read_exact(&mut word)?;
        values.push(f64::from_le_bytes(word));
    }
    let mut labels = vec![0; sizes[0]];
    file.read_exact(&mut labels)?;
    Ok((Array2::from_shape_vec((sizes[0], sizes[1]), values)?, labels.into_iter().map(|label| label == 1).collect()))
}

/// The most memory that the process has had.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok()).map_or(0, |kib| kib / 1024)
}
