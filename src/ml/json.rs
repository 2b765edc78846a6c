//! JSON as it was written: a member that an object has twice is found, where a usual reader keeps the last one in
//! silence.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// More members that come twice than this are not listed.
const MAX_REPEATED: usize = 200;

/// A JSON text.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    pub value: Value,
    /// Where a member has the name of an earlier one, as JSON pointers (RFC 6901), in the order of the text.
    pub repeated: Vec<String>,
}

/// Reads one JSON text. Of members that come twice the last one is kept.
///
/// # Errors
/// If the bytes are not JSON.
pub fn parse(bytes: &[u8]) -> Result<Json, serde_json::Error> {
    let repeated = RefCell::new(Vec::new());
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let value = Reading { place: Place::Root, repeated: &repeated }.deserialize(&mut text)?;
    text.end()?;
    Ok(Json { value, repeated: repeated.into_inner() })
}

/// A name as one step of a JSON pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where a value is, as a chain up to the root: costs nothing until somebody asks.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    Root,
    Item(&'a Place<'a>, usize),
    Member(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    /// The place as a JSON pointer (RFC 6901).
    pub fn pointer(self) -> String {
        match self {
            Place::Root => String::new(),
            Place::Item(parent, index) => format!("{}/{index}", parent.pointer()),
            Place::Member(parent, name) => format!("{}/{}", parent.pointer(), escape(name)),
        }
    }
}

/// Builds the value at a place.
struct Reading<'a> {
    place: Place<'a>,
    repeated: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        let item = |index| Reading { place: Place::Item(&self.place, index), repeated: self.repeated };
        while let Some(value) = items.next_element_seed(item(found.len()))? {
            found.push(value);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let place = Place::Member(&self.place, &name);
            let value = members.next_value_seed(Reading { place, repeated: self.repeated })?;
            if found.contains_key(&name) && self.repeated.borrow().len() < MAX_REPEATED {
                self.repeated.borrow_mut().push(place.pointer());
            }
            found.insert(name, value);
        }
        Ok(Value::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_usual_reader() {
        for text in [
            r#"{"b": [1, -2, 0.1, 1e300, "x\u0000\"", true, false, null, {}, []], "a": {"/": 18446744073709551615}}"#,
            "7",
            "\"a\"",
            " [ ] ",
            "1e5",
            "-0",
            "",
            "{",
            "{\"a\":}",
            "[1,]",
            "{} {}",
            "nul",
            "1e400",
        ] {
            let expected = serde_json::from_str::<Value>(text);
            let found = parse(text.as_bytes());
            match (expected, found) {
                (Ok(expected), Ok(found)) => assert_eq!((found.value, found.repeated), (expected, vec![]), "{text}"),
                (Err(expected), Err(found)) => assert_eq!(found.to_string(), expected.to_string(), "{text}"),
                (expected, found) => panic!("{text}: {expected:?} but {found:?}"),
            }
        }
    }

    #[test]
    fn members_that_come_twice_are_named_by_their_pointers() {
        let text = br#"{"a": 1, "b": [{"c": 1}, {"c": 2, "d/~": 3, "c": 4, "d/~": 5}], "a": {"a": 1}, "a": 2}"#;
        let found = parse(text).unwrap();
        assert_eq!(found.repeated, ["/b/1/c", "/b/1/d~1~0", "/a", "/a"]);
        assert_eq!(found.value, serde_json::json!({"a": 2, "b": [{"c": 1}, {"c": 4, "d/~": 5}]}));
    }

    #[test]
    fn a_long_list_of_them_is_cut() {
        let text = format!("{{{}\"a\": 1}}", "\"a\": 1, ".repeat(10_000));
        assert_eq!(parse(text.as_bytes()).unwrap().repeated.len(), MAX_REPEATED);
    }
}
