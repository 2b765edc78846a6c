//! Resampling of whole tables: what stays is as it was, what is new lies between its parents, and every row says where
//! it comes from.

use std::ops::ControlFlow;

use evenkeel::ml::config::{
    ConfigLimits, NumericImpute, ResampleConfig, ResampleNumeric, ResamplePreprocess, Scale, check_resample_steps,
};
use evenkeel::ml::observe::Stop;
use evenkeel::ml::resample_table::{ResampleTableError, ResampledTable, RowOrigin, resample_table};
use evenkeel::ml::table::{Column, MISSING, Table, Values, WriteFormat};
use proptest::prelude::*;
use serde_json::{Value, json};

fn config(steps: Value) -> ResampleConfig {
    ResampleConfig {
        seed: 7,
        target: "y".to_owned(),
        positive_label: "1".to_owned(),
        exclude: vec!["id".to_owned()],
        resample: check_resample_steps(&steps, &ConfigLimits::STANDARD, None).unwrap(),
        preprocess: ResamplePreprocess { numeric: ResampleNumeric { impute: None, scale: Scale::Standard } },
        round_integers: true,
        keep_removed: true,
        origin_column: "origin".to_owned(),
        format: WriteFormat::Parquet,
    }
}

fn run(table: &Table, config: &ResampleConfig) -> Result<ResampledTable, ResampleTableError> {
    resample_table(table, config, &mut |_| ControlFlow::Continue(()))
}

fn table(rows: &[(f64, u8, u32, Option<bool>)], positives: usize) -> Table {
    let column = |name: &str, values| Column { name: name.to_owned(), values };
    let levels = ["red", "green", "blue"].map(str::to_owned).to_vec();
    let code = |code: u32| if code == 3 { MISSING } else { code };
    let label = |row: usize| if row.is_multiple_of(rows.len() / positives) { 1.0 } else { 0.0 };
    Table::new(vec![
        column("id", Values::Numeric((0..rows.len()).map(|row| row as f64).collect())),
        column("x", Values::Numeric(rows.iter().map(|row| row.0).collect())),
        column("count", Values::Numeric(rows.iter().map(|row| f64::from(row.1)).collect())),
        column("y", Values::Numeric((0..rows.len()).map(label).collect())),
        column("colour", Values::Categorical { codes: rows.iter().map(|row| code(row.2)).collect(), levels }),
        column("flag", Values::Boolean(rows.iter().map(|row| row.3).collect())),
    ])
    .unwrap()
}

fn number(table: &Table, column: &str, row: usize) -> f64 {
    let Values::Numeric(values) = &table.column(column).unwrap().values else { panic!("{column}") };
    values[row]
}

fn text(table: &Table, column: &str, row: usize) -> Option<String> {
    table.column(column).unwrap().values.text(row)
}

/// Every row of the new table is what its origin says.
fn check_origins(old: &Table, new: &ResampledTable) {
    let columns = ["x", "count", "y", "colour", "flag"];
    let names: Vec<&str> = new.table.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, columns, "the order of the table, without what is excluded");
    assert_eq!(new.origins.len(), new.table.rows());
    for (row, origin) in new.origins.iter().enumerate() {
        match *origin {
            RowOrigin::Kept { row: from }
            | RowOrigin::Copy { row: from, .. }
            | RowOrigin::Removed { row: from, .. } => {
                for column in columns {
                    assert_eq!(text(&new.table, column, row), text(old, column, from), "{column} of {origin:?}");
                }
            }
            RowOrigin::Synthetic { parents: [one, two], .. } => {
                let x = number(&new.table, "x", row);
                let (low, high) = (number(old, "x", one), number(old, "x", two));
                let slack = 1e-9 * (low.abs() + high.abs() + 1.0);
                assert!(low.min(high) - slack <= x && x <= low.max(high) + slack, "{x} between {low} and {high}");
                assert_eq!(number(&new.table, "count", row).fract(), 0.0, "a whole number stays one");
                assert_eq!(text(&new.table, "y", row), text(old, "y", one), "the class of {origin:?}");
                for column in ["colour", "flag"] {
                    let own = text(&new.table, column, row);
                    let known = |from: usize| text(old, column, from) == own;
                    assert!((0..old.rows()).any(known), "a whole category in {column} of {origin:?}");
                }
            }
        }
    }
    let live = new.origins.iter().filter(|origin| !matches!(origin, RowOrigin::Removed { .. })).count();
    assert_eq!(new.steps.last().unwrap().counts.total(), live);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_row_is_what_its_origin_says(
        rows in prop::collection::vec((-1e3..1e3_f64, 0..9_u8, 0..4_u32, prop::option::of(any::<bool>())), 40..90),
        method in prop::sample::select(vec![
            "random_over_sampler", "random_under_sampler", "smote", "tomek_links", "smote_tomek", "near_miss",
        ]),
        second in prop::option::of(prop::sample::select(vec!["tomek_links", "random_over_sampler"])),
    ) {
        let old = table(&rows, 8);
        let steps: Vec<Value> =
            std::iter::once(method).chain(second).map(|method| json!({ "method": method })).collect();
        let config = config(json!(steps));
        let new = run(&old, &config).unwrap();
        check_origins(&old, &new);
        prop_assert_eq!(&new, &run(&old, &config).unwrap(), "one seed, one answer");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        prop_assert_eq!(&new, &pool.install(|| run(&old, &config)).unwrap(), "whatever the number of threads");
        let shown = new.with_origins(&config).unwrap();
        prop_assert_eq!(shown.columns().len(), 5 + 6);
    }
}

#[test]
fn copies_are_told_from_the_rows_that_they_copy() {
    let rows: Vec<_> = (0..40).map(|row| (f64::from(row), 1, 0, None)).collect();
    let new = run(&table(&rows, 8), &config(json!([{"method": "random_over_sampler"}]))).unwrap();
    let copies = new.origins.iter().filter(|origin| matches!(origin, RowOrigin::Copy { step: Some(0), .. })).count();
    assert_eq!((copies, new.table.rows()), (24, 64));
}

#[test]
fn a_table_with_missing_numbers_is_refused_or_filled() {
    let mut rows: Vec<_> = (0..40).map(|row| (f64::from(row), 1, 0, None)).collect();
    (rows[3].0, rows[5].0) = (f64::NAN, f64::NAN);
    let old = table(&rows, 8);
    let mut config = config(json!([{"method": "smote"}]));
    let refused = run(&old, &config).unwrap_err();
    assert_eq!(refused.code(), "invalid-data");
    assert!(refused.to_string().contains("\"x\" (2)"), "{refused}");
    config.preprocess.numeric.impute = Some(NumericImpute::Mean);
    let new = run(&old, &config).unwrap();
    assert_eq!(number(&new.table, "x", 3), (0..40).filter(|row| ![3, 5].contains(row)).sum::<i32>() as f64 / 38.0);
}

#[test]
fn columns_of_very_many_categories_keep_them() {
    let levels: Vec<String> = (0..400).map(|level| format!("level {level}")).collect();
    let column = |name: &str, values| Column { name: name.to_owned(), values };
    let old = Table::new(vec![
        column("c", Values::Categorical { codes: (0..400).collect(), levels }),
        column("y", Values::Numeric((0..400).map(|row| f64::from(u8::from(row % 8 == 0))).collect())),
    ])
    .unwrap();
    let new = run(&old, &ResampleConfig { exclude: vec![], ..config(json!([{"method": "smote"}])) }).unwrap();
    for (row, origin) in new.origins.iter().enumerate() {
        if let RowOrigin::Synthetic { parents, .. } = origin {
            let own = text(&new.table, "c", row);
            assert!((0..400).any(|from| text(&old, "c", from) == own), "{own:?} of {parents:?}");
        }
    }
}

#[test]
fn it_stops_when_it_is_told_to() {
    let rows: Vec<_> = (0..40).map(|row| (f64::from(row), 1, 0, None)).collect();
    let stopped = resample_table(&table(&rows, 8), &config(json!([{"method": "smote"}])), &mut |_| {
        ControlFlow::Break(Stop::Cancelled)
    });
    assert!(matches!(stopped, Err(ResampleTableError::Stopped(Stop::Cancelled))));
}
