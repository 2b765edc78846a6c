//! What a manifest may claim, and whether the parts of a model fit together: whoever wrote the file may not have been
//! us.

use super::artifact::ArtifactError;
use super::{Model, Predictor};
use crate::ml::config::{CnnLayer, check_threshold_rule};
use crate::ml::nn::layout::{Architecture, Layout};
use crate::ml::nn::{NetworkShape, PictureNetworkShape};
use crate::ml::picture::PictureShape;
use crate::ml::preprocess::MAX_FEATURES;

/// No configuration asks for more, whatever its operator allows.
const MAX_LAYERS: usize = 256;
const MAX_UNITS: usize = 1 << 17;
const MAX_MEMBERS: usize = 1 << 12;
/// Rows of weights are padded in memory: a network may take this many times the bytes of its file, and a little more.
const MAX_GROWTH: usize = 4;
const SMALL_BYTES: usize = 64 << 20;
/// Longer labels and markers are refused; those of tables are shorter.
const MAX_TEXT_BYTES: usize = 1 << 20;
const MAX_MARKERS: usize = 10_000;

/// Whether a network of this shape can be in a file of so many bytes; looked at before anything is allocated for it.
pub(super) fn check_shape(shape: &NetworkShape, members: usize, file_bytes: usize) -> Result<(), ArtifactError> {
    let limited = |what: &str, found: usize, most: usize| {
        let detail = || format!("{found} {what}; at most {most} are allowed");
        if found > most { Err(ArtifactError::Inconsistent { detail: detail() }) } else { Ok(()) }
    };
    limited("inputs of the network", shape.inputs, MAX_FEATURES)?;
    limited("hidden layers", shape.hidden_layers.len(), MAX_LAYERS)?;
    limited("units in a layer", shape.hidden_layers.iter().copied().max().unwrap_or(0), MAX_UNITS)?;
    limited("members", members, MAX_MEMBERS)?;
    let layout = Layout::of(shape);
    let loaded = (layout.parameters + layout.statistics).saturating_mul(4 * members);
    limited("bytes of weights in memory", loaded, file_bytes.saturating_mul(MAX_GROWTH).saturating_add(SMALL_BYTES))
}

/// As [`check_shape`], of a convolutional network.
pub(super) fn check_picture_shape(
    shape: &PictureNetworkShape,
    members: usize,
    file_bytes: usize,
) -> Result<(), ArtifactError> {
    let wrong = |detail: String| Err(ArtifactError::Inconsistent { detail });
    if !shape.input.is_possible() {
        return wrong("the network reads pictures of an impossible shape".to_owned());
    }
    let layers = shape.layers.iter().map(CnnLayer::count).fold(0, usize::saturating_add);
    if layers > MAX_LAYERS {
        return wrong(format!("{layers} layers; at most {MAX_LAYERS} are allowed"));
    }
    if let Some(found) = shape.layers.iter().find_map(CnnLayer::impossible) {
        return wrong(found);
    }
    if members > MAX_MEMBERS {
        return wrong(format!("{members} members; at most {MAX_MEMBERS} are allowed"));
    }
    let layout = Layout::of_any(&Architecture::Cnn(shape.clone())).map_err(|errors| {
        let details: Vec<String> = errors.into_iter().map(|error| error.detail).collect();
        ArtifactError::Inconsistent { detail: details.join("; ") }
    })?;
    let loaded = (layout.parameters.saturating_add(layout.statistics)).saturating_mul(4).saturating_mul(members);
    let most = file_bytes.saturating_mul(MAX_GROWTH).saturating_add(SMALL_BYTES);
    if loaded > most {
        wrong(format!("{loaded} bytes of weights in memory; at most {most} are allowed"))
    } else {
        Ok(())
    }
}

/// Whether a file has the tensors of its model and no others.
pub(super) fn check_count(own: usize, found: usize) -> Result<(), ArtifactError> {
    let detail = || format!("{found} tensors in the file where the model has {own}");
    if own == found { Ok(()) } else { Err(ArtifactError::Inconsistent { detail: detail() }) }
}

/// Everything in which the parts of a model do not fit together.
pub(super) fn inconsistencies(model: &Model) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, detail: &dyn Fn() -> String| {
        if !holds {
            found.push(detail());
        }
    };
    let features = model.preprocessor.width();
    let pictures = model.preprocessor.picture_shape();
    let (inputs, shape) = match &model.predictor {
        Predictor::Logistic(logistic) => (logistic.weights.len(), None),
        Predictor::Mlp(ensemble) => (ensemble.first().inputs(), None),
        Predictor::Cnn(ensemble) => (
            ensemble.first().inputs(),
            match ensemble.first().architecture() {
                Architecture::Cnn(shape) => Some(shape.input),
                Architecture::Mlp(_) => None,
            },
        ),
    };
    let features = pictures.map_or(features, PictureShape::values);
    check(shape.is_none() || shape == pictures, &|| "the network reads other pictures than there are".to_owned());
    let is_linear = matches!(model.predictor, Predictor::Logistic(_));
    check(!is_linear || pictures.is_none(), &|| "a linear model cannot read pictures as such".to_owned());
    check(inputs == features, &|| format!("{features} features for a predictor of {inputs} inputs"));
    check(model.threshold.is_finite(), &|| "the threshold is not finite".to_owned());
    let rule = serde_json::to_value(&model.threshold_rule).unwrap_or_default();
    check(check_threshold_rule(&rule).is_ok(), &|| "the threshold's rule is none that can be asked for".to_owned());
    check(model.calibrator.is_valid(), &|| {
        "the calibrator is not one: a number is out of its range, or the map does not rise".to_owned()
    });
    let classes = [&model.classes.positive, &model.classes.negative];
    check(classes[0] != classes[1], &|| "both classes have one name".to_owned());
    check(classes.iter().all(|name| is_text(name) && !name.is_empty()), &|| "a class has no proper name".to_owned());
    let markers = &model.missing_markers;
    check(markers.len() <= MAX_MARKERS && markers.iter().all(|marker| is_text(marker)), &|| {
        "the missing markers are too many, too long or have NUL characters".to_owned()
    });
    let named = model.inputs().iter().all(|input| is_text(&input.name) && !input.name.is_empty());
    check(named, &|| "a column has no proper name".to_owned());
    found
}

fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.contains('\0')
}
