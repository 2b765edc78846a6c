//! How well networks learn, against scikit-learn's on the same splits. Minutes long: part of the full suite.

use evenkeel::ml::table::{Column, Table, Values};
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{metric, read_csv};

const MAMMOGRAPHY: &[u8] = include_bytes!("../../examples/data/mammography.csv");

#[derive(Deserialize)]
struct Reference {
    /// One letter a row: `t`rain, `v`alidation, t`e`st.
    splits: Vec<String>,
    /// By remedy, one a split.
    average_precision: std::collections::BTreeMap<String, Vec<f64>>,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
#[ignore = "minutes long; run by ./scripts/test --full"]
fn under_the_same_remedy_average_precision_is_at_least_that_of_scikit_learn() {
    let reference: Reference = serde_json::from_str(include_str!("../data/mammography-quality.json")).unwrap();
    let mut data = read_csv(MAMMOGRAPHY);
    let columns = data.table.columns().to_vec();
    data.facts.columns.push(evenkeel::ml::config::FeatureFacts {
        name: "part".to_owned(),
        column_type: evenkeel::ml::table::ColumnType::Categorical,
        distinct: 3,
        values: None,
    });
    let remedies: [(&str, Value); 4] = [
        ("none", json!({})),
        ("smote", json!({"resample": [{"method": "smote"}]})),
        ("smote_tomek", json!({"resample": [{"method": "smote_tomek"}]})),
        ("balanced", json!({"loss": {"class_weight": "balanced"}})),
    ];
    let mut shortfalls = Vec::new();
    for (remedy, request) in &remedies {
        let reached: Vec<f64> = (0..5)
            .map(|seed| {
                let levels = vec!["train".to_owned(), "validation".to_owned(), "test".to_owned()];
                let code = |letter| match letter {
                    't' => 0,
                    'v' => 1,
                    _ => 2,
                };
                let codes = reference.splits[seed].chars().map(code).collect();
                let mut columns = columns.clone();
                columns.insert(0, Column { name: "part".to_owned(), values: Values::Categorical { codes, levels } });
                data.table = Table::new(columns).unwrap();
                let mut request = request.clone();
                request["seed"] = json!(seed);
                request["split"] = json!({"strategy": "column", "column": "part"});
                request["model"] = json!({"type": "mlp", "hidden_layers": [128]});
                request["evaluation"] = json!({"bootstrap": 0});
                metric(&data.train(&request).unwrap(), "average_precision")
            })
            .collect();
        let (found, expected) = (mean(&reached), mean(&reference.average_precision[*remedy]));
        println!("{remedy}: {found:.4} (scikit-learn {expected:.4}) {reached:.4?}");
        if found < expected {
            shortfalls.push(format!("{remedy}: {found:.4} below {expected:.4}"));
        }
    }
    assert!(shortfalls.is_empty(), "{shortfalls:?}");
}
