//! What ends a run, or leaves too little to learn from.

use serde_json::{Value, json};

use super::super::finding::{Evidence, Told, named, percent};
use super::super::patch::exclude;
use super::super::{Checked, Code, Setting, Survey};

/// Fewer training rows of the rarer class than this are few.
const FEW_IN_TRAINING: f64 = 50.0;
/// Fewer validation rows of the rarer class than this make a threshold a matter of luck.
const FEW_IN_VALIDATION: f64 = 20.0;
/// A column with more missing than this says little.
const MOSTLY_MISSING: f64 = 0.95;

/// Why a run left no model, as far as a diagnosis can tell more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The target has this many values.
    Target { values: usize },
    /// A part would have these rows.
    Part { positive: usize, negative: usize },
    /// The loss, or a weight, was not finite in this epoch.
    Diverged { epoch: usize },
}

pub(super) fn of_config(setting: &Setting<'_>) -> Vec<Checked> {
    let mut checked = vec![imbalance(setting), positive_is_majority(setting), too_few_in_training(setting)];
    checked.extend(too_few_neighbours(setting));
    checked
}

pub(super) fn of_data(setting: &Setting<'_>, survey: &Survey) -> Vec<Checked> {
    vec![too_few_in_validation(survey), missing_values(setting, survey)]
}

pub(super) fn of_failure(setting: &Setting<'_>, failure: &Failure) -> Option<Checked> {
    let checked = match *failure {
        Failure::Target { values } => Checked::new(Code::TargetNotBinary, values as f64, 2.0).found_if(true, || {
            Told::error(
                format!("The column to predict has {values} distinct values; two classes are needed."),
                Evidence::new().beside("values", values as f64, 2.0),
                "Name another target, or upload the data with a target of two values.",
            )
        }),
        Failure::Part { positive, negative } => lacking_part(positive, negative),
        Failure::Diverged { epoch } => diverged(setting, epoch),
    };
    Some(checked)
}

fn lacking_part(positive: usize, negative: usize) -> Checked {
    let least = positive.min(negative);
    Checked::new(Code::PartLacksClass, least as f64, 1.0).found_if(true, || {
        Told::error(
            format!("A part would have {positive} positive and {negative} negative rows; it needs both classes."),
            Evidence::new().count("positives", positive).count("negatives", negative).with("least_expected", 1.0),
            "Split by chance (stratified), give the parts larger fractions, or collect more rows of the rarer class.",
        )
        .patch(json!({"split": {"strategy": "stratified", "column": null}}))
    })
}

fn diverged(setting: &Setting<'_>, epoch: usize) -> Checked {
    Checked::new(Code::Diverged, epoch as f64, 0.0).found_if(true, || {
        let rate = setting.config.optimizer.as_ref().map_or(0.0, |optimizer| optimizer.learning_rate());
        Told::error(
            format!("The loss stopped being a finite number in epoch {epoch}: the steps were too large."),
            Evidence::new().count("epoch", epoch).beside("learning_rate", rate, usual_rate(setting)),
            "Scale the numeric columns, lower the learning rate and bound the gradient.",
        )
        .patch(json!({
            "preprocess": {"numeric": {"scale": "standard"}},
            "optimizer": {"learning_rate": (rate / 10.0).min(usual_rate(setting))},
            "training": {"gradient_clipping": {"type": "norm", "max": 1.0}},
        }))
    })
}

/// The learning rate that the optimizer has unless told otherwise.
pub(super) fn usual_rate(setting: &Setting<'_>) -> f64 {
    use crate::ml::config::Optimizer;
    if matches!(setting.config.optimizer, Some(Optimizer::Sgd { .. })) { 0.01 } else { 0.001 }
}

fn imbalance(setting: &Setting<'_>) -> Checked {
    const NOTABLE: f64 = 4.0;
    const SEVERE: f64 = 100.0;
    let ratio = setting.imbalance();
    Checked::new(Code::Imbalance, ratio, SEVERE).found_if(ratio > NOTABLE, || {
        let (minority, majority) = (setting.minority(), setting.majority());
        let title = format!(
            "One class is {ratio:.0} times as frequent as the other: a model that always names it is right in {} of rows.",
            percent(majority as f64 / (minority + majority).max(1) as f64)
        );
        let evidence = Evidence::new()
            .beside("imbalance_ratio", ratio, 1.0)
            .count("minority_rows", minority)
            .count("majority_rows", majority);
        let remedy = "Judge by average precision beside its no-skill value, choose the threshold by a rule, and leave \
                      probabilities at the natural prevalence; resample or weigh only where that helps on your data.";
        if ratio > SEVERE { Told::warning(title, evidence, remedy) } else { Told::info(title, evidence, remedy) }
    })
}

fn positive_is_majority(setting: &Setting<'_>) -> Checked {
    const MAJORITY: f64 = 0.6;
    let share = setting.train.prevalence();
    Checked::new(Code::PositiveIsMajority, share, MAJORITY).found_if(share > MAJORITY, || {
        let other = &setting.classes.negative;
        Told::warning(
            format!(
                "The positive class {:?} is the more frequent one ({} of rows): precision, recall and F1 look good without any skill.",
                setting.classes.positive,
                percent(share)
            ),
            Evidence::new().with("prevalence", share).with("prevalence_of_the_other_class", 1.0 - share),
            "Make the class that is looked for, usually the rarer one, the positive one.",
        )
        .patch(json!({ "positive_label": other }))
    })
}

fn too_few_in_training(setting: &Setting<'_>) -> Checked {
    let rows = setting.minority() as f64;
    few(rows, FEW_IN_TRAINING, "training")
}

fn too_few_in_validation(survey: &Survey) -> Checked {
    let [_, validation, _] = survey.parts;
    few(validation.positive.min(validation.negative) as f64, FEW_IN_VALIDATION, "validation")
}

fn few(rows: f64, least: f64, part: &str) -> Checked {
    Checked::new(Code::TooFewPositives, rows, least).found_if(rows < least, || {
        Told::warning(
            format!("The rarer class has only {rows:.0} {part} rows: what is learnt or chosen on them is uncertain."),
            Evidence::new().with(&format!("minority_{part}_rows"), rows).with("least", least),
            "Collect more rows of the rarer class, use fewer columns or a logistic model, and trust intervals rather \
             than numbers.",
        )
    })
}

/// Of the first step, which sees the training rows as they are.
fn too_few_neighbours(setting: &Setting<'_>) -> Option<Checked> {
    let wanted = setting.config.resample.first()?.method.neighbours()?;
    let rows = setting.minority();
    let checked = Checked::new(Code::TooFewNeighbours, wanted as f64, rows.saturating_sub(1) as f64);
    Some(checked.found_if(wanted + 1 > rows, || {
        Told::error(
            format!("The first resampling step asks for {wanted} neighbours of a class with {rows} training rows."),
            Evidence::new().count("k_neighbors", wanted).count("minority_training_rows", rows),
            "Ask for fewer neighbours, or over-sample by copies.",
        )
        .maybe_patch(with_fewer_neighbours(setting, rows))
    }))
}

fn with_fewer_neighbours(setting: &Setting<'_>, rows: usize) -> Option<Value> {
    let mut steps = serde_json::to_value(&setting.config.resample).ok()?;
    let first = steps.as_array_mut()?.first_mut()?;
    if rows >= 3 {
        let name = if first.get("k_neighbors").is_some() { "k_neighbors" } else { "n_neighbors" };
        first[name] = json!((rows - 1).min(3));
    } else {
        *first = json!({"method": "random_over_sampler"});
    }
    Some(json!({ "resample": steps }))
}

fn missing_values(setting: &Setting<'_>, survey: &Survey) -> Checked {
    let mut columns: Vec<(f64, &str)> = survey.columns.iter().map(|c| (c.missing, c.name.as_str())).collect();
    columns.retain(|(share, _)| *share > 0.0);
    columns.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = columns.first().map_or(0.0, |(share, _)| *share);
    Checked::new(Code::MissingValues, most, MOSTLY_MISSING).found_if(most > 0.0, || {
        let names: Vec<String> = columns.iter().map(|(_, name)| (*name).to_owned()).collect();
        let title = format!(
            "Values are missing in {} of {} columns, most in {}.",
            names.len(),
            survey.columns.len(),
            named(&names[..1])
        );
        let evidence =
            Evidence::new().beside("most_missing", most, 0.0).count("columns_with_missing_values", names.len());
        let remedy = "Nothing has to be done: they are filled in and marked by columns of their own. A column that is \
                      hardly ever there is better excluded.";
        let told = if most > MOSTLY_MISSING {
            Told::warning(title, evidence, remedy)
        } else {
            Told::info(title, evidence, remedy)
        };
        told.columns(names).maybe_patch(without_mostly_missing(setting, survey))
    })
}

/// Excludes the columns that are hardly ever there.
fn without_mostly_missing(setting: &Setting<'_>, survey: &Survey) -> Option<Value> {
    let mostly = survey.columns.iter().filter(|column| column.missing > MOSTLY_MISSING);
    let names: Vec<String> = mostly.map(|column| column.name.clone()).collect();
    (!names.is_empty()).then(|| exclude(setting.config, &names))
}
