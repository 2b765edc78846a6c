//! The `data` of a tensor in JSON: an array of numbers, booleans or strings, flat or nested as the shape says, read
//! straight into one list. `null` is a missing value.

use serde::de::SeqAccess;

use super::datatype::Datatype;
use super::json_part::{Part, Reading};
use super::tensor::{Elements, Texts};
use crate::ml::table::ValueKind;

/// Elements in the order of the text, and how they were nested.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Data {
    found: Found,
    /// Items of the arrays at each depth, which are all of one length; the inner ones are known first.
    lengths: Vec<Option<usize>>,
    /// The depth of the elements; 0 before the first.
    depth: usize,
    mistake: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Found {
    /// So many nulls, before anything that says what the elements are.
    Nulls(usize),
    Elements(Elements),
}

impl Default for Found {
    fn default() -> Self {
        Found::Nulls(0)
    }
}

enum Scalar<'a> {
    Null,
    Flag(bool),
    Number(f64),
    Text(&'a str),
}

impl Data {
    /// The elements as a datatype has them.
    ///
    /// # Errors
    /// The first mistake: what was found and what would be right.
    pub(super) fn into_elements(self, datatype: Datatype, shape: &[usize]) -> Result<Elements, String> {
        let nested = match self.lengths.as_slice() {
            [] | [_] => None,
            lengths => Some(lengths.iter().copied().flatten().collect::<Vec<usize>>()),
        };
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if let Some(nested) = nested.filter(|nested| nested != shape && !is_empty(shape)) {
            return Err(format!("expected values nested as the shape {shape:?} says, or not at all; found {nested:?}"));
        }
        let elements = match self.found {
            Found::Elements(elements) => elements,
            Found::Nulls(count) => missing(datatype.kind(), count),
        };
        hold(elements, datatype)
    }

    fn push(&mut self, scalar: Scalar<'_>, depth: usize) {
        if self.depth == 0 {
            self.depth = depth;
        }
        if self.mistake.is_some() {
            return;
        }
        if depth != self.depth {
            self.mistake = Some("expected arrays of one depth, found values beside arrays".to_owned());
            return;
        }
        if let Found::Nulls(nulls) = self.found {
            match scalar.kind() {
                Some(kind) => self.found = Found::Elements(missing(kind, nulls)),
                None => {
                    self.found = Found::Nulls(nulls + 1);
                    return;
                }
            }
        }
        if let Found::Elements(elements) = &mut self.found {
            self.mistake = append(elements, scalar).err();
        }
    }

    fn close(&mut self, depth: usize, length: usize) {
        if self.lengths.len() <= depth {
            self.lengths.resize(depth + 1, None);
        }
        let Some(known) = self.lengths.get_mut(depth) else { return };
        let known = *known.get_or_insert(length);
        if known != length && self.mistake.is_none() {
            self.mistake = Some(format!("expected arrays of one length, found one of {length} after one of {known}"));
        }
    }
}

fn is_empty(shape: &[usize]) -> bool {
    shape.contains(&0)
}

impl Scalar<'_> {
    fn kind(&self) -> Option<ValueKind> {
        match self {
            Scalar::Null => None,
            Scalar::Flag(_) => Some(ValueKind::Boolean),
            Scalar::Number(_) => Some(ValueKind::Number),
            Scalar::Text(_) => Some(ValueKind::Text),
        }
    }
}

fn missing(kind: ValueKind, count: usize) -> Elements {
    match kind {
        ValueKind::Number => Elements::Numbers(vec![f64::NAN; count]),
        ValueKind::Boolean => Elements::Booleans(vec![None; count]),
        ValueKind::Text => {
            let mut texts = Texts::default();
            (0..count).for_each(|_| texts.push(""));
            Elements::Texts(texts)
        }
    }
}

fn append(elements: &mut Elements, scalar: Scalar<'_>) -> Result<(), String> {
    let index = elements.len();
    match (elements, scalar) {
        (Elements::Numbers(numbers), Scalar::Number(number)) => numbers.push(number),
        (Elements::Numbers(numbers), Scalar::Null) => numbers.push(f64::NAN),
        (Elements::Booleans(flags), Scalar::Flag(flag)) => flags.push(Some(flag)),
        (Elements::Booleans(flags), Scalar::Null) => flags.push(None),
        (Elements::Texts(texts), Scalar::Text(text)) => texts.push(text),
        (Elements::Texts(texts), Scalar::Null) => texts.push(""),
        (elements, scalar) => {
            let (expected, found) = (elements.plural(), scalar.kind().map_or("null", singular));
            return Err(format!("expected {expected} only, as the values before, found {found} at element {index}"));
        }
    }
    Ok(())
}

fn singular(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Number => "a number",
        ValueKind::Boolean => "a boolean",
        ValueKind::Text => "a string",
    }
}

/// Numbers rounded or checked as the datatype holds them; 0 and 1 as booleans of BOOL.
fn hold(elements: Elements, datatype: Datatype) -> Result<Elements, String> {
    match (datatype.kind(), elements) {
        (ValueKind::Number, Elements::Numbers(mut numbers)) => {
            for (index, number) in numbers.iter_mut().enumerate() {
                let held = datatype.hold(*number);
                *number = held.ok_or_else(|| no_element(datatype, index, &number.to_string()))?;
            }
            Ok(Elements::Numbers(numbers))
        }
        (ValueKind::Boolean, Elements::Numbers(numbers)) => {
            let flag = |(index, number): (usize, f64)| match number {
                0.0 => Ok(Some(false)),
                1.0 => Ok(Some(true)),
                number if number.is_nan() => Ok(None),
                number => Err(no_element(datatype, index, &number.to_string())),
            };
            numbers.into_iter().enumerate().map(flag).collect::<Result<_, _>>().map(Elements::Booleans)
        }
        (ValueKind::Boolean, elements @ Elements::Booleans(_)) | (ValueKind::Text, elements @ Elements::Texts(_)) => {
            Ok(elements)
        }
        (_, elements) => Err(format!("the datatype is {}; found {}", datatype.name(), elements.plural())),
    }
}

fn no_element(datatype: Datatype, index: usize, found: &str) -> String {
    format!("expected elements of {}, found {found} at element {index}", datatype.name())
}

/// Reads values into `data`, at a depth.
pub(super) struct Values<'a> {
    data: &'a mut Data,
    depth: usize,
}

impl<'a> Values<'a> {
    pub(super) fn into(data: &'a mut Data) -> Self {
        Self { data, depth: 0 }
    }

    fn scalar(self, scalar: Scalar<'_>) {
        match self.depth {
            0 => self.wrong(scalar.kind().map_or("null", singular)),
            depth => self.data.push(scalar, depth),
        }
    }
}

impl Part for Values<'_> {
    type Found = ();

    fn wrong(self, found: &str) {
        if self.data.mistake.is_none() {
            self.data.mistake = Some(format!("expected an array of numbers, booleans or strings, found {found}"));
        }
    }

    fn null(self) {
        self.scalar(Scalar::Null);
    }

    fn flag(self, flag: bool) {
        self.scalar(Scalar::Flag(flag));
    }

    fn number(self, number: f64) {
        self.scalar(Scalar::Number(number));
    }

    fn text(self, text: &str) {
        self.scalar(Scalar::Text(text));
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut length = 0;
        while items.next_element_seed(Reading(Values { data: &mut *self.data, depth: self.depth + 1 }))?.is_some() {
            length += 1;
        }
        self.data.close(self.depth, length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeSeed;

    use super::*;

    fn read(text: &str, datatype: Datatype, shape: &[usize]) -> Result<Elements, String> {
        let mut data = Data::default();
        Reading(Values::into(&mut data)).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        data.into_elements(datatype, shape)
    }

    fn numbers(text: &str, datatype: Datatype, shape: &[usize]) -> Vec<f64> {
        match read(text, datatype, shape) {
            Ok(Elements::Numbers(numbers)) => numbers,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flat_and_nested_values_are_the_same() {
        let expected = [1.0, 2.0, 3.0, 0.1];
        for text in ["[1, 2, 3, 0.1]", "[[1, 2], [3, 0.1]]"] {
            assert_eq!(numbers(text, Datatype::Fp64, &[2, 2]), expected, "{text}");
        }
        assert!(numbers("[]", Datatype::Fp64, &[0]).is_empty());
        assert!(numbers("[[], []]", Datatype::Fp64, &[2, 0]).is_empty());
        assert_eq!(numbers("[[1], [2]]", Datatype::Int8, &[2, 1]), [1.0, 2.0]);
    }

    #[test]
    fn null_is_missing_wherever_it_stands() {
        let found = numbers("[null, 1, null]", Datatype::Int64, &[3]);
        assert!(found[0].is_nan() && found[1] == 1.0 && found[2].is_nan());
        assert_eq!(read("[null, true]", Datatype::Bool, &[2]), Ok(Elements::Booleans(vec![None, Some(true)])));
        assert_eq!(read("[null, null]", Datatype::Bool, &[2]), Ok(Elements::Booleans(vec![None, None])));
        assert_eq!(read("[1, 0]", Datatype::Bool, &[2]), Ok(Elements::Booleans(vec![Some(true), Some(false)])));
        let Ok(Elements::Texts(texts)) = read(r#"[null, "a\u00fc", null]"#, Datatype::Bytes, &[3]) else { panic!() };
        assert_eq!((texts.len(), texts.get(0), texts.get(1), texts.get(2)), (3, "", "aü", ""));
    }

    #[test]
    fn a_mistake_says_what_was_found() {
        for (text, datatype, shape, expected) in [
            ("7", Datatype::Fp64, vec![1], "expected an array of numbers, booleans or strings, found a number"),
            ("{\"a\": 1}", Datatype::Fp64, vec![1], "found an object"),
            ("[{}]", Datatype::Fp64, vec![1], "found an object"),
            (
                "[1, \"a\"]",
                Datatype::Fp64,
                vec![2],
                "expected numbers only, as the values before, found a string at element 1",
            ),
            ("[\"a\"]", Datatype::Fp64, vec![1], "the datatype is FP64; found strings"),
            ("[true]", Datatype::Bytes, vec![1], "the datatype is BYTES; found booleans"),
            ("[1.5]", Datatype::Int64, vec![1], "expected elements of INT64, found 1.5 at element 0"),
            ("[1, 256]", Datatype::Uint8, vec![2], "expected elements of UINT8, found 256 at element 1"),
            ("[2]", Datatype::Bool, vec![1], "expected elements of BOOL, found 2 at element 0"),
            ("[[1, 2], [3]]", Datatype::Fp64, vec![3, 1], "found one of 1 after one of 2"),
            ("[[1, 2], 3]", Datatype::Fp64, vec![3, 1], "found values beside arrays"),
            (
                "[[1, 2, 3], [4, 5, 6]]",
                Datatype::Fp64,
                vec![3, 2],
                "as the shape [3, 2] says, or not at all; found [2, 3]",
            ),
            ("[[[1]]]", Datatype::Fp64, vec![1, 1], "found [1, 1, 1]"),
        ] {
            let found = read(text, datatype, &shape).unwrap_err();
            assert!(found.contains(expected), "{text}: {found}");
        }
    }

    #[test]
    fn the_elements_need_not_be_as_many_as_the_shape_says_to_be_read() {
        assert_eq!(numbers("[1, 2, 3]", Datatype::Fp64, &[2]).len(), 3, "whoever asks compares");
    }
}
