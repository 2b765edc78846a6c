//! A model as an ONNX file, the whole way from raw columns to labels, for programs that know nothing of Evenkeel.
//!
//! The graph has one input per column that the model reads, named as the column, of shape `[N, 1]`: f64 for numbers and
//! booleans, where NaN is missing, and text for categories, where the empty text and the model's missing markers are. Its
//! outputs are `probability`, f64 of shape `[N]`, and `label`, text of shape `[N]`. What lies between is imputation with
//! its indicators, scaling, the encoding of categories, the predictor, calibration and threshold, step by step as
//! [`crate::ml::model::Model::predict`] does it.
//!
//! Pictures are pixels of 8 bits at the model's own size, `[N, height, width, channels]`: the one input of a network that reads
//! them (see `pictures.rs`), or a column beside others of a linear model.
//!
//! Operators are those of ONNX 1.12 (opset 17, `ai.onnx.ml` 2), for which onnxruntime has kernels with these element
//! types since 1.12. Everything but networks is computed in f64, so that only the order in which a runtime sums f32
//! products is left to differ; under a calibration that would make much of a last bit, not even that.

mod activation;
mod calibration;
mod columns;
mod exact;
mod exact_network;
mod graph;
mod metadata;
mod parts;
mod pictures;
mod predictor;
pub mod proto;
mod scalar;

use prost::Message;

use super::calibrate::{CalibrationMap, Calibrator, Correction, LossInverse};
use super::labels::ClassNames;
use super::model::Model;
use super::preprocess::Recipe;
use graph::{CLASSICAL, Graph, STANDARD, Value};
use proto::{DataType, ModelProto, OperatorSetIdProto};

/// The version of the file format; that of ONNX 1.12.
pub const IR_VERSION: i64 = 8;
/// The version of the standard operators.
pub const OPSET: i64 = 17;
/// The version of the operators of `ai.onnx.ml`.
pub const CLASSICAL_OPSET: i64 = 2;
/// Larger files are not written: readers of protocol buffers end at 2 GiB.
pub const MAX_ONNX_BYTES: usize = i32::MAX as usize;
/// The name of the output with the probabilities, unless a column has it.
pub const PROBABILITY: &str = "probability";
/// The name of the output with the labels, unless a column has it.
pub const LABEL: &str = "label";

/// Where a model comes from, told in the file's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The model's name and version, where it has any.
    pub name: Option<String>,
    pub version: Option<u32>,
    /// Of the artifact, hexadecimal.
    pub sha256: String,
    /// The version of the program that writes the file.
    pub program_version: String,
}

/// Why a model cannot be written as ONNX.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("column {index} has no name, and inputs of an ONNX graph need one")]
    NamelessColumn { index: usize },
    #[error("the column {column:?} has a NUL character in its name, which ends a name in most programs")]
    NulInName { column: String },
    #[error(
        "the column {column:?} holds pictures that a network reads beside other columns, which is not written as ONNX"
    )]
    Pictures { column: String },
    #[error("the ONNX file would have {found} bytes; at most {MAX_ONNX_BYTES} can be read")]
    TooLarge { found: usize },
}

/// The bytes of the ONNX file of a model; the same for the same model and provenance.
///
/// # Errors
/// If a column's name cannot be that of an input, which no table that was read leads to, or if the file would be too
/// large.
pub fn export(model: &Model, provenance: &Provenance) -> Result<Vec<u8>, ExportError> {
    let inputs = model.inputs();
    for (index, input) in inputs.iter().enumerate() {
        if input.name.is_empty() {
            return Err(ExportError::NamelessColumn { index });
        }
        if input.name.contains('\0') {
            return Err(ExportError::NulInName { column: input.name.clone() });
        }
    }
    let mut graph = Graph::default();
    let recipes = model.preprocessor.recipes();
    let to_the_last_bit = magnifies(&model.calibrator);
    let logits = match recipes.as_slice() {
        [Recipe::Image { name, spec, scaling, features: None }] => {
            let pixels = pictures::declare(&mut graph, name, spec.shape);
            let pictures = pictures::scaled(&mut graph, &pixels, scaling);
            predictor::picture_logits(&mut graph, &model.predictor, &pictures, to_the_last_bit)
        }
        recipes => {
            let read_whole = |recipe: &&Recipe<'_>| matches!(recipe, Recipe::Image { features: None, .. });
            if let Some(recipe) = recipes.iter().find(read_whole) {
                return Err(ExportError::Pictures { column: recipe.name().to_owned() });
            }
            let columns = columns::declare(&mut graph, &inputs, recipes);
            let features = columns::features(&mut graph, recipes, &columns, &model.missing_markers);
            predictor::logits(&mut graph, &model.predictor, &features, to_the_last_bit)
        }
    };
    let probabilities = calibration::probabilities(&mut graph, &model.calibrator, &logits);
    let outputs = answer(&mut graph, &model.classes, model.threshold, &probabilities);
    let file = ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("evenkeel".to_owned()),
        producer_version: Some(provenance.program_version.clone()),
        domain: None,
        model_version: provenance.version.map(i64::from),
        doc_string: Some(metadata::description(model)),
        graph: Some(graph.finish("evenkeel")),
        opset_import: vec![operators(STANDARD, OPSET), operators(CLASSICAL, CLASSICAL_OPSET)],
        metadata_props: metadata::entries(model, &inputs, &outputs, provenance),
    };
    let found = file.encoded_len();
    if found > MAX_ONNX_BYTES { Err(ExportError::TooLarge { found }) } else { Ok(file.encode_to_vec()) }
}

/// Whether a small difference of logits may become a larger one of log-odds, or of probabilities in a step.
fn magnifies(calibrator: &Calibrator) -> bool {
    let undoing = match calibrator.base {
        Correction::None => false,
        Correction::Prior { inverse, .. } => match inverse {
            LossInverse::Identity | LossInverse::Shift { .. } => false,
            LossInverse::Smoothing { .. } | LossInverse::Focal { .. } => true,
        },
    };
    let bending = match calibrator.map {
        CalibrationMap::Identity => false,
        CalibrationMap::Platt { slope, .. } => slope > 1.0,
        CalibrationMap::Temperature { temperature } => temperature < 1.0,
        CalibrationMap::Beta { a, b, .. } => a.max(b) > 1.0,
        CalibrationMap::Isotonic { .. } => true,
    };
    undoing || bending
}

fn operators(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) }
}

/// The outputs: a probability and a label per row. A label is positive iff the probability is at least the threshold.
fn answer(graph: &mut Graph, classes: &ClassNames, threshold: f64, probabilities: &Value) -> [Value; 2] {
    let axis = graph.integers("column_axis", &[1]);
    let probability = graph.named(PROBABILITY, "Squeeze", &[probabilities, &axis]);
    let threshold = graph.double("threshold", threshold);
    let is_positive = graph.apply("GreaterOrEqual", &[&probability, &threshold]);
    let (positive, negative) = (graph.text("positive", &classes.positive), graph.text("negative", &classes.negative));
    let label = graph.named(LABEL, "Where", &[&is_positive, &positive, &negative]);
    graph.output(&probability, DataType::Double, "The probability of the positive class.");
    graph.output(&label, DataType::String, "The positive class where its probability is at least the threshold.");
    [probability, label]
}
