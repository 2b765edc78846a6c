//! How training, validation and test differ.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, named};
use super::super::statistics::chi_squared_quantile;
use super::super::survey::ColumnShift;
use super::super::{Checked, Code, Setting, Survey};
use crate::ml::config::Split;
use crate::ml::labels::ClassCounts;

pub(super) fn of_data(setting: &Setting<'_>, survey: &Survey) -> Vec<Checked> {
    let mut checked = vec![covariate_shift(setting, survey), prior_shift(setting, survey)];
    checked.extend(ungrouped(setting, survey));
    checked
}

/// Draws the parts anew where they were given; other splits are as they are for a reason.
fn drawn_anew(setting: &Setting<'_>) -> Option<Value> {
    let given = matches!(setting.config.split, Split::Column { .. });
    let column: Vec<String> = setting.config.split.column().map(str::to_owned).into_iter().collect();
    given.then(|| {
        let mut patch = super::super::patch::exclude(setting.config, &column);
        patch["split"] = json!({"strategy": "stratified", "column": null});
        patch
    })
}

fn covariate_shift(setting: &Setting<'_>, survey: &Survey) -> Checked {
    const LIMIT: f64 = 0.2;
    /// The chance that any of the columns seems to shift where none does.
    const BY_CHANCE: f64 = 0.001;
    let columns = survey.shifts.len().max(1) as f64;
    let is_shift = |shift: &&ColumnShift| {
        let sure = chi_squared_quantile(1.0 - BY_CHANCE / columns, shift.degrees as f64);
        shift.psi > LIMIT && shift.chi_squared() > sure
    };
    let mut found: Vec<&ColumnShift> = survey.shifts.iter().filter(is_shift).collect();
    found.sort_by(|a, b| b.psi.total_cmp(&a.psi));
    let most = survey.shifts.iter().map(|shift| (shift.psi - shift.psi_expected).max(0.0)).fold(0.0, f64::max);
    Checked::new(Code::CovariateShift, most, LIMIT).found_if(!found.is_empty(), || {
        let names: Vec<String> = found.iter().map(|shift| shift.name.clone()).collect();
        let (psi, expected) = found.first().map_or((0.0, 0.0), |shift| (shift.psi, shift.psi_expected));
        Told::warning(
            format!(
                "{} is distributed differently in the rows that are judged on than in those that are learnt from.",
                named(&names)
            ),
            Evidence::new().beside("population_stability_index", psi, expected).count("columns", names.len()),
            "If the split follows time or groups, this is what the model will meet, and its numbers are the honest \
             ones; if the parts were given, let them be drawn by chance.",
        )
        .maybe_patch(drawn_anew(setting))
        .columns(names)
    })
}

fn prior_shift(setting: &Setting<'_>, survey: &Survey) -> Checked {
    /// The 99.95th percentile of the normal distribution: one in a thousand splits by chance.
    const LIMIT: f64 = 3.29;
    let [train, validation, test] = survey.parts;
    let (z, part) = [validation, test]
        .map(|part| (difference(train, part), part))
        .into_iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((0.0, test));
    Checked::new(Code::PriorShift, z, LIMIT).found_if(z > LIMIT, || {
        Told::warning(
            "The share of positives differs between the parts by more than chance: the threshold and the probabilities \
             fit one part and not the other."
                .to_owned(),
            Evidence::new().beside("prevalence", part.prevalence(), train.prevalence()).beside("z", z, 0.0),
            "Judge on rows as they come: never resample validation or test rows. If the parts were given, let them be \
             drawn by chance.",
        )
        .maybe_patch(drawn_anew(setting))
    })
}

/// The difference of two shares in its standard errors.
fn difference(a: ClassCounts, b: ClassCounts) -> f64 {
    let (rows, others) = (a.total() as f64, b.total() as f64);
    let pooled = (a.positive + b.positive) as f64 / (rows + others);
    let error = (pooled * (1.0 - pooled) * (1.0 / rows + 1.0 / others)).sqrt();
    let z = (a.prevalence() - b.prevalence()).abs() / error;
    if z.is_finite() { z } else { 0.0 }
}

fn ungrouped(setting: &Setting<'_>, survey: &Survey) -> Option<Checked> {
    const OVERDISPERSION: f64 = 1.5;
    const SURE: f64 = 6.0;
    /// Larger groups are categories, whose rows have no more to do with each other.
    const MOST_ROWS: f64 = 50.0;
    if matches!(setting.config.split, Split::Group { .. }) {
        return None;
    }
    let groups = survey.columns.iter().filter_map(|column| Some((column, column.grouping?)));
    let worst = groups.filter(|(_, g)| g.mean_rows < MOST_ROWS).max_by(|a, b| a.1.z.total_cmp(&b.1.z))?;
    let (column, grouping) = worst;
    let found = grouping.overdispersion > OVERDISPERSION && grouping.z > SURE;
    Some(Checked::new(Code::UngroupedRows, grouping.overdispersion, OVERDISPERSION).found_if(found, || {
        let name = &column.name;
        let fractions = match setting.config.split {
            Split::Stratified { test_fraction, validation_fraction } => (test_fraction, validation_fraction),
            Split::Time { test_fraction, validation_fraction, .. } => (test_fraction, validation_fraction),
            Split::Group { .. } | Split::Column { .. } => (0.2, 0.2),
        };
        Told::info(
            format!("Rows with the same {name:?} share their label more often than chance: they may belong together."),
            Evidence::new()
                .beside("variance_of_positives_per_group", grouping.overdispersion, 1.0)
                .count("groups", grouping.groups)
                .with("rows_per_group", grouping.mean_rows),
            "If the column names a person, a device or a batch, keep its rows in one part (group split): otherwise the \
             model is judged on those it knows.",
        )
        .patch(json!({"split": {
            "strategy": "group", "column": name, "test_fraction": fractions.0, "validation_fraction": fractions.1
        }}))
        .columns(vec![name.clone()])
    }))
}
