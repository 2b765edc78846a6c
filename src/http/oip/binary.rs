//! The binary tensor extension: JSON, then the elements of the tensors that announce a size, in their order.

use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;

use super::draft::{Draft, Member, Source};
use super::mistakes::Mistakes;
use crate::http::error::{ApiError, Code};
use crate::ml::json::Place;

/// How many bytes of a body are JSON.
pub(in crate::http) const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Takes a body apart into its JSON and the binary data after it.
///
/// # Errors
/// 400 if the header is no length, or a longer one than that of the body.
pub(super) fn split(headers: &HeaderMap, mut body: Bytes) -> Result<(Bytes, Bytes), ApiError> {
    let Some(length) = headers.get(&JSON_LENGTH) else { return Ok((body, Bytes::new())) };
    let refused = |detail: String| Err(ApiError::new(Code::MalformedRequest, detail));
    let Some(length) = length.to_str().ok().and_then(|length| length.trim().parse::<usize>().ok()) else {
        return refused(format!("expected a number of bytes in {JSON_LENGTH}"));
    };
    if length == 0 {
        return refused("a body without JSON says nothing of its shape; send the inputs' names and shapes".to_owned());
    }
    if length > body.len() {
        let found = body.len();
        return refused(format!("expected {length} bytes of JSON as {JSON_LENGTH} says, found {found} bytes in all"));
    }
    let json = body.split_to(length);
    Ok((json, body))
}

/// Gives each input that announces binary data its part of it.
pub(super) fn attach(draft: &mut Draft, mut data: Bytes, mistakes: &Mistakes) {
    let place = Place::Member(&Place::Root, "inputs");
    let Member::Is(inputs) = &mut draft.inputs else { return };
    let mut all_known = true;
    for (index, input) in inputs.iter_mut().enumerate() {
        let Some(size) = input.parameters.get("binary_data_size") else { continue };
        let place = Place::Item(&place, index);
        if input.source != Source::Absent {
            mistakes.in_member(place, "data", "expected data here or in binary, found both");
        }
        input.source = Source::Wrong;
        match size.as_u64().and_then(|size| usize::try_from(size).ok()) {
            // The mistake in the size itself is told with the other parameters.
            None => all_known = false,
            Some(size) if size <= data.len() && all_known => input.source = Source::Raw(data.split_to(size)),
            Some(size) if all_known => {
                let parameters = Place::Member(&place, "parameters");
                let detail = format!("expected {size} bytes of binary data, found {}", data.len());
                mistakes.in_member(parameters, "binary_data_size", detail);
                data.clear();
            }
            Some(_) => {}
        }
    }
    if all_known && !data.is_empty() {
        mistakes.at(place, format!("found {} bytes of binary data that belong to no input", data.len()));
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::http::oip::json_request;

    fn split_at(length: &'static str, body: &'static str) -> Result<(Bytes, Bytes), ApiError> {
        let headers = HeaderMap::from_iter([(JSON_LENGTH, HeaderValue::from_static(length))]);
        split(&headers, Bytes::from_static(body.as_bytes()))
    }

    fn attached(inputs: &Value, data: &'static [u8]) -> (Draft, Vec<String>) {
        let mistakes = Mistakes::default();
        let json = json!({"inputs": inputs}).to_string();
        let mut draft = json_request::read(json.as_bytes(), 64, &mistakes).unwrap();
        attach(&mut draft, Bytes::from_static(data), &mistakes);
        (draft, mistakes.places())
    }

    fn sized(size: impl Into<Value>) -> Value {
        json!({"name": "x", "parameters": {"binary_data_size": size.into()}})
    }

    #[test]
    fn the_header_says_where_the_json_ends() {
        assert_eq!(split_at("2", "{}abc").unwrap(), (Bytes::from_static(b"{}"), Bytes::from_static(b"abc")));
        assert_eq!(split(&HeaderMap::new(), Bytes::from_static(b"{}")).unwrap().0, "{}");
        for length in ["", "-1", "6", "1e3", "0", "99999999999999999999", "two"] {
            assert_eq!(split_at(length, "{}abc").unwrap_err().code(), Code::MalformedRequest, "{length}");
        }
    }

    #[test]
    fn each_input_gets_its_part_in_order() {
        let (draft, mistakes) = attached(&json!([sized(2), {"name": "y", "data": [1]}, sized(0), sized(1)]), b"abc");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let inputs = draft.inputs.found().unwrap();
        let parts: Vec<_> = inputs
            .iter()
            .filter_map(|input| if let Source::Raw(bytes) = &input.source { Some(bytes.as_ref()) } else { None })
            .collect();
        assert_eq!(parts, [b"ab".as_slice(), b"", b"c"]);
    }

    #[test]
    fn data_that_does_not_add_up_is_refused() {
        assert_eq!(attached(&json!([sized(4)]), b"abc").1, ["/inputs/0/parameters/binary_data_size"]);
        assert_eq!(attached(&json!([sized(2)]), b"abc").1, ["/inputs"]);
        assert_eq!(attached(&json!([]), b"abc").1, ["/inputs"]);
        let both = json!([{"name": "x", "data": [1], "parameters": {"binary_data_size": 3}}]);
        assert_eq!(attached(&both, b"abc").1, ["/inputs/0/data"]);
        let (draft, mistakes) = attached(&json!([sized(-1), sized(3)]), b"abc");
        assert!(mistakes.is_empty(), "told with the parameters: {mistakes:?}");
        assert!(draft.inputs.found().unwrap().iter().all(|input| input.source == Source::Wrong));
    }
}
