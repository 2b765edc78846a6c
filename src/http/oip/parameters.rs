//! What the parameters of a request and of its tensors say. Those that are hints to other servers are ignored; those
//! that would change what is meant and are not known here are refused.

use serde_json::{Map, Value};

use super::mistakes::Mistakes;
use crate::http::models::predict::Instead;
use crate::ml::json::Place;
use crate::ml::picture::Views;

/// How inputs are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Layout {
    /// As the inputs themselves suggest.
    #[default]
    Open,
    /// One tensor with all columns (`np`).
    Matrix,
    /// One tensor per column, by name (`pd`).
    Columns,
}

/// Those of the whole request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct RequestParameters {
    pub(super) layout: Layout,
    pub(super) instead: Instead,
    /// Whether outputs that say nothing else are sent in binary.
    pub(super) binary_output: bool,
}

/// Parameters, the object they are in, and whom mistakes are told.
pub(super) struct Reader<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    /// Of the object that has them.
    pub(super) owner: Place<'a>,
    pub(super) mistakes: &'a Mistakes,
}

impl Reader<'_> {
    pub(super) fn of_request(&self) -> RequestParameters {
        let layout = match self.text("content_type").as_deref() {
            None => Layout::Open,
            Some("np") => Layout::Matrix,
            Some("pd") => Layout::Columns,
            Some(_) => {
                self.wrong("content_type", "expected np for one matrix or pd for a tensor per column");
                Layout::Open
            }
        };
        self.refuse(&[
            ("sequence_id", "sequences of requests are not kept here; every request is answered by itself"),
            ("sequence_start", "sequences of requests are not kept here; every request is answered by itself"),
            ("sequence_end", "sequences of requests are not kept here; every request is answered by itself"),
        ]);
        RequestParameters {
            layout,
            instead: Instead {
                threshold: self.number("threshold", "from 0 to 1", |number| (0.0..=1.0).contains(&number)),
                prevalence: self.number("prevalence", "above 0 and below 1", |number| number > 0.0 && number < 1.0),
                views: self.views(),
            },
            binary_output: self.flag("binary_data_output").unwrap_or(false),
        }
    }

    /// The bytes of an input in binary, if it is sent so.
    pub(super) fn of_input(&self) -> Option<usize> {
        match self.text("content_type").as_deref() {
            None | Some("np" | "pd" | "str") => {}
            Some(_) => self.wrong("content_type", "expected np, pd or str; elements are what the datatype says"),
        }
        self.refuse_shared_memory();
        let size = self.parameters.get("binary_data_size")?;
        let bytes = size.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
        if bytes.is_none() {
            self.wrong("binary_data_size", "expected a number of bytes");
        }
        bytes
    }

    /// Whether an output shall be sent in binary, if it says so.
    pub(super) fn of_output(&self) -> Option<bool> {
        self.refuse_shared_memory();
        self.refuse(&[("classification", "classes are not ranked here; ask for the outputs probability and label")]);
        self.flag("binary_data")
    }

    fn refuse_shared_memory(&self) {
        let detail = "shared memory is not offered; send the data with the request";
        let names = ["shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"];
        self.refuse(&names.map(|name| (name, detail)));
    }

    fn refuse(&self, refused: &[(&str, &str)]) {
        for (name, detail) in refused.iter().filter(|(name, _)| self.parameters.contains_key(*name)) {
            self.wrong(name, detail);
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.parameters.get(name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(name, "expected a string");
        }
        text
    }

    fn views(&self) -> Option<Views> {
        let name = self.text("tta")?;
        let views = Views::named(&name);
        if views.is_none() {
            let names = Views::ALL.map(|(name, _)| name).join(", ");
            self.wrong("tta", &format!("expected one of {names}"));
        }
        views
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.parameters.get(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(name, "expected true or false");
        }
        flag
    }

    fn number(&self, name: &str, range: &str, within: impl Fn(f64) -> bool) -> Option<f64> {
        let value = self.parameters.get(name)?;
        let number = value.as_f64().filter(|&number| within(number));
        if number.is_none() {
            self.wrong(name, &format!("expected a number {range}"));
        }
        number
    }

    fn wrong(&self, name: &str, detail: &str) {
        self.mistakes.in_member(Place::Member(&self.owner, "parameters"), name, detail);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T>(parameters: &Value, ask: impl Fn(&Reader<'_>) -> T) -> (T, Vec<String>) {
        let mistakes = Mistakes::default();
        let reader = Reader { parameters: parameters.as_object().unwrap(), owner: Place::Root, mistakes: &mistakes };
        (ask(&reader), mistakes.places())
    }

    #[test]
    fn a_request_says_how_it_is_to_be_read_and_answered() {
        let parameters = json!({
            "content_type": "pd", "threshold": 0.25, "prevalence": 0.1, "binary_data_output": true, "tta": "turns",
            "priority": 1, "timeout": 1000, "anything": "else",
        });
        let expected = RequestParameters {
            layout: Layout::Columns,
            instead: Instead { threshold: Some(0.25), prevalence: Some(0.1), views: Some(Views::Turns) },
            binary_output: true,
        };
        assert_eq!(read(&parameters, |reader| reader.of_request()), (expected, vec![]));
        assert_eq!(read(&json!({}), |reader| reader.of_request()), (RequestParameters::default(), vec![]));
    }

    #[test]
    fn what_would_change_the_meaning_is_refused() {
        let parameters = json!({
            "content_type": "datetime", "threshold": 1.5, "prevalence": "low", "binary_data_output": 1, "sequence_id": 7,
            "tta": "spins",
        });
        let mut places = read(&parameters, |reader| reader.of_request()).1;
        places.sort();
        let expected = ["binary_data_output", "content_type", "prevalence", "sequence_id", "threshold", "tta"];
        assert_eq!(places, expected.map(|name| format!("/parameters/{name}")));
        let input = json!({"content_type": "base64", "shared_memory_region": "r", "binary_data_size": -1});
        assert_eq!(read(&input, |reader| reader.of_input()).1.len(), 3);
        let output = json!({"classification": 2, "shared_memory_region": "r", "binary_data": "yes"});
        assert_eq!(read(&output, |reader| reader.of_output()).1.len(), 3);
    }

    #[test]
    fn sizes_and_flags_read_back() {
        assert_eq!(
            read(&json!({"binary_data_size": 16, "content_type": "str"}), |reader| reader.of_input()),
            (Some(16), vec![])
        );
        assert_eq!(read(&json!({"binary_data": true}), |reader| reader.of_output()), (Some(true), vec![]));
        assert_eq!(read(&json!({}), |reader| reader.of_output()), (None, vec![]));
    }
}
