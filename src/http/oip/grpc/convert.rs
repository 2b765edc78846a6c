//! Between the messages of gRPC and what REST and gRPC share.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::messages::{
    InferInputTensor, InferOutputTensor, InferParameter, InferRequestedOutputTensor, InferTensorContents,
    ModelInferRequest, ModelInferResponse, ModelMetadataResponse, ParameterChoice, ServerMetadataResponse,
    TensorMetadata,
};
use crate::http::oip::answer::Answer;
use crate::http::oip::datatype::Datatype;
use crate::http::oip::draft::{Draft, DraftInput, DraftOutput, Member, Source};
use crate::http::oip::metadata;
use crate::http::oip::mistakes::Mistakes;
use crate::http::oip::raw;
use crate::http::oip::request::OutputKind;
use crate::http::oip::tensor::{Elements, Texts};
use crate::ml::json::Place;

/// The request, its elements where the message has them.
pub(super) fn draft(message: ModelInferRequest, mistakes: &Mistakes) -> Draft {
    let raw = message.raw_input_contents;
    let in_binary = !raw.is_empty();
    if in_binary && raw.len() != message.inputs.len() {
        let detail = format!("expected one for each of {} inputs, or none; found {}", message.inputs.len(), raw.len());
        mistakes.in_member(Place::Root, "raw_input_contents", detail);
    }
    let mut raw = raw.into_iter();
    let inputs = message.inputs.into_iter().map(|input| match raw.next() {
        Some(bytes) => draft_input(input, Some(bytes)),
        // That there are too few has been told.
        None if in_binary => DraftInput { source: Source::Wrong, ..draft_input(input, None) },
        None => draft_input(input, None),
    });
    Draft {
        id: given(message.id),
        model_name: Member::Absent,
        model_version: Member::Absent,
        parameters: parameters(message.parameters),
        inputs: Member::Is(inputs.collect()),
        outputs: Member::Is(message.outputs.into_iter().map(draft_output).collect()),
    }
}

/// The empty text is what a text that was left out is read as.
fn given(text: String) -> Member<String> {
    if text.is_empty() { Member::Absent } else { Member::Is(text) }
}

fn draft_input(input: InferInputTensor, raw: Option<Bytes>) -> DraftInput {
    let InferInputTensor { name, datatype, shape, parameters: given_parameters, contents } = input;
    let mut given_parameters = parameters(given_parameters);
    // Of REST: sizes of what is sent beside the JSON.
    given_parameters.remove("binary_data_size");
    let source = match (raw, contents) {
        (Some(_), Some(contents)) if contents != InferTensorContents::default() => {
            Source::Typed(Err("expected the elements in contents or in raw_input_contents, found both".to_owned()))
        }
        (Some(raw), _) => Source::Raw(raw),
        (None, Some(contents)) => Source::Typed(elements(&datatype, contents)),
        // A tensor without rows has no elements to send.
        (None, None) if shape.contains(&0) => Source::Typed(elements(&datatype, InferTensorContents::default())),
        (None, None) => Source::Absent,
    };
    DraftInput {
        name: given(name),
        datatype: given(datatype),
        shape: Member::Is(shape),
        parameters: given_parameters,
        source,
    }
}

fn draft_output(output: InferRequestedOutputTensor) -> DraftOutput {
    DraftOutput { name: given(output.name), parameters: parameters(output.parameters) }
}

fn parameters(given: BTreeMap<String, InferParameter>) -> Map<String, Value> {
    let value = |parameter: InferParameter| match parameter.parameter_choice? {
        ParameterChoice::BoolParam(flag) => Some(Value::from(flag)),
        ParameterChoice::Int64Param(number) => Some(Value::from(number)),
        ParameterChoice::Uint64Param(number) => Some(Value::from(number)),
        ParameterChoice::DoubleParam(number) => Some(Value::from(number)),
        ParameterChoice::StringParam(text) => Some(Value::from(text)),
    };
    given.into_iter().filter_map(|(name, parameter)| Some((name, value(parameter)?))).collect()
}

/// The elements in the list of the datatype.
fn elements(datatype: &str, contents: InferTensorContents) -> Result<Elements, String> {
    // Told where the datatype itself is checked.
    let Some(datatype) = Datatype::named(datatype) else { return Ok(Elements::Numbers(Vec::new())) };
    let wanted = list(datatype);
    if let Some((found, _)) = lengths(&contents).into_iter().find(|&(name, length)| name != wanted && length > 0) {
        return Err(format!("expected the elements of {} in {wanted}, found some in {found}", datatype.name()));
    }
    let whole = |number: i64| number as f64;
    let numbers: Vec<f64> = match datatype {
        Datatype::Bool => return Ok(Elements::Booleans(contents.bool_contents.into_iter().map(Some).collect())),
        Datatype::Bytes => return texts(&contents.bytes_contents),
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
            contents.int_contents.into_iter().map(f64::from).collect()
        }
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => {
            contents.uint_contents.into_iter().map(f64::from).collect()
        }
        Datatype::Int64 => contents.int64_contents.into_iter().map(whole).collect(),
        Datatype::Uint64 => contents.uint64_contents.into_iter().map(|number| number as f64).collect(),
        Datatype::Fp32 => contents.fp32_contents.into_iter().map(f64::from).collect(),
        Datatype::Fp64 => contents.fp64_contents,
    };
    match numbers.iter().position(|&number| datatype.hold(number).is_none()) {
        None => Ok(Elements::Numbers(numbers)),
        Some(index) => {
            let (name, found) = (datatype.name(), numbers.get(index).copied().unwrap_or_default());
            Err(format!("expected elements of {name}, found {found} at element {index}"))
        }
    }
}

/// The list that a datatype's elements are in.
fn list(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Bool => "bool_contents",
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => "int_contents",
        Datatype::Int64 => "int64_contents",
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => "uint_contents",
        Datatype::Uint64 => "uint64_contents",
        Datatype::Fp32 => "fp32_contents",
        Datatype::Fp64 => "fp64_contents",
        Datatype::Bytes => "bytes_contents",
    }
}

fn lengths(contents: &InferTensorContents) -> [(&'static str, usize); 8] {
    [
        ("bool_contents", contents.bool_contents.len()),
        ("int_contents", contents.int_contents.len()),
        ("int64_contents", contents.int64_contents.len()),
        ("uint_contents", contents.uint_contents.len()),
        ("uint64_contents", contents.uint64_contents.len()),
        ("fp32_contents", contents.fp32_contents.len()),
        ("fp64_contents", contents.fp64_contents.len()),
        ("bytes_contents", contents.bytes_contents.len()),
    ]
}

fn texts(contents: &[Bytes]) -> Result<Elements, String> {
    let mut texts = Texts::default();
    for text in contents {
        texts.push_bytes(text)?;
    }
    Ok(Elements::Texts(texts))
}

/// The answer, in binary if the request was.
pub(super) fn response(answer: &Answer<'_>, in_binary: bool) -> ModelInferResponse {
    let output = |kind: OutputKind| InferOutputTensor {
        name: kind.name().to_owned(),
        datatype: kind.datatype().name().to_owned(),
        shape: vec![i64::try_from(answer.probabilities.len()).unwrap_or(i64::MAX)],
        parameters: BTreeMap::new(),
        contents: (!in_binary).then(|| contents(kind, answer)),
    };
    let raw = |kind: OutputKind| {
        let mut bytes = Vec::new();
        match kind {
            OutputKind::Probability => raw::write_numbers(answer.probabilities, &mut bytes),
            OutputKind::Label => raw::write_texts(answer.labels.iter().copied(), &mut bytes),
        }
        Bytes::from(bytes)
    };
    let kinds = answer.outputs.iter().map(|output| output.kind);
    ModelInferResponse {
        model_name: answer.model_name.to_owned(),
        model_version: answer.model_version.clone(),
        id: answer.id.unwrap_or_default().to_owned(),
        parameters: answer
            .parameters
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), parameter(value)?)))
            .collect(),
        outputs: kinds.clone().map(output).collect(),
        raw_output_contents: if in_binary { kinds.map(raw).collect() } else { Vec::new() },
    }
}

fn contents(kind: OutputKind, answer: &Answer<'_>) -> InferTensorContents {
    match kind {
        OutputKind::Probability => {
            InferTensorContents { fp64_contents: answer.probabilities.to_vec(), ..InferTensorContents::default() }
        }
        OutputKind::Label => {
            let labels = answer.labels.iter().map(|label| Bytes::copy_from_slice(label.as_bytes()));
            InferTensorContents { bytes_contents: labels.collect(), ..InferTensorContents::default() }
        }
    }
}

fn parameter(value: &Value) -> Option<InferParameter> {
    let choice = match value {
        Value::Bool(flag) => ParameterChoice::BoolParam(*flag),
        Value::String(text) => ParameterChoice::StringParam(text.clone()),
        Value::Number(number) => ParameterChoice::DoubleParam(number.as_f64()?),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(InferParameter { parameter_choice: Some(choice) })
}

pub(super) fn server_metadata(metadata: metadata::ServerMetadata) -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: metadata.name.to_owned(),
        version: metadata.version.to_owned(),
        extensions: metadata.extensions.map(str::to_owned).into(),
    }
}

pub(super) fn model_metadata(metadata: metadata::ModelMetadata) -> ModelMetadataResponse {
    let tensor = |tensor: metadata::TensorMetadata| TensorMetadata {
        name: tensor.name,
        datatype: tensor.datatype.to_owned(),
        shape: tensor.shape,
    };
    ModelMetadataResponse {
        name: metadata.name,
        versions: metadata.versions,
        platform: metadata.platform.to_owned(),
        inputs: metadata.inputs.into_iter().map(tensor).collect(),
        outputs: metadata.outputs.into_iter().map(tensor).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::oip::request::{self, Request};

    fn input(datatype: &str, shape: &[i64], contents: InferTensorContents) -> InferInputTensor {
        InferInputTensor {
            name: "x".to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
            parameters: BTreeMap::new(),
            contents: Some(contents),
        }
    }

    fn read(message: ModelInferRequest) -> (Request, Mistakes) {
        let mistakes = Mistakes::default();
        let draft = draft(message, &mistakes);
        (request::check(draft, ("m", None), &mistakes), mistakes)
    }

    fn one(input: InferInputTensor) -> ModelInferRequest {
        ModelInferRequest { inputs: vec![input], ..ModelInferRequest::default() }
    }

    fn elements_of(input: InferInputTensor) -> Elements {
        let (mut request, mistakes) = read(one(input));
        assert_eq!(mistakes.details(), Vec::<String>::new());
        request.inputs.remove(0).tensor.unwrap().elements
    }

    #[test]
    fn every_datatype_is_read_from_its_own_list() {
        let none = InferTensorContents::default;
        let ints = InferTensorContents { int_contents: vec![-2, 1], ..none() };
        let uints = InferTensorContents { uint_contents: vec![2, 1], ..none() };
        for datatype in ["INT8", "INT16", "INT32"] {
            assert_eq!(elements_of(input(datatype, &[2], ints.clone())), Elements::Numbers(vec![-2.0, 1.0]));
        }
        for datatype in ["UINT8", "UINT16", "UINT32"] {
            assert_eq!(elements_of(input(datatype, &[1, 2], uints.clone())), Elements::Numbers(vec![2.0, 1.0]));
        }
        let contents = InferTensorContents { int64_contents: vec![i64::MIN], ..none() };
        assert_eq!(elements_of(input("INT64", &[1], contents)), Elements::Numbers(vec![i64::MIN as f64]));
        let contents = InferTensorContents { uint64_contents: vec![u64::MAX], ..none() };
        assert_eq!(elements_of(input("UINT64", &[1], contents)), Elements::Numbers(vec![u64::MAX as f64]));
        let contents = InferTensorContents { fp32_contents: vec![0.1], ..none() };
        assert_eq!(elements_of(input("FP32", &[1], contents)), Elements::Numbers(vec![f64::from(0.1_f32)]));
        let contents = InferTensorContents { fp64_contents: vec![0.1], ..none() };
        assert_eq!(elements_of(input("FP64", &[1], contents)), Elements::Numbers(vec![0.1]));
        let contents = InferTensorContents { bool_contents: vec![true], ..none() };
        assert_eq!(elements_of(input("BOOL", &[1], contents)), Elements::Booleans(vec![Some(true)]));
        let contents = InferTensorContents { bytes_contents: vec![Bytes::from_static(b"red")], ..none() };
        let Elements::Texts(texts) = elements_of(input("BYTES", &[1], contents)) else { panic!("no texts") };
        assert_eq!(texts.get(0), "red");
        let empty = InferInputTensor { contents: None, ..input("FP64", &[0], none()) };
        assert_eq!(elements_of(empty), Elements::Numbers(Vec::new()));
    }

    #[test]
    fn raw_contents_take_the_place_of_lists() {
        let tensor = InferInputTensor { contents: None, ..input("FP64", &[1], InferTensorContents::default()) };
        let raw = Bytes::copy_from_slice(&0.1_f64.to_le_bytes());
        let message = ModelInferRequest { raw_input_contents: vec![raw.clone()], ..one(tensor.clone()) };
        let (request, mistakes) = read(message);
        assert!(mistakes.details().is_empty());
        assert_eq!(request.inputs[0].tensor.as_ref().unwrap().elements, Elements::Numbers(vec![0.1]));
        let too_many = ModelInferRequest { raw_input_contents: vec![raw.clone(), raw.clone()], ..one(tensor.clone()) };
        assert_eq!(read(too_many).1.places(), ["/raw_input_contents"]);
        let mut too_few = ModelInferRequest { raw_input_contents: vec![raw.clone()], ..one(tensor.clone()) };
        too_few.inputs.push(InferInputTensor { name: "y".to_owned(), ..tensor.clone() });
        assert_eq!(read(too_few).1.places(), ["/raw_input_contents"]);
        let contents = InferTensorContents { fp64_contents: vec![0.1], ..InferTensorContents::default() };
        let both = ModelInferRequest { raw_input_contents: vec![raw], ..one(input("FP64", &[1], contents)) };
        assert_eq!(read(both).1.places(), ["/inputs/0/data"]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let none = InferTensorContents::default;
        let cases = [
            (input("INT8", &[1], InferTensorContents { int_contents: vec![128], ..none() }), "found 128 at element 0"),
            (
                input("FP64", &[1], InferTensorContents { fp32_contents: vec![1.0], ..none() }),
                "expected the elements of FP64 in fp64_contents, found some in fp32_contents",
            ),
            (input("FP64", &[2], InferTensorContents { fp64_contents: vec![1.0], ..none() }), "expected 2 elements"),
            (
                input(
                    "BYTES",
                    &[1],
                    InferTensorContents { bytes_contents: vec![Bytes::from_static(b"\xff")], ..none() },
                ),
                "expected UTF-8",
            ),
            (input("FP64", &[-1], none()), "expected dimensions of 0 or more, found -1"),
            (input("FP16", &[1], none()), "expected one of BOOL"),
            (input("", &[1], none()), "expected a string, found nothing"),
            (InferInputTensor { contents: None, ..input("FP64", &[1], none()) }, "found nothing"),
        ];
        for (tensor, expected) in cases {
            let details = read(one(tensor)).1.details();
            assert!(details.len() == 1 && details[0].contains(expected), "{details:?} has no {expected:?}");
        }
    }

    #[test]
    fn parameters_are_those_of_rest() {
        let parameter = |choice| InferParameter { parameter_choice: Some(choice) };
        let parameters = BTreeMap::from([
            ("content_type".to_owned(), parameter(ParameterChoice::StringParam("pd".to_owned()))),
            ("threshold".to_owned(), parameter(ParameterChoice::DoubleParam(0.25))),
            ("priority".to_owned(), parameter(ParameterChoice::Uint64Param(1))),
            ("binary_data_output".to_owned(), parameter(ParameterChoice::BoolParam(true))),
            ("empty".to_owned(), InferParameter { parameter_choice: None }),
        ]);
        let contents = InferTensorContents { fp64_contents: vec![1.0], ..InferTensorContents::default() };
        let (request, mistakes) = read(ModelInferRequest { parameters, ..one(input("FP64", &[1], contents)) });
        assert_eq!((mistakes.places(), request.parameters.instead.threshold), (vec![], Some(0.25)));
    }
}
