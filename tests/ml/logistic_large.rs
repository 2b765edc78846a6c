//! Logistic regression on many rows and on awkward ones: scikit-learn's optima, the conditions of an optimum checked
//! by plain sums, the same bits for any number of threads, and a stop that does not wait.

use std::ops::ControlFlow;

use evenkeel::ml::labels::ClassWeights;
use evenkeel::ml::logistic::{FittedLogistic, LogisticError, LogisticTask, fit, fit_path, strengths};
use evenkeel::ml::observe::Stop;
use ndarray::{Array2, Axis, concatenate, s};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    rows: String,
    positives: usize,
    l1: f64,
    l2: f64,
    objective: f64,
    zero_weights: usize,
}

/// Numbers in `0..1`: SplitMix64 of a counter that starts at `stream * 2^40`.
fn uniform(count: usize, stream: u64) -> Vec<f64> {
    let number = |index: usize| {
        let mut z = (index as u64 + (stream << 40)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(number).collect()
}

/// Sums of four uniform numbers, with mean 0 and variance 1.
fn bell(count: usize, stream: u64) -> Vec<f64> {
    let sum = |u: &[f64]| (u[0] + u[1] + u[2] + u[3] - 2.0) * 1.732_050_807_568_877_2;
    uniform(4 * count, stream).chunks(4).map(sum).collect()
}

struct Rows {
    features: Array2<f64>,
    labels: Vec<bool>,
}

impl Rows {
    fn new(features: Array2<f64>, weights: &[f64], stream: u64) -> Self {
        let noise = bell(features.nrows(), stream);
        let label = |(row, noise): (ndarray::ArrayView1<'_, f64>, &f64)| {
            row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() + 2.0 * noise > 1.5
        };
        let labels = features.outer_iter().zip(&noise).map(label).collect();
        Self { features, labels }
    }

    fn dense() -> Self {
        let features = Array2::from_shape_vec((20_000, 30), bell(20_000 * 30, 1)).unwrap();
        Self::new(features, &bell(30, 2), 3)
    }

    /// Three numbers and three one-hot columns of categories, some of them rare.
    fn categories() -> Self {
        let rows = 12_000;
        let mut features = Array2::from_shape_vec((rows, 3), bell(rows * 3, 4)).unwrap();
        for (number, levels) in [20_usize, 15, 40].into_iter().enumerate() {
            let mut columns = Array2::zeros((rows, levels));
            for (row, u) in uniform(rows, 5 + number as u64).into_iter().enumerate() {
                columns[[row, (u * u * levels as f64) as usize]] = 1.0;
            }
            features = concatenate(Axis(1), &[features.view(), columns.view()]).unwrap();
        }
        Self::new(features, &bell(78, 8), 9)
    }

    fn named(name: &str) -> Self {
        if name == "dense" { Self::dense() } else { Self::categories() }
    }

    fn task(&self, l1: f64, l2: f64) -> LogisticTask<'_> {
        LogisticTask {
            features: self.features.view(),
            labels: &self.labels,
            class_weights: ClassWeights::EQUAL,
            l1,
            l2,
            tolerance: 1e-9,
            max_iterations: 10_000,
        }
    }
}

fn solve(task: &LogisticTask<'_>) -> FittedLogistic {
    fit(task, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The objective and the largest coordinate of its smallest subgradient, by plain sums. At an optimum the latter is 0.
fn plainly(task: &LogisticTask<'_>, fitted: &FittedLogistic) -> (f64, f64) {
    let (mut value, mut total) = (0.0, 0.0);
    let mut gradient = vec![0.0; fitted.weights.len() + 1];
    for (row, &label) in task.features.outer_iter().zip(task.labels) {
        let z = row.iter().zip(&fitted.weights).map(|(x, w)| x * w).sum::<f64>() + fitted.intercept;
        let weight = task.class_weights.of(label);
        let against = if label { -z } else { z };
        value += weight * (against.max(0.0) + (-z.abs()).exp().ln_1p());
        total += weight;
        let slope = weight * (1.0 / (1.0 + (-z).exp()) - f64::from(u8::from(label)));
        row.iter().chain([&1.0]).zip(&mut gradient).for_each(|(x, sum)| *sum += slope * x);
    }
    value /= total;
    let mut worst = (gradient.pop().unwrap() / total).abs();
    for (slope, &weight) in gradient.iter().zip(&fitted.weights) {
        let slope = slope / total + 2.0 * task.l2 * weight;
        value += task.l1 * weight.abs() + task.l2 * weight * weight;
        let off =
            if weight == 0.0 { (slope.abs() - task.l1).max(0.0) } else { (slope + task.l1 * weight.signum()).abs() };
        worst = worst.max(off);
    }
    (value, worst)
}

#[test]
fn many_rows_reach_the_optimum_of_scikit_learn_or_a_lower_one() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/large-logistic-cases.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for case in &cases {
        let rows = Rows::named(&case.rows);
        let name = format!("{} l1 {} l2 {}", case.rows, case.l1, case.l2);
        assert_eq!(rows.labels.iter().filter(|&&label| label).count(), case.positives, "{name}: other rows");
        let task = rows.task(case.l1, case.l2);
        let fitted = solve(&task);
        assert!(fitted.converged && fitted.iterations < 15, "{name}: {} iterations", fitted.iterations);
        let (value, worst) = plainly(&task, &fitted);
        assert!((value - fitted.objective).abs() < 1e-13, "{name}: says {} for {value}", fitted.objective);
        assert!(worst < 2e-9, "{name}: subgradient {worst}");
        let relative = fitted.objective / case.objective - 1.0;
        assert!(relative < 1e-13 && relative > -1e-8, "{name}: {relative} above");
        let zeros = fitted.weights.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(zeros, case.zero_weights, "{name}");
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let with_threads = |threads: usize, task: &LogisticTask<'_>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let fitted = pool.install(|| solve(task));
        let weights: Vec<u64> = fitted.weights.iter().map(|weight| weight.to_bits()).collect();
        (weights, fitted.intercept.to_bits(), fitted.objective.to_bits(), fitted.iterations)
    };
    let (dense, categories, wide) = (Rows::dense(), Rows::categories(), wide());
    for (rows, l1, l2) in
        [(&dense, 0.0, 1e-4), (&dense, 1e-3, 1e-4), (&categories, 0.0, 1e-4), (&categories, 1e-3, 0.0)]
    {
        let one = with_threads(1, &rows.task(l1, l2));
        assert_eq!(one, with_threads(2, &rows.task(l1, l2)));
        assert_eq!(one, with_threads(5, &rows.task(l1, l2)));
    }
    for l1 in [0.0, 0.05] {
        assert_eq!(with_threads(1, &wide.task(l1, 0.01)), with_threads(2, &wide.task(l1, 0.01)));
    }
}

/// More columns than a Hessian is made for, and more than rows.
fn wide() -> Rows {
    let features = Array2::from_shape_vec((600, 1_800), bell(600 * 1_800, 11)).unwrap();
    let mut weights = bell(1_800, 12);
    weights[10..].fill(0.0);
    Rows::new(features, &weights, 13)
}

#[test]
fn very_many_columns_are_solved_without_a_hessian_over_all_of_them() {
    let rows = wide();
    // The last one leaves more columns than a Hessian is made for, as the squares share the weight out.
    for (l1, l2) in [(0.0, 0.05), (0.0, 1e-3), (0.05, 0.0), (0.02, 0.01), (1e-5, 0.5)] {
        let task = LogisticTask { tolerance: 1e-8, ..rows.task(l1, l2) };
        let fitted = solve(&task);
        let (value, worst) = plainly(&task, &fitted);
        assert!(fitted.converged && worst < 2e-8, "l1 {l1} l2 {l2}: {worst} after {}", fitted.iterations);
        assert!((value - fitted.objective).abs() < 1e-12);
        if l1 >= 0.02 {
            let active = fitted.weights.iter().filter(|weight| **weight != 0.0).count();
            assert!((5..400).contains(&active), "{active} weights");
        }
    }
}

#[test]
fn a_fit_stops_at_the_first_block_of_rows_that_it_is_asked_at() {
    let rows = Rows::dense();
    let task = rows.task(0.0, 1e-4);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut asked = 0;
    pool.install(|| fit(&task, &mut |_| count(&mut asked, usize::MAX))).unwrap();
    let fitted = solve(&task);
    assert!(asked > fitted.iterations, "{asked} questions in {} iterations", fitted.iterations);
    for most in [1, 2, asked / 2, asked] {
        let mut asked = 0;
        let stopped = pool.install(|| fit(&task, &mut |_| count(&mut asked, most)));
        assert_eq!(stopped, Err(LogisticError::Stopped(Stop::Cancelled)));
        assert_eq!(asked, most, "it went on after it was told to stop");
    }
}

/// Counts the questions and stops at one.
fn count(asked: &mut usize, most: usize) -> ControlFlow<Stop> {
    *asked += 1;
    if *asked >= most { ControlFlow::Break(Stop::Cancelled) } else { ControlFlow::Continue(()) }
}

#[test]
fn one_pass_over_many_rows_asks_several_times() {
    let rows = Rows::dense();
    let often = concatenate(Axis(0), &[rows.features.view(); 8]).unwrap();
    let rows = Rows { features: often, labels: rows.labels.repeat(8) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut asked = 0;
    pool.install(|| strengths(&rows.task(0.1, 0.0), 3, &mut |_| count(&mut asked, usize::MAX))).unwrap();
    assert!(asked >= 3, "{asked} questions in a single pass");
}

#[test]
fn progress_reaches_the_end_and_never_falls() {
    let rows = Rows::categories();
    let mut seen = Vec::new();
    let mut step = |done: f64| {
        seen.push(done);
        ControlFlow::Continue(())
    };
    fit(&rows.task(1e-3, 1e-4), &mut step).unwrap();
    assert!(seen.windows(2).all(|pair| pair[0] <= pair[1]), "{seen:?}");
    assert!(seen.iter().all(|done| (0.0..=1.0).contains(done)) && seen[seen.len() - 1] > 0.5, "{seen:?}");
}

#[test]
fn awkward_columns_are_no_obstacle() {
    let rows = Rows::dense();
    let few = rows.features.slice(s![..500, ..6]).to_owned();
    let labels = rows.labels[..500].to_vec();
    let plain = Rows { features: few.clone(), labels: labels.clone() };

    // A column that never varies and one that repeats another.
    let constant = Array2::from_elem((500, 1), 3.0);
    let zero = Array2::zeros((500, 1));
    let twin = few.slice(s![.., 2..3]).to_owned();
    let parts = [few.view(), constant.view(), zero.view(), twin.view()];
    let degenerate = Rows { features: concatenate(Axis(1), &parts).unwrap(), labels: labels.clone() };

    // Columns of very large and very small numbers.
    let mut scaled = plain.features.clone();
    for (column, scale) in [(0, 1e6), (1, 1e-6), (2, 1e9)] {
        scaled.column_mut(column).mapv_inplace(|value| value * scale);
    }
    let scaled = Rows { features: scaled, labels: labels.clone() };

    let single = Rows { features: few.slice(s![.., ..1]).to_owned(), labels: labels.clone() };
    let nothing = Rows { features: Array2::zeros((500, 0)), labels };
    for (name, rows, l1, l2) in [
        ("degenerate", &degenerate, 0.0, 0.0),
        ("degenerate", &degenerate, 0.0, 1e-3),
        ("degenerate", &degenerate, 1e-3, 0.0),
        ("scaled", &scaled, 0.0, 0.0),
        ("single", &single, 0.0, 0.0),
        ("single", &single, 1e-2, 1e-2),
        ("nothing", &nothing, 0.0, 0.1),
    ] {
        let task = rows.task(l1, l2);
        let fitted = solve(&task);
        let (value, worst) = plainly(&task, &fitted);
        assert!(fitted.converged, "{name} {l1} {l2}: subgradient {worst}");
        assert!((value / fitted.objective - 1.0).abs() < 1e-12, "{name}");
        if name != "scaled" {
            assert!(worst < 2e-9, "{name} {l1} {l2}: {worst}");
        }
    }
    // Without a penalty the scale of a column changes its weight and nothing else.
    let (one, other) = (solve(&plain.task(0.0, 0.0)), solve(&scaled.task(0.0, 0.0)));
    assert!((one.objective - other.objective).abs() < 1e-12, "{} {}", one.objective, other.objective);
    assert!((one.weights[2] / (other.weights[2] * 1e9) - 1.0).abs() < 1e-5);
}

#[test]
fn one_row_of_each_class_and_rows_that_a_line_divides_have_finite_weights() {
    let two = Rows { features: ndarray::array![[1.0, 0.0], [-1.0, 0.5]], labels: vec![true, false] };
    let rows = Rows::dense();
    let divided = Rows {
        labels: rows.features.slice(s![..2_000, 0]).iter().map(|&value| value > 0.3).collect(),
        features: rows.features.slice(s![..2_000, ..4]).to_owned(),
    };
    for rows in [&two, &divided] {
        for (l1, l2) in [(0.0, 0.0), (0.0, 1e-3), (1e-3, 0.0)] {
            let task = rows.task(l1, l2);
            let fitted = solve(&task);
            assert!(fitted.weights.iter().all(|weight| weight.is_finite()) && fitted.intercept.is_finite());
            let logits = fitted.logits(&rows.features);
            assert!(logits.iter().zip(&rows.labels).filter(|(logit, label)| (**logit > 0.0) != **label).count() <= 60);
            if l1 + l2 > 0.0 {
                let (_, worst) = plainly(&task, &fitted);
                assert!(fitted.converged && worst < 2e-9, "{worst}");
            }
        }
    }
}

#[test]
fn a_sample_that_misleads_does_no_harm() {
    // Sorted rows with one column that only the last ones have, and three positives in twenty thousand.
    let mut rows = Rows::dense();
    rows.labels = (0..20_000).map(|row| [5_000, 15_001, 19_999].contains(&row)).collect();
    rows.features.slice_mut(s![..19_000, 7]).fill(0.0);
    for (l1, l2) in [(0.0, 1e-4), (1e-5, 0.0)] {
        let task = rows.task(l1, l2);
        let fitted = solve(&task);
        let (_, worst) = plainly(&task, &fitted);
        assert!(fitted.converged && worst < 2e-9, "l1 {l1} l2 {l2}: {worst}");
    }
}

#[test]
fn a_path_gives_what_single_fits_give() {
    let rows = Rows::categories();
    for (l1, l2) in [(0.0, 0.5), (1.0, 0.0), (0.5, 0.25)] {
        let task = rows.task(l1, l2);
        let on = &mut |_: f64| ControlFlow::Continue(());
        let strengths = strengths(&task, 8, on).unwrap();
        assert!(strengths.windows(2).all(|pair| pair[0] > pair[1]));
        let fits = fit_path(&task, &strengths, on).unwrap();
        for fit in &fits {
            let alone = solve(&rows.task(fit.strength * l1, fit.strength * l2));
            assert!((fit.model.objective - alone.objective).abs() < 1e-11 * alone.objective, "{}", fit.strength);
        }
        if l1 > 0.0 {
            assert!(fits[0].model.weights.iter().all(|weight| weight.abs() < 1e-6), "the first leaves no weight");
        }
        let size = |index: usize| fits[index].model.weights.iter().map(|weight| weight.abs()).sum::<f64>();
        assert!(size(7) > 10.0 * size(1));
    }
}

#[test]
fn columns_that_mostly_have_one_value_may_have_any() {
    // One-hot columns, standardised or moved far away, ask for the same model in other words.
    let rows = Rows::categories();
    let mut moved = rows.features.clone();
    for (index, mut column) in moved.axis_iter_mut(Axis(1)).enumerate() {
        column.mapv_inplace(|value| value - 0.37 * index as f64);
    }
    let moved = Rows { features: moved, labels: rows.labels.clone() };
    for (l1, l2) in [(0.0, 1e-4), (1e-3, 1e-4)] {
        let (plain, other) = (solve(&rows.task(l1, l2)), solve(&moved.task(l1, l2)));
        assert!((plain.objective - other.objective).abs() < 1e-12, "{} {}", plain.objective, other.objective);
        let (value, worst) = plainly(&moved.task(l1, l2), &other);
        assert!((value - other.objective).abs() < 1e-11 && worst < 2e-9, "{value} {worst}");
    }
}
