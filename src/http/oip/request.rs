//! An inference request of which every part has been checked by itself and against its neighbours.

use std::collections::HashSet;

use super::datatype::Datatype;
use super::draft::{Draft, DraftInput, DraftOutput, Member, Source};
use super::mistakes::Mistakes;
use super::parameters::{Reader, RequestParameters};
use super::raw;
use super::tensor::{Elements, Tensor, check_shape, elements};
use crate::ml::json::Place;

/// Longer ids are refused.
const MAX_ID_BYTES: usize = 1000;

/// The whole request.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// Sent back with the answer.
    pub(super) id: Option<String>,
    pub(super) parameters: RequestParameters,
    pub(super) inputs: Vec<Input>,
    /// What is answered, in this order.
    pub(super) outputs: Vec<Output>,
}

/// An input.
#[derive(Debug, PartialEq)]
pub(super) struct Input {
    /// Empty where that was a mistake.
    pub(super) name: String,
    /// `None` where something about it was a mistake.
    pub(super) tensor: Option<Tensor>,
}

/// An output that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) kind: OutputKind,
    pub(super) binary: bool,
}

/// What outputs there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputKind {
    Probability,
    Label,
}

impl OutputKind {
    pub(super) const ALL: [OutputKind; 2] = [OutputKind::Probability, OutputKind::Label];

    pub(super) fn name(self) -> &'static str {
        match self {
            OutputKind::Probability => "probability",
            OutputKind::Label => "label",
        }
    }

    pub(super) fn datatype(self) -> Datatype {
        match self {
            OutputKind::Probability => Datatype::Fp64,
            OutputKind::Label => Datatype::Bytes,
        }
    }
}

/// Checks a request that was sent to the model `named`, with its version if it named one. All mistakes are told; what is
/// not affected by them is read all the same, so that later checks can add theirs.
pub(super) fn check(draft: Draft, named: (&str, Option<&str>), mistakes: &Mistakes) -> Request {
    check_model("model_name", &draft.model_name, Some(named.0), mistakes);
    check_model("model_version", &draft.model_version, named.1, mistakes);
    let reader = Reader { parameters: &draft.parameters, owner: Place::Root, mistakes };
    let parameters = reader.of_request();
    let id = draft.id.found().filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.len() > MAX_ID_BYTES) {
        mistakes.in_member(Place::Root, "id", format!("at most {MAX_ID_BYTES} bytes are sent back"));
    }
    Request {
        id,
        parameters,
        inputs: check_inputs(draft.inputs, mistakes),
        outputs: check_outputs(draft.outputs, parameters.binary_output, mistakes),
    }
}

/// Some clients name the model in the body as well.
fn check_model(member: &str, given: &Member<String>, named: Option<&str>, mistakes: &Mistakes) {
    let Member::Is(given) = given else { return };
    if named.is_some_and(|named| named != given) && !given.is_empty() {
        mistakes.in_member(Place::Root, member, "expected the same as in the path");
    }
}

fn check_inputs(inputs: Member<Vec<DraftInput>>, mistakes: &Mistakes) -> Vec<Input> {
    let place = Place::Member(&Place::Root, "inputs");
    let inputs = match inputs {
        Member::Wrong => return Vec::new(),
        Member::Absent => Vec::new(),
        Member::Is(inputs) => inputs,
    };
    if inputs.is_empty() {
        mistakes.at(place, "expected at least one tensor, found none");
    }
    let mut names = HashSet::new();
    let mut checked = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.into_iter().enumerate() {
        let place = Place::Item(&place, index);
        let input = check_input(input, place, mistakes);
        if !input.name.is_empty() && !names.insert(input.name.clone()) {
            mistakes.in_member(place, "name", "another input has this name");
        }
        checked.push(input);
    }
    checked
}

fn check_input(input: DraftInput, place: Place<'_>, mistakes: &Mistakes) -> Input {
    let DraftInput { name, datatype, shape, parameters, source } = input;
    let name = required(name, "name", place, mistakes).unwrap_or_default();
    Reader { parameters: &parameters, owner: place, mistakes }.of_input();
    let datatype = required(datatype, "datatype", place, mistakes).and_then(|name| {
        let datatype = Datatype::named(&name);
        if datatype.is_none() {
            let known = Datatype::ALL.map(Datatype::name).join(", ");
            mistakes.in_member(place, "datatype", format!("expected one of {known}"));
        }
        datatype
    });
    let shape = match shape {
        Member::Wrong => None,
        Member::Absent => {
            mistakes.in_member(place, "shape", "expected the dimensions, found nothing");
            None
        }
        Member::Is(dimensions) => {
            check_shape(&dimensions).map_err(|detail| mistakes.in_member(place, "shape", detail)).ok()
        }
    };
    if source == Source::Absent {
        mistakes.in_member(place, "data", "expected the elements, here or in binary; found nothing");
    }
    let tensor = datatype.zip(shape).and_then(|(datatype, shape)| {
        let elements = read_elements(source, datatype, &shape)?;
        elements.map_err(|detail| mistakes.in_member(place, "data", detail)).ok().map(|elements| Tensor {
            shape,
            elements,
            is_floating: datatype.is_floating(),
        })
    });
    Input { name, tensor }
}

/// `None` where a mistake has been told.
fn read_elements(source: Source, datatype: Datatype, shape: &[usize]) -> Option<Result<Elements, String>> {
    let count = elements(shape)?;
    let elements = match source {
        Source::Absent | Source::Wrong => return None,
        Source::Data(data) => data.into_elements(datatype, shape),
        Source::Raw(bytes) => raw::read(datatype, count, &bytes),
        Source::Typed(elements) => elements,
    };
    Some(elements.and_then(|elements| match elements.len() {
        found if found == count => Ok(elements),
        found => Err(format!("expected {count} elements for the shape {shape:?}, found {found}")),
    }))
}

fn required(member: Member<String>, name: &str, place: Place<'_>, mistakes: &Mistakes) -> Option<String> {
    match member {
        Member::Is(text) if !text.is_empty() => Some(text),
        Member::Wrong => None,
        Member::Is(_) | Member::Absent => {
            mistakes.in_member(place, name, "expected a string, found nothing");
            None
        }
    }
}

/// Those asked for, or all.
fn check_outputs(outputs: Member<Vec<DraftOutput>>, binary: bool, mistakes: &Mistakes) -> Vec<Output> {
    let outputs = outputs.found().unwrap_or_default();
    if outputs.is_empty() {
        return OutputKind::ALL.map(|kind| Output { kind, binary }).to_vec();
    }
    let list = Place::Member(&Place::Root, "outputs");
    let mut checked: Vec<Output> = Vec::new();
    for (index, output) in outputs.into_iter().enumerate() {
        let place = Place::Item(&list, index);
        let own = Reader { parameters: &output.parameters, owner: place, mistakes }.of_output();
        let Some(name) = required(output.name, "name", place, mistakes) else { continue };
        match OutputKind::ALL.into_iter().find(|kind| kind.name() == name) {
            None => mistakes.in_member(place, "name", "expected probability or label"),
            Some(kind) if checked.iter().any(|output| output.kind == kind) => {
                mistakes.in_member(place, "name", "another output has this name");
            }
            Some(kind) => checked.push(Output { kind, binary: own.unwrap_or(binary) }),
        }
    }
    checked
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::http::oip::json_request;

    fn read(body: &Value) -> (Request, Mistakes) {
        let mistakes = Mistakes::default();
        let draft = json_request::read(body.to_string().as_bytes(), 64, &mistakes).unwrap();
        (check(draft, ("m", Some("2")), &mistakes), mistakes)
    }

    fn input(shape: &[i64], datatype: &str, data: &Value) -> Value {
        json!({"name": "x", "shape": shape, "datatype": datatype, "data": data})
    }

    #[test]
    fn a_right_request_is_what_it_says() {
        let (request, mistakes) = read(&json!({
            "id": "seven", "model_name": "m", "model_version": "2",
            "inputs": [input(&[2, 1], "INT32", &json!([1, 2]))], "outputs": [{"name": "label"}],
            "parameters": {"binary_data_output": true},
        }));
        assert_eq!(mistakes.places(), Vec::<String>::new());
        let tensor = Tensor { shape: vec![2, 1], elements: Elements::Numbers(vec![1.0, 2.0]), is_floating: false };
        assert_eq!(request.inputs, [Input { name: "x".to_owned(), tensor: Some(tensor) }]);
        assert_eq!(request.outputs, [Output { kind: OutputKind::Label, binary: true }]);
        assert_eq!(request.id.as_deref(), Some("seven"));
    }

    #[test]
    fn without_outputs_all_are_answered() {
        let (request, _) = read(&json!({"inputs": [], "outputs": []}));
        let kinds: Vec<&str> = request.outputs.iter().map(|output| output.kind.name()).collect();
        assert_eq!(kinds, ["probability", "label"]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let (request, mistakes) = read(&json!({
            "id": "x".repeat(1001), "model_name": "other", "model_version": "1",
            "inputs": [
                {},
                input(&[-1, 2], "FP64", &json!([1, 2])),
                input(&[2, 2], "FP16", &json!([1, 2])),
                input(&[2, 2], "FP64", &json!([1, 2, 3])),
                input(&[1 << 40, 1 << 40], "FP64", &json!([])),
                input(&[1], "BYTES", &json!([1])),
                input(&[1], "FP64", &json!([1])),
            ],
            "outputs": [{"name": "logit"}, {"name": "label"}, {"name": "label"}, {}],
        }));
        let expected = [
            "/model_name",
            "/model_version",
            "/id",
            "/inputs/0/name",
            "/inputs/0/datatype",
            "/inputs/0/shape",
            "/inputs/0/data",
            "/inputs/1/shape",
            "/inputs/2/datatype",
            "/inputs/2/name",
            "/inputs/3/data",
            "/inputs/3/name",
            "/inputs/4/shape",
            "/inputs/4/name",
            "/inputs/5/data",
            "/inputs/5/name",
            "/inputs/6/name",
            "/outputs/0/name",
            "/outputs/2/name",
            "/outputs/3/name",
        ];
        assert_eq!(mistakes.places(), expected);
        assert!(request.inputs[6].tensor.is_some(), "what is right is read");
        let details = mistakes.details();
        assert!(details.contains(&"expected 4 elements for the shape [2, 2], found 3".to_owned()), "{details:?}");
    }

    #[test]
    fn no_inputs_are_a_mistake() {
        for body in [json!({}), json!({"inputs": []}), json!({"inputs": null})] {
            assert_eq!(read(&body).1.places(), ["/inputs"], "{body}");
        }
    }

    #[test]
    fn binary_elements_agree_with_the_shape() {
        let mistakes = Mistakes::default();
        let draft = |bytes: usize| DraftInput {
            name: Member::Is("x".to_owned()),
            datatype: Member::Is("FP64".to_owned()),
            shape: Member::Is(vec![1, 2]),
            parameters: Map::new(),
            source: Source::Raw(Bytes::from(vec![0; bytes])),
        };
        assert!(check_input(draft(16), Place::Root, &mistakes).tensor.is_some());
        assert!(check_input(draft(15), Place::Root, &mistakes).tensor.is_none());
        assert_eq!(mistakes.details(), ["expected 16 bytes for 2 elements of FP64, found 15"]);
    }
}
