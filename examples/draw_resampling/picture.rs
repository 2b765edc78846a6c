//! A cloud of two classes, and a picture of it after a step.

use std::fmt::Write;
use std::ops::ControlFlow;

use evenkeel::ml::config::{ConfigLimits, check_resample_steps};
use evenkeel::ml::resample::{ResampleError, Resampled, apply};
use evenkeel::ml::seed::Seed;
use evenkeel::ml::sets::{FeatureKinds, Origin, TrainSet};
use ndarray::Array2;
use rand::Rng as _;
use serde_json::{Value, json};

const SEED: Seed = Seed(7);
const MAJORITY: usize = 150;
const MINORITY: usize = 30;
/// Pixels for one unit of a feature.
const SCALE: f64 = 62.0;
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 330.0;
/// Cells of a feature where it is cut into categories.
const CELLS: f64 = 8.0;

/// The name and the text of each picture, the untouched cloud first.
pub fn all() -> Result<Vec<(String, String)>, ResampleError> {
    let cloud = cloud();
    let untouched = Resampled { set: cloud.clone(), removed: Vec::new(), notes: Vec::new() };
    let mut pictures = vec![("cloud".to_owned(), draw("no resampling", &cloud, &untouched))];
    for (name, step) in steps() {
        let set = match step["method"].as_str() {
            Some("smotenc") => with_category(&cloud),
            Some("smoten") => in_cells(&cloud),
            _ => cloud.clone(),
        };
        let mut steps = check_resample_steps(&json!([step]), &ConfigLimits::STANDARD, None).unwrap_or_default();
        let Some(step) = steps.pop() else { continue };
        let made = apply(0, &step, set.clone(), SEED, &mut |_| ControlFlow::Continue(()))?;
        pictures.push((name.clone(), draw(&name.replace('-', ", "), &set, &made)));
    }
    Ok(pictures)
}

fn steps() -> Vec<(String, Value)> {
    let plain = [
        "random_over_sampler",
        "smote",
        "smotenc",
        "smoten",
        "borderline_smote",
        "svm_smote",
        "adasyn",
        "random_under_sampler",
        "cluster_centroids",
        "instance_hardness_threshold",
        "condensed_nearest_neighbour",
        "one_sided_selection",
        "tomek_links",
        "edited_nearest_neighbours",
        "repeated_edited_nearest_neighbours",
        "all_knn",
        "neighbourhood_cleaning_rule",
        "smote_tomek",
        "smoteenn",
        "prowsyn",
        "geometric_smote",
        "gaussian_noise",
    ];
    let mut steps: Vec<(String, Value)> =
        plain.iter().map(|&name| (name.to_owned(), json!({ "method": name }))).collect();
    let mut named = |name: &str, step: Value| steps.push((name.to_owned(), step));
    named("random_over_sampler-shrinkage", json!({"method": "random_over_sampler", "shrinkage": 1.0}));
    named("borderline_smote-2", json!({"method": "borderline_smote", "kind": "borderline-2"}));
    named("kmeans_smote", json!({"method": "kmeans_smote", "cluster_balance_threshold": 0.2}));
    for version in 1..=3 {
        named(&format!("near_miss-{version}"), json!({"method": "near_miss", "version": version}));
    }
    for topology in ["star", "bus", "mesh"] {
        named(&format!("polynom_fit_smote-{topology}"), json!({"method": "polynom_fit_smote", "topology": topology}));
    }
    named("mixup", json!({"method": "mixup", "alpha": 1.0}));
    steps
}

/// A wide majority; a minority in two clouds, one of them inside the majority, with strays.
fn cloud() -> TrainSet {
    let mut chance = SEED.stream("cloud");
    // A sum of twelve uniform deviates is near enough to a normal one and the same on every machine.
    let mut normal = || (0..12).map(|_| chance.random::<f64>()).sum::<f64>() - 6.0;
    let mut points: Vec<[f64; 2]> = Vec::new();
    for row in 0..MAJORITY {
        let (x, y) = if row % 3 == 0 { (1.3, 0.9) } else { (-0.6, -0.2) };
        points.push([x + 0.75 * normal(), y + 0.7 * normal()]);
    }
    for row in 0..MINORITY {
        let (x, y, width) = match row {
            0..14 => (1.7, -1.2, 0.35),
            14..27 => (0.3, 0.9, 0.45),
            _ => (-0.8, -0.4, 0.6),
        };
        points.push([x + width * normal(), y + width * normal()]);
    }
    let features = Array2::from_shape_fn((MAJORITY + MINORITY, 2), |(row, column)| points[row][column]);
    TrainSet::new(features, (0..MAJORITY + MINORITY).map(|row| row >= MAJORITY).collect())
}

/// The cloud with a category beside the numbers that depends on the place: drawn as circles and squares.
fn with_category(cloud: &TrainSet) -> TrainSet {
    let features = Array2::from_shape_fn((cloud.rows(), 3), |(row, column)| match column {
        2 => f64::from(u8::from(cloud.features[[row, 0]] + 0.4 * f64::from(row as u32 % 3) > 1.2)),
        _ => cloud.features[[row, column]],
    });
    let kinds = FeatureKinds { categories: std::iter::once(2..3).collect(), whole: Vec::new() };
    TrainSet { kinds, ..TrainSet::new(features, cloud.labels.clone()) }
}

/// The cloud cut into cells, each coordinate a category.
fn in_cells(cloud: &TrainSet) -> TrainSet {
    let features = cloud.features.mapv(|value| ((value + 3.0) / 6.0 * CELLS).floor().clamp(0.0, CELLS - 1.0));
    let features = features.mapv(|cell| (cell + 0.5) / CELLS * 6.0 - 3.0);
    let kinds = FeatureKinds { categories: vec![0..1, 1..2], whole: Vec::new() };
    TrainSet { kinds, ..TrainSet::new(features, cloud.labels.clone()) }
}

fn draw(title: &str, before: &TrainSet, after: &Resampled) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    let mut line = |text: String| {
        let _ = writeln!(svg, "{text}");
    };
    for gone in &after.removed {
        if let Origin::Row(row) = gone.origin {
            let (x, y) = place(before, row as usize);
            let colour = if before.labels[row as usize] { "#e8a97c" } else { "#b9c3cf" };
            line(format!(
                "<path d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\" stroke=\"{colour}\" stroke-width=\"1.2\"/>",
                x - 3.0,
                y - 3.0
            ));
        }
    }
    let rows = |class: bool, new: bool| {
        (0..after.set.rows()).filter(move |&row| {
            after.set.labels[row] == class && matches!(after.set.origins[row], Origin::Synthetic { .. }) == new
        })
    };
    let mut counts = Vec::new();
    for (class, new, colour, what) in [
        (false, false, "#4a6fa5", "majority"),
        (false, true, "#7d4fb0", "new majority"),
        (true, true, "#2a9d5c", "new minority"),
        (true, false, "#d9480f", "minority"),
    ] {
        let count = rows(class, new).map(|row| line(marker(&after.set, row, colour, new))).count();
        if count > 0 {
            counts.push((format!("{count} {what}"), colour));
        }
    }
    if !after.removed.is_empty() {
        counts.push((format!("{} removed", after.removed.len()), "#8a94a0"));
    }
    line(format!("<text x=\"10\" y=\"20\" font-size=\"14\" fill=\"#222222\">{title}</text>"));
    let mut x = 10.0;
    for (text, colour) in counts {
        line(format!("<text x=\"{x:.0}\" y=\"{:.0}\" fill=\"{colour}\">{text}</text>", HEIGHT - 10.0));
        x += 6.4 * text.len() as f64 + 14.0;
    }
    svg.push_str("</svg>\n");
    svg
}

fn place(set: &TrainSet, row: usize) -> (f64, f64) {
    let (x, y) = (set.features[[row, 0]], set.features[[row, 1]]);
    // Rows of one cell lie in it side by side.
    let spread =
        |salt: usize| if set.kinds.categories.len() == 2 { ((row * salt) % 13) as f64 * 2.6 - 15.6 } else { 0.0 };
    (WIDTH / 2.0 - 10.0 + SCALE * x + spread(5), HEIGHT / 2.0 - SCALE * y + spread(8))
}

fn marker(set: &TrainSet, row: usize, colour: &str, new: bool) -> String {
    let (x, y) = place(set, row);
    let size = if new { 2.6 } else { 3.4 };
    if set.features.ncols() == 3 && set.features[[row, 2]] > 0.5 {
        let side = 2.0 * size;
        return format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{side:.1}\" height=\"{side:.1}\" fill=\"{colour}\"/>",
            x - size,
            y - size
        );
    }
    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{colour}\"/>")
}
