//! The JSON of an inference request, read without a copy of its data in between.

use serde::de::{DeserializeSeed, MapAccess};
use serde_json::Map;

use super::draft::{Draft, DraftInput, DraftOutput, Member, Source};
use super::json_data::{Data, Values};
use super::json_part::{Part, Reading};
use super::json_values::{At, Item, ListPart, ParametersPart, TextPart};
use super::mistakes::Mistakes;
use crate::http::error::{ApiError, Code};
use crate::http::extract::check_json_depth;
use crate::ml::json::Place;

/// Inputs or outputs of a request, at most: a tensor per column of the widest table, and some that are not used.
pub(super) const MAX_TENSORS: usize = 20_000;
/// Dimensions that are looked at.
const MAX_DIMENSIONS: usize = 16;

/// Reads the JSON. Members that are wrong, unknown or there twice are mistakes; the rest is read all the same.
///
/// # Errors
/// 400 if it is not JSON or nests too deep.
pub(super) fn read(json: &[u8], max_depth: usize, mistakes: &Mistakes) -> Result<Draft, ApiError> {
    let malformed = |error: serde_json::Error| ApiError::new(Code::MalformedJson, error.to_string());
    check_json_depth(json, max_depth)?;
    let mut text = serde_json::Deserializer::from_slice(json);
    let draft = Reading(RequestPart(At { place: Place::Root, mistakes })).deserialize(&mut text).map_err(malformed)?;
    text.end().map_err(malformed)?;
    Ok(draft)
}

struct RequestPart<'a>(At<'a>);

impl Part for RequestPart<'_> {
    type Found = Draft;

    fn wrong(self, found: &str) -> Draft {
        self.0.wrong("an object with inputs", found);
        Draft { inputs: Member::Wrong, ..Draft::default() }
    }

    fn object<'de, A: MapAccess<'de>>(self, object: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        let known = ["id", "model_name", "model_version", "parameters", "inputs", "outputs"];
        self.0.members(object, &known, |object, at, name| {
            match name {
                "id" => draft.id = object.next_value_seed(Reading(TextPart(at)))?,
                "model_name" => draft.model_name = object.next_value_seed(Reading(TextPart(at)))?,
                "model_version" => draft.model_version = object.next_value_seed(Reading(TextPart(at)))?,
                "parameters" => draft.parameters = object.next_value_seed(Reading(ParametersPart(at)))?,
                "inputs" => draft.inputs = object.next_value_seed(Reading(ListPart::<Input>::at(at)))?,
                _ => draft.outputs = object.next_value_seed(Reading(ListPart::<Output>::at(at)))?,
            }
            Ok(())
        })?;
        Ok(draft)
    }
}

struct Input;

impl Item for Input {
    type Found = DraftInput;
    const EXPECTED: &'static str = "an array of tensors";
    const MOST: usize = MAX_TENSORS;

    fn part<'a>(at: At<'a>) -> impl Part<Found = DraftInput> + 'a {
        InputPart(at)
    }
}

struct InputPart<'a>(At<'a>);

impl Part for InputPart<'_> {
    type Found = DraftInput;

    fn wrong(self, found: &str) -> DraftInput {
        self.0.wrong("an object with name, shape, datatype and data", found);
        DraftInput::wrong()
    }

    fn object<'de, A: MapAccess<'de>>(self, object: A) -> Result<DraftInput, A::Error> {
        let mut input = DraftInput::default();
        self.0.members(object, &["name", "shape", "datatype", "parameters", "data"], |object, at, name| {
            match name {
                "name" => input.name = object.next_value_seed(Reading(TextPart(at)))?,
                "datatype" => input.datatype = object.next_value_seed(Reading(TextPart(at)))?,
                "shape" => input.shape = shape(object.next_value_seed(Reading(ListPart::<Dimension>::at(at)))?),
                "parameters" => input.parameters = object.next_value_seed(Reading(ParametersPart(at)))?,
                _ => {
                    let mut data = Data::default();
                    object.next_value_seed(Reading(Values::into(&mut data)))?;
                    input.source = Source::Data(data);
                }
            }
            Ok(())
        })?;
        Ok(input)
    }
}

struct Dimension;

impl Item for Dimension {
    type Found = Option<i64>;
    const EXPECTED: &'static str = "an array of dimensions";
    const MOST: usize = MAX_DIMENSIONS;

    fn part<'a>(at: At<'a>) -> impl Part<Found = Option<i64>> + 'a {
        DimensionPart(at)
    }
}

struct DimensionPart<'a>(At<'a>);

impl Part for DimensionPart<'_> {
    type Found = Option<i64>;

    fn wrong(self, found: &str) -> Option<i64> {
        self.0.wrong("a whole number below 2^63", found);
        None
    }

    fn whole(self, number: i64) -> Option<i64> {
        Some(number)
    }
}

/// All dimensions, or the knowledge that one of them is wrong.
fn shape(dimensions: Member<Vec<Option<i64>>>) -> Member<Vec<i64>> {
    match dimensions {
        Member::Absent => Member::Absent,
        Member::Wrong => Member::Wrong,
        Member::Is(dimensions) => dimensions.into_iter().collect::<Option<_>>().map_or(Member::Wrong, Member::Is),
    }
}

struct Output;

impl Item for Output {
    type Found = DraftOutput;
    const EXPECTED: &'static str = "an array of outputs";
    const MOST: usize = MAX_TENSORS;

    fn part<'a>(at: At<'a>) -> impl Part<Found = DraftOutput> + 'a {
        OutputPart(at)
    }
}

struct OutputPart<'a>(At<'a>);

impl Part for OutputPart<'_> {
    type Found = DraftOutput;

    fn wrong(self, found: &str) -> DraftOutput {
        self.0.wrong("an object with a name", found);
        DraftOutput { name: Member::Wrong, parameters: Map::new() }
    }

    fn object<'de, A: MapAccess<'de>>(self, object: A) -> Result<DraftOutput, A::Error> {
        let mut output = DraftOutput::default();
        self.0.members(object, &["name", "parameters"], |object, at, name| {
            match name {
                "name" => output.name = object.next_value_seed(Reading(TextPart(at)))?,
                _ => output.parameters = object.next_value_seed(Reading(ParametersPart(at)))?,
            }
            Ok(())
        })?;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(text: &str) -> Vec<String> {
        let mistakes = Mistakes::default();
        read(text.as_bytes(), 64, &mistakes).unwrap();
        mistakes.places()
    }

    #[test]
    fn a_request_is_read_whole() {
        let text = json!({
            "id": "7", "model_name": "m", "model_version": null, "parameters": {"content_type": "pd", "threshold": 0.5},
            "inputs": [{"name": "a", "shape": [2, 1], "datatype": "FP64", "parameters": null, "data": [1, 2]}],
            "outputs": [{"name": "label", "parameters": {"binary_data": false}}],
        });
        let mistakes = Mistakes::default();
        let draft = read(text.to_string().as_bytes(), 64, &mistakes).unwrap();
        assert_eq!(mistakes.places(), Vec::<String>::new());
        assert_eq!((draft.id, draft.model_name), (Member::Is("7".to_owned()), Member::Is("m".to_owned())));
        assert_eq!((draft.model_version, draft.parameters["threshold"].clone()), (Member::Absent, json!(0.5)));
        let inputs = draft.inputs.found().unwrap();
        assert_eq!((&inputs[0].name, &inputs[0].shape), (&Member::Is("a".to_owned()), &Member::Is(vec![2, 1])));
        assert!(matches!(inputs[0].source, Source::Data(_)));
        assert_eq!(draft.outputs.found().unwrap()[0].parameters["binary_data"], json!(false));
    }

    #[test]
    fn every_mistake_is_told_and_the_rest_is_read() {
        for (text, expected) in [
            ("7", vec![""]),
            ("{\"inputs\": 7}", vec!["/inputs"]),
            ("{\"inputs\": [7, []]}", vec!["/inputs/0", "/inputs/1"]),
            ("{\"id\": 7, \"inputs\": [], \"inputs\": [], \"x\": {\"y\": 1}}", vec!["/id", "/inputs", "/x"]),
            (
                "{\"parameters\": {\"a\": [1], \"b\": null, \"c\": 1, \"c\": 2}}",
                vec!["/parameters/a", "/parameters/b", "/parameters/c"],
            ),
            (
                "{\"inputs\": [{\"name\": 1, \"shape\": [1.5, \"a\", 1e30], \"datatype\": [], \"daat\": 1}]}",
                vec![
                    "/inputs/0/name",
                    "/inputs/0/shape/0",
                    "/inputs/0/shape/1",
                    "/inputs/0/shape/2",
                    "/inputs/0/datatype",
                    "/inputs/0/daat",
                ],
            ),
            ("{\"outputs\": [{\"name\": null, \"more\": 1}, 3]}", vec!["/outputs/0/more", "/outputs/1"]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_are_bounded_while_they_are_read() {
        assert_eq!(places(&format!("{{\"outputs\": [{}{{}}]}}", "{},".repeat(MAX_TENSORS))), ["/outputs"]);
        assert!(places(&format!("{{\"outputs\": [{}{{}}]}}", "{},".repeat(MAX_TENSORS - 1))).is_empty());
        let shape = "1,".repeat(100_000);
        assert_eq!(places(&format!("{{\"inputs\": [{{\"shape\": [{shape}1]}}]}}")), ["/inputs/0/shape"]);
        let parameters: Vec<String> = (0..101).map(|index| format!("\"p{index}\": 1")).collect();
        assert_eq!(places(&format!("{{\"parameters\": {{{}}}}}", parameters.join(","))), ["/parameters"]);
    }

    #[test]
    fn what_is_no_json_says_where() {
        let mistakes = Mistakes::default();
        let error = read(b"{\"inputs\": [}", 64, &mistakes).unwrap_err();
        assert_eq!((error.code(), error.detail()), (Code::MalformedJson, "expected value at line 1 column 13"));
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        assert_eq!(read(deep.as_bytes(), 64, &mistakes).unwrap_err().code(), Code::MalformedJson);
        assert_eq!(read(b"{} {}", 64, &mistakes).unwrap_err().code(), Code::MalformedJson);
    }
}
