//! Methods that are for some kinds of features only.

use crate::ml::config::reader::FieldError;
use crate::ml::config::*;

/// Which kinds of features there will be.
pub(in super::super) struct FeatureTypes {
    pub(in super::super) numbers: bool,
    /// Columns of categories, flags, and indicators of missing values.
    pub(in super::super) categories: bool,
}

/// Refuses steps that cannot be done with such features; `pointer` is that of their list.
pub(in super::super) fn check_step_features(
    pointer: &str,
    steps: &[ResampleStep],
    types: &FeatureTypes,
    errors: &mut Vec<FieldError>,
) {
    for (index, step) in steps.iter().enumerate() {
        let detail = match step.method {
            ResampleMethod::Smotenc { .. } if !types.categories => {
                "smotenc needs columns of categories beside numbers, and there are none; smote is for numbers alone"
            }
            ResampleMethod::Smotenc { .. } if !types.numbers => {
                "smotenc needs numbers beside columns of categories, and there are none; smoten is for categories alone"
            }
            ResampleMethod::Smoten { .. } if types.numbers => {
                "smoten is for categories alone, and some features are numbers; exclude them, or take smotenc"
            }
            _ => continue,
        };
        errors.push(FieldError { pointer: format!("{pointer}/{index}/method"), detail: detail.to_owned() });
    }
}
