//! How a model is judged: `evaluation`.

use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;
use crate::ml::labels::ClassCounts;

/// Folds and repeats that a job may ask for.
const FOLDS: (u64, u64) = (2, 20);
const MAX_REPEATS: u64 = 20;
/// Where the rarer class has at most so many rows, a learning curve is drawn unless the job says otherwise.
const TINY_CLASS: usize = 50;

/// What cross-validation depends on besides its own members.
pub(super) struct Around<'a> {
    pub(super) split: &'a Split,
    /// Of all labelled rows.
    pub(super) counts: Option<ClassCounts>,
    /// Whether calibration and threshold ask for out-of-fold scores.
    pub(super) asked_by: [(&'static str, bool); 2],
}

pub(super) fn check_evaluation(
    reader: &mut ObjectReader<'_>,
    around: &Around<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Evaluation {
    let mut evaluation = reader.object("evaluation", errors);
    let config = Evaluation {
        bootstrap: evaluation.integer("bootstrap", 1_000, 0, limits.max_bootstrap as u64, errors) as usize,
        confidence: evaluation.number("confidence", 0.95, Range::Closed(0.5, 0.999), errors),
        cross_validation: evaluation
            .present("cross_validation")
            .is_some()
            .then(|| check_cross_validation(&mut evaluation, around, errors)),
    };
    evaluation.finish(errors);
    for (pointer, _) in around.asked_by.iter().filter(|(_, asked)| *asked && config.cross_validation.is_none()) {
        let detail = "there are no out-of-fold scores without evaluation.cross_validation".to_owned();
        errors.push(FieldError { pointer: (*pointer).to_owned(), detail });
    }
    config
}

fn check_cross_validation(
    evaluation: &mut ObjectReader<'_>,
    around: &Around<'_>,
    errors: &mut Vec<FieldError>,
) -> CrossValidation {
    let mut reader = evaluation.object("cross_validation", errors);
    let decides = around.asked_by.iter().any(|(_, asked)| *asked);
    let default_rows = if decides { CrossValidated::Development } else { CrossValidated::All };
    let choices = [("all", CrossValidated::All), ("development", CrossValidated::Development)];
    let rows = reader.choice("rows", default_rows, &choices, errors);
    if decides && rows == CrossValidated::All {
        let detail = "where out-of-fold scores decide on threshold or calibration, test rows must not be among them; \
                      use development";
        reader.error("rows", detail, errors);
    }
    let rarer = around.counts.map(|counts| folded_rows(counts.positive.min(counts.negative), around.split, rows));
    let config = CrossValidation {
        folds: reader.integer("folds", 5, FOLDS.0, FOLDS.1, errors) as usize,
        repeats: reader.integer("repeats", 1, 1, MAX_REPEATS, errors) as usize,
        rows,
        learning_curve: reader.boolean("learning_curve", rarer.is_some_and(|rows| rows <= TINY_CLASS), errors),
        half_width: reader.number("half_width", 0.1, Range::Open(0.0, 0.5), errors),
    };
    match around.split {
        Split::Column { .. } => {
            let detail = "a split by column does not say which rows belong together; use the strategy stratified, \
                          group or time";
            evaluation.error("cross_validation", detail, errors);
        }
        Split::Time { .. } if config.repeats > 1 => {
            reader.error("repeats", "folds by time are the same at every repeat; use 1", errors);
        }
        Split::Stratified { .. } => {
            if let Some(rarer) = rarer.filter(|&rarer| rarer < config.folds) {
                let detail = format!("each fold needs a row of either class, and the rarer one has {rarer}");
                reader.error("folds", detail, errors);
            }
        }
        Split::Time { .. } | Split::Group { .. } => {}
    }
    reader.finish(errors);
    config
}

/// About how many of so many rows of a class are divided into folds.
fn folded_rows(of_class: usize, split: &Split, rows: CrossValidated) -> usize {
    match (rows, split.test_fraction()) {
        (CrossValidated::Development, Some(test)) => {
            of_class - ((of_class as f64 * test).round() as usize).max(1).min(of_class)
        }
        _ => of_class,
    }
}
