//! Reads a JSON object member by member and collects every mistake with its JSON pointer (RFC 6901).
//!
//! A derived deserializer stops at the first mistake; a user with five would learn of them one request at a
//! time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ml::json::escape;

/// One mistake in a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Where, as a JSON pointer: `/resample/0/k_neighbors`.
    pub pointer: String,
    /// What was found and what would be right.
    pub detail: String,
}

/// An object being read. Every accessor marks its member as known; [`ObjectReader::finish`] reports the rest.
pub struct ObjectReader<'a> {
    pointer: String,
    members: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
}

impl<'a> ObjectReader<'a> {
    /// Starts at `value`, found at `pointer`. Something other than an object is reported once and then read as
    /// an empty one.
    pub fn new(value: &'a Value, pointer: impl Into<String>, errors: &mut Vec<FieldError>) -> Self {
        let pointer = pointer.into();
        let members = value.as_object();
        if members.is_none() {
            errors.push(FieldError {
                pointer: pointer.clone(),
                detail: format!("expected an object, found {}", kind(value)),
            });
        }
        Self { pointer, members, known: Vec::new() }
    }

    /// An object that is not there: every member has its default.
    pub fn absent(pointer: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), members: None, known: Vec::new() }
    }

    /// The pointer to a member of this object.
    pub fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escape(name))
    }

    /// The member, if it is there; JSON `null` counts as there.
    pub fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.members.and_then(|members| members.get(name))
    }

    /// The member, if it is there and not `null`.
    pub fn present(&mut self, name: &'static str) -> Option<&'a Value> {
        self.value(name).filter(|value| !value.is_null())
    }

    /// Reports a mistake in a member.
    pub fn error(&self, name: &str, detail: impl Into<String>, errors: &mut Vec<FieldError>) {
        errors.push(FieldError { pointer: self.pointer(name), detail: detail.into() });
    }

    /// A finite number within `range`.
    pub fn number(&mut self, name: &'static str, default: f64, range: Range, errors: &mut Vec<FieldError>) -> f64 {
        self.optional_number(name, range, errors).unwrap_or(default)
    }

    /// A finite number within `range`, or nothing where the member is absent or `null`.
    pub fn optional_number(&mut self, name: &'static str, range: Range, errors: &mut Vec<FieldError>) -> Option<f64> {
        let value = self.present(name)?;
        match value.as_f64() {
            Some(number) if range.contains(number) => Some(number),
            Some(number) => {
                self.error(name, format!("expected a number {range}, found {number}"), errors);
                None
            }
            None => {
                self.error(name, format!("expected a number {range}, found {}", kind(value)), errors);
                None
            }
        }
    }

    /// A whole number within `min..=max`.
    pub fn integer(
        &mut self,
        name: &'static str,
        default: u64,
        min: u64,
        max: u64,
        errors: &mut Vec<FieldError>,
    ) -> u64 {
        self.optional_integer(name, min, max, errors).unwrap_or(default)
    }

    /// A whole number within `min..=max`, or nothing where the member is absent or `null`.
    pub fn optional_integer(
        &mut self,
        name: &'static str,
        min: u64,
        max: u64,
        errors: &mut Vec<FieldError>,
    ) -> Option<u64> {
        let value = self.present(name)?;
        match integer(value) {
            Some(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                let found = value.as_number().map_or_else(|| kind(value).to_owned(), ToString::to_string);
                self.error(name, format!("expected a whole number from {min} to {max}, found {found}"), errors);
                None
            }
        }
    }

    pub fn boolean(&mut self, name: &'static str, default: bool, errors: &mut Vec<FieldError>) -> bool {
        let Some(value) = self.present(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.error(name, format!("expected true or false, found {}", kind(value)), errors);
            default
        })
    }

    /// Text, at most `max_chars` characters.
    pub fn text(&mut self, name: &'static str, max_chars: usize, errors: &mut Vec<FieldError>) -> Option<String> {
        let value = self.present(name)?;
        match value.as_str() {
            Some(text) if text.chars().count() <= max_chars => Some(text.to_owned()),
            Some(text) => {
                let found = text.chars().count();
                self.error(name, format!("expected at most {max_chars} characters, found {found}"), errors);
                None
            }
            None => {
                self.error(name, format!("expected a string, found {}", kind(value)), errors);
                None
            }
        }
    }

    /// One of a closed list of names.
    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        default: T,
        choices: &[(&str, T)],
        errors: &mut Vec<FieldError>,
    ) -> T {
        let Some(value) = self.present(name) else { return default };
        let found = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
        if let Some((_, choice)) = found {
            return *choice;
        }
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        let found = value.as_str().map_or_else(|| kind(value).to_owned(), |text| format!("{:?}", shorten(text)));
        self.error(name, format!("expected one of {}, found {found}", names.join(", ")), errors);
        default
    }

    /// The elements of an array, each with its pointer; empty where the member is absent or `null`.
    pub fn array(
        &mut self,
        name: &'static str,
        max_items: usize,
        errors: &mut Vec<FieldError>,
    ) -> Vec<(String, &'a Value)> {
        let Some(value) = self.present(name) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.error(name, format!("expected an array, found {}", kind(value)), errors);
            return Vec::new();
        };
        if items.len() > max_items {
            let found = items.len();
            self.error(name, format!("expected at most {max_items} items, found {found}"), errors);
            return Vec::new();
        }
        let base = self.pointer(name);
        items.iter().enumerate().map(|(index, item)| (format!("{base}/{index}"), item)).collect()
    }

    /// A nested object; absent or `null` reads as one with every default.
    pub fn object(&mut self, name: &'static str, errors: &mut Vec<FieldError>) -> ObjectReader<'a> {
        let pointer = self.pointer(name);
        match self.present(name) {
            Some(value) => ObjectReader::new(value, pointer, errors),
            None => ObjectReader::absent(pointer),
        }
    }

    /// Reports every member that nobody asked for.
    pub fn finish(self, errors: &mut Vec<FieldError>) {
        let Some(members) = self.members else { return };
        for name in members.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let mut known = self.known.clone();
            known.sort_unstable();
            known.dedup();
            errors.push(FieldError {
                pointer: self.pointer(name),
                detail: format!("unknown member; known here: {}", known.join(", ")),
            });
        }
    }
}

/// What a number may be.
#[derive(Debug, Clone, Copy)]
pub enum Range {
    /// `min <= x <= max`
    Closed(f64, f64),
    /// `min < x <= max`
    Above(f64, f64),
    /// `min <= x < max`
    Below(f64, f64),
    /// `min < x < max`
    Open(f64, f64),
}

impl Range {
    /// Whether a number lies within.
    pub fn contains(self, number: f64) -> bool {
        match self {
            Range::Closed(min, max) => min <= number && number <= max,
            Range::Above(min, max) => min < number && number <= max,
            Range::Below(min, max) => min <= number && number < max,
            Range::Open(min, max) => min < number && number < max,
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::Closed(min, max) => write!(out, "from {min} to {max}"),
            Range::Above(min, max) => write!(out, "above {min} and at most {max}"),
            Range::Below(min, max) => write!(out, "from {min} and below {max}"),
            Range::Open(min, max) => write!(out, "above {min} and below {max}"),
        }
    }
}

/// What a value is, in words, without echoing it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A whole number, also when written `5.0`.
fn integer(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&number)).then_some(number as u64)
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}
