//! Methods that are for some kinds of features only.

use crate::ml::config::reader::FieldError;
use crate::ml::config::*;
use crate::ml::picture::PictureShape;

/// Which kinds of features there will be.
pub(in super::super) struct FeatureTypes {
    pub(in super::super) numbers: bool,
    /// Columns of categories, flags, and indicators of missing values.
    pub(in super::super) categories: bool,
    /// Of the pictures that rows are, for a network that reads nothing else.
    pub(in super::super) pictures: Option<PictureShape>,
}

/// Refuses steps that cannot be done with such features, and says of the others in which space neighbours are looked for;
/// `pointer` is that of their list.
pub(in super::super) fn check_step_features(
    pointer: &str,
    steps: &mut [ResampleStep],
    types: &FeatureTypes,
    errors: &mut Vec<FieldError>,
) {
    for (index, step) in steps.iter_mut().enumerate() {
        if let Err(detail) = check_space(step, types) {
            errors.push(FieldError { pointer: format!("{pointer}/{index}/space"), detail });
        }
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

/// What is said of a space where rows are not pictures alone.
const NO_SPACE: &str = "rows are compared by their columns here; a space is for networks that read pictures";

/// Refuses spaces for rows of tables; `pointer` is that of the list of steps.
pub(in super::super) fn refuse_spaces(pointer: &str, steps: &[ResampleStep], errors: &mut Vec<FieldError>) {
    let spaced = steps.iter().enumerate().filter(|(_, step)| step.space.is_some());
    let error = |index| FieldError { pointer: format!("{pointer}/{index}/space"), detail: NO_SPACE.to_owned() };
    errors.extend(spaced.map(|(index, _)| error(index)));
}

/// Where neighbours of pictures are looked for; the default is filled in.
fn check_space(step: &mut ResampleStep, types: &FeatureTypes) -> Result<(), String> {
    let Some(shape) = types.pictures else {
        return match step.space {
            Some(_) => Err(NO_SPACE.to_owned()),
            None => Ok(()),
        };
    };
    match step.space {
        Some(_) if !step.method.reads_rows() => Err("the method looks for no neighbours".to_owned()),
        None | Some(Space::Pixels) => {
            step.space = step.method.reads_rows().then_some(Space::Pixels);
            Ok(())
        }
        Some(Space::Embedding) => {
            if let Some(reason) = step.method.no_embedding() {
                return Err(reason.to_owned());
            }
            let fits = check_layers(&CnnConfig::embedding().all_layers(), shape.into());
            fits.map(|_| ()).map_err(|errors| {
                let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
                format!("the network that embeds does not fit these pictures: {}", details.join("; "))
            })
        }
    }
}
