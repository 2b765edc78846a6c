//! Small datasets and jobs.

use serde_json::{Value, json};

/// A table of `rows` rows, one in eight of them positive: two numeric columns that tell the classes apart with
/// some overlap, a category that helps, a column with missing values.
pub(crate) fn csv(rows: usize) -> String {
    let mut text = String::from("height,width,colour,age,outcome\n");
    for row in 0..rows {
        let positive = row % 8 == 3;
        // Irrational steps spread the rows evenly without any chance.
        let spread = |step: f64| (row as f64 * step).fract();
        let height = spread(0.618_033_988_749) * 2.0 + if positive { 1.2 } else { 0.0 };
        let width = spread(0.414_213_562_373) * 2.0 - if positive { 1.0 } else { 0.0 };
        let colour = if positive && row % 16 == 3 { "red" } else { ["green", "blue"][row % 2] };
        let age = if row % 10 == 9 { String::new() } else { (20 + row % 50).to_string() };
        text.push_str(&format!("{height:.6},{width:.6},{colour},{age},{}\n", if positive { "yes" } else { "no" }));
    }
    text
}

/// A row for predictions on [`csv`].
pub(crate) fn row(height: f64, width: f64) -> Value {
    json!({"height": height, "width": width, "colour": "red", "age": 31})
}

/// Members of a job that trains within a second.
pub(crate) fn quick() -> Value {
    json!({
        "resample": [{"method": "smote", "sampling_strategy": 0.8}, {"method": "tomek_links"}],
        "model": {"type": "mlp", "hidden_layers": [8]},
        "training": {"epochs": 15, "batch_size": 64},
        "evaluation": {"bootstrap": 50},
    })
}

/// A job that goes on until it is stopped.
pub(crate) fn endless(dataset: &Value) -> Value {
    json!({
        "dataset_id": dataset["id"],
        "model": {"type": "mlp", "hidden_layers": [256, 256]},
        "training": {"epochs": 10_000, "batch_size": 8, "early_stopping": null},
    })
}
