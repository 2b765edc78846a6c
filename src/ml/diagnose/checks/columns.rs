//! What is wrong with single columns.

use serde_json::json;

use super::super::finding::{Evidence, Severity, Told, named, percent};
use super::super::patch::exclude;
use super::super::survey::ColumnFacts;
use super::super::{Checked, Code, MatrixFacts, Setting, Survey};
use crate::ml::config::Scale;
use crate::ml::table::ColumnType;

pub(super) fn of_data(setting: &Setting<'_>, survey: &Survey, matrix: &MatrixFacts) -> Vec<Checked> {
    vec![
        constant(setting, survey),
        duplicate(setting, survey),
        leaking(setting, survey),
        identifiers(setting, survey),
        unscaled(setting, matrix),
        sentinels(survey),
        outliers(setting, survey),
        rare_categories(setting, survey),
    ]
}

/// The columns that a number picks out, the largest number first.
fn ranked(survey: &Survey, number: impl Fn(&ColumnFacts) -> Option<f64>) -> Vec<(f64, &ColumnFacts)> {
    let mut found: Vec<(f64, &ColumnFacts)> =
        survey.columns.iter().filter_map(|column| Some((number(column)?, column))).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found
}

fn names(found: &[(f64, &ColumnFacts)]) -> Vec<String> {
    found.iter().map(|(_, column)| column.name.clone()).collect()
}

fn constant(setting: &Setting<'_>, survey: &Survey) -> Checked {
    const LIMIT: f64 = 0.999;
    let found = ranked(survey, |column| Some(column.top).filter(|top| *top > LIMIT));
    let most = survey.columns.iter().map(|column| column.top).fold(0.0, f64::max);
    Checked::new(Code::ConstantColumns, most, LIMIT).found_if(!found.is_empty(), || {
        let columns = names(&found);
        Told::info(
            format!("{} column(s) have one value in nearly all training rows: {}.", columns.len(), named(&columns)),
            Evidence::new().count("columns", columns.len()).with("most_frequent_value_share", most),
            "Exclude them: they can say something of a few rows at most.",
        )
        .patch(exclude(setting.config, &columns))
        .columns(columns)
    })
}

fn duplicate(setting: &Setting<'_>, survey: &Survey) -> Checked {
    let most = survey.alike.iter().map(|alike| alike.correlation).fold(0.0, f64::max);
    Checked::new(Code::DuplicateColumns, most, super::super::survey::STRAIGHT).found_if(
        !survey.alike.is_empty(),
        || {
            let columns: Vec<String> = survey.alike.iter().map(|alike| alike.name.clone()).collect();
            let pair =
                survey.alike.first().map_or(String::new(), |a| format!("{:?} says what {:?} says", a.name, a.other));
            Told::info(
                format!("{} column(s) repeat an earlier one: {pair}.", columns.len()),
                Evidence::new().count("columns", columns.len()).beside("correlation", most, 0.0),
                "Exclude them: nothing is lost, and coefficients and importances are no longer shared between copies.",
            )
            .patch(exclude(setting.config, &columns))
            .columns(columns)
        },
    )
}

fn leaking(setting: &Setting<'_>, survey: &Survey) -> Checked {
    const LIMIT: f64 = 0.99;
    const MISSING_LIMIT: f64 = 0.95;
    /// With fewer rows a column may rank them well by chance.
    const LEAST_ROWS: usize = 10;
    let enough = setting.minority() >= LEAST_ROWS;
    let leaks = |column: &ColumnFacts| column.auc > LIMIT || column.missing_auc > MISSING_LIMIT;
    let found = ranked(survey, |column| leaks(column).then_some(column.auc.max(column.missing_auc)));
    let most = survey.columns.iter().map(|column| column.auc.max(column.missing_auc)).fold(0.5, f64::max);
    Checked::new(Code::LeakingColumns, most, LIMIT).found_if(enough && !found.is_empty(), || {
        let columns = names(&found);
        Told::error(
            format!(
                "{} alone tells the classes apart almost without a mistake: it may be known only after the fact.",
                named(&columns)
            ),
            Evidence::new().beside("roc_auc_of_the_column", most, 0.5).count("columns", columns.len()),
            "Ask whether the column is known when a prediction is needed; if not, exclude it. The model's numbers are \
             worth nothing until that is settled.",
        )
        .patch(exclude(setting.config, &columns))
        .columns(columns)
    })
}

/// How sure it is that a column only names or numbers the rows.
fn identifier(column: &ColumnFacts, rows: usize) -> Option<Severity> {
    const UNIQUE: f64 = 0.98;
    const IN_ORDER: f64 = 0.99;
    const LEAST_ROWS: usize = 50;
    /// A column that goes with the labels more than this is of use, whatever else it is.
    const TELLING: f64 = 4.0;
    if column.unique <= UNIQUE || rows < LEAST_ROWS || column.top > 0.02 {
        return None;
    }
    let in_order = column.order.abs() > IN_ORDER;
    match (column.column_type, column.numeric) {
        (ColumnType::Categorical, _) => Some(Severity::Warning),
        (_, Some(numeric)) if numeric.whole && (in_order || column.z < TELLING) => Some(Severity::Warning),
        (_, Some(_)) if in_order => Some(Severity::Info),
        _ => None,
    }
}

fn identifiers(setting: &Setting<'_>, survey: &Survey) -> Checked {
    let rows = setting.train.total();
    let found = ranked(survey, |column| identifier(column, rows).map(|_| column.unique));
    let worst = found.iter().filter_map(|(_, column)| identifier(column, rows)).max();
    let most = found.first().map_or(0.0, |(unique, _)| *unique);
    Checked::new(Code::IdentifierColumns, most, 0.98).found_if(worst.is_some(), || {
        let columns = names(&found);
        let order = found.iter().map(|(_, column)| column.order.abs()).fold(0.0, f64::max);
        Told::new(
            worst.unwrap_or(Severity::Info),
            format!(
                "{} has a value of its own for nearly every row: it names rows and does not describe them.",
                named(&columns)
            ),
            Evidence::new()
                .with("distinct_values_per_row", most)
                .beside("correlation_with_the_row_number", order, 0.0)
                .count("columns", columns.len()),
            "Exclude it. If it says who or when, steer the split by it instead (group or time).",
        )
        .patch(exclude(setting.config, &columns))
        .columns(columns)
    })
}

fn unscaled(setting: &Setting<'_>, matrix: &MatrixFacts) -> Checked {
    const RATIO: f64 = 100.0;
    const OFFSET: f64 = 10.0;
    const LARGEST: f64 = 1e3;
    let is_large = matrix.scale_ratio > RATIO || matrix.offset > OFFSET || matrix.largest > LARGEST;
    Checked::new(Code::UnscaledFeatures, matrix.scale_ratio, RATIO).found_if(setting.is_unscaled() && is_large, || {
        let title = "Numeric columns are not scaled and differ widely in size: steps that suit one are far too large or too small for another.";
        let evidence = Evidence::new()
            .beside("largest_over_smallest_standard_deviation", matrix.scale_ratio, 1.0)
            .beside("largest_mean_in_standard_deviations", matrix.offset, 0.0)
            .with("largest_value", matrix.largest);
        let remedy = "Let the numeric columns be standardized; the training rows alone decide how.";
        let severity = if setting.mlp().is_some() { Severity::Error } else { Severity::Warning };
        Told::new(severity, title.to_owned(), evidence, remedy)
            .patch(json!({"preprocess": {"numeric": {"scale": "standard"}}}))
    })
}

fn sentinels(survey: &Survey) -> Checked {
    const GAP: f64 = 10.0;
    const SHARE: f64 = 0.01;
    let sentinel = |column: &ColumnFacts| column.numeric.and_then(|numeric| numeric.sentinel);
    let found = ranked(survey, |column| sentinel(column).filter(|s| s.share > SHARE && s.gap > GAP).map(|s| s.gap));
    let most = found.first().map_or(0.0, |(gap, _)| *gap);
    Checked::new(Code::SentinelValues, most, GAP).found_if(!found.is_empty(), || {
        let columns = names(&found);
        let worst = found.first().and_then(|(_, column)| sentinel(column));
        let (value, share) = worst.map_or((0.0, 0.0), |worst| (worst.value, worst.share));
        Told::warning(
            format!("{} of the rows have {value} in {}, far from every other value: it seems to stand for \"missing\".", percent(share), named(&columns[..1])),
            Evidence::new()
                .with("value", value)
                .with("share_of_rows", share)
                .with("gap_in_interquartile_ranges", most)
                .count("columns", columns.len()),
            "Upload the data again with this value among the missing ones (`?missing=`), so that it is filled in and marked.",
        )
        .columns(columns)
    })
}

fn outliers(setting: &Setting<'_>, survey: &Survey) -> Checked {
    const SHARE: f64 = 0.001;
    let is_handled = matches!(setting.config.preprocess.numeric.scale, Scale::Robust);
    let numeric = |column: &ColumnFacts, number: fn(&super::super::survey::NumericFacts) -> f64| {
        column.numeric.as_ref().map(number)
    };
    let found = ranked(survey, |column| numeric(column, |n| n.outliers).filter(|share| *share > SHARE));
    let most = found.first().map_or(0.0, |(share, _)| *share);
    let bulk = found.iter().filter_map(|(_, column)| numeric(column, |n| n.bulk)).fold(1.0, f64::min);
    Checked::new(Code::Outliers, most, SHARE).found_if(!found.is_empty() && !is_handled, || {
        let columns = names(&found);
        let title = format!(
            "{} of the values of {} lie more than 10 robust standard deviations from their median.",
            percent(most),
            named(&columns[..1])
        );
        let evidence = Evidence::new()
            .beside("share_of_rows", most, 0.0)
            .beside("spread_of_the_middle_half", bulk, 1.0)
            .count("columns", columns.len());
        let remedy = "Look whether these values are right. Scaling by median and interquartile range keeps them from \
                      pressing all other rows together.";
        Told::info(title, evidence, remedy)
            .patch(json!({"preprocess": {"numeric": {"scale": "robust"}}}))
            .columns(columns)
    })
}

fn rare_categories(setting: &Setting<'_>, survey: &Survey) -> Checked {
    const UNSEEN: f64 = 0.01;
    /// Categories with fewer training rows than this teach nothing of their own.
    const FEW: usize = 5;
    let has_bucket = setting.config.preprocess.categorical.min_frequency >= 2;
    let unseen = survey.shifts.iter().map(|shift| shift.unseen).fold(0.0, f64::max);
    let found = ranked(survey, |column| (column.rare_categories > 0).then_some(column.rare_categories as f64));
    let rare: usize = found.iter().map(|(_, column)| column.rare_categories).sum();
    Checked::new(Code::RareCategories, unseen, UNSEEN).found_if(!has_bucket && (rare > 0 || unseen > UNSEEN), || {
        let columns = names(&found);
        let title = format!("{rare} categories have fewer than {FEW} training rows, and up to {} of the judged rows have one never seen.", percent(unseen));
        let evidence = Evidence::new().beside("unseen_share", unseen, 0.0).count("rare_categories", rare);
        let remedy = "Let rare and unseen categories share one column.";
        let told = if unseen > UNSEEN { Told::warning(title, evidence, remedy) } else { Told::info(title, evidence, remedy) };
        told.patch(json!({"preprocess": {"categorical": {"min_frequency": FEW}}})).columns(columns)
    })
}
