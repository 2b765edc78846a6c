//! A look at an inference message before it is decoded: two bytes of an empty tensor become hundreds in memory, so how
//! many there are is bounded first; and the model's name is needed before its turn to be decoded comes.

use crate::http::error::{ApiError, Code};
use crate::http::oip::json_request::MAX_TENSORS;

/// Texts in a message, at most; each takes many times its two bytes or more.
const MAX_TEXTS: usize = 4_000_000;

/// Of `ModelInferRequest`.
const MODEL_NAME: u64 = 1;
const MODEL_VERSION: u64 = 2;
const INPUTS: u64 = 5;
const OUTPUTS: u64 = 6;
const RAW_INPUT_CONTENTS: u64 = 7;
/// Of `InferInputTensor`.
const CONTENTS: u64 = 5;
/// Of `InferTensorContents`.
const BYTES_CONTENTS: u64 = 8;
/// What the lowest three bits of a field's key say of its length.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// What is known of a message without decoding it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) model_name: String,
    pub(super) model_version: String,
    inputs: usize,
    outputs: usize,
    raw_contents: usize,
    texts: usize,
}

impl Outline {
    /// Whether elements are sent in binary.
    pub(super) fn has_raw_contents(&self) -> bool {
        self.raw_contents > 0
    }
}

/// # Errors
/// 400 if the message is not well-formed or has too many parts.
pub(super) fn outline(message: &[u8]) -> Result<Outline, ApiError> {
    let mut outline = Outline::default();
    let whole = each_field(message, &mut |tag, field| {
        match tag {
            MODEL_NAME => outline.model_name = str::from_utf8(field).ok()?.to_owned(),
            MODEL_VERSION => outline.model_version = str::from_utf8(field).ok()?.to_owned(),
            INPUTS => {
                outline.inputs += 1;
                outline.texts += texts(field)?;
            }
            OUTPUTS => outline.outputs += 1,
            RAW_INPUT_CONTENTS => outline.raw_contents += 1,
            _ => {}
        }
        Some(())
    });
    let refused = |detail: String| Err(ApiError::new(Code::MalformedRequest, detail));
    if whole.is_none() {
        return refused("the message is not a ModelInferRequest".to_owned());
    }
    let counted = [
        ("inputs", outline.inputs, MAX_TENSORS),
        ("outputs", outline.outputs, MAX_TENSORS),
        ("raw_input_contents", outline.raw_contents, MAX_TENSORS),
        ("texts", outline.texts, MAX_TEXTS),
    ];
    match counted.into_iter().find(|(_, found, most)| found > most) {
        None => Ok(outline),
        Some((what, found, most)) => refused(format!("expected at most {most} {what}, found {found}")),
    }
}

/// The texts in an input's contents.
fn texts(input: &[u8]) -> Option<usize> {
    let mut count = 0;
    each_field(input, &mut |tag, contents| match tag {
        CONTENTS => each_field(contents, &mut |tag, _| {
            count += usize::from(tag == BYTES_CONTENTS);
            Some(())
        }),
        _ => Some(()),
    })?;
    Some(count)
}

/// Hands on each field that has a length, with its tag, and reads over the others; `None` where the message is not
/// well-formed. Groups, which proto3 does not have, are not.
fn each_field(message: &[u8], take: &mut dyn FnMut(u64, &[u8]) -> Option<()>) -> Option<()> {
    let mut rest = message;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let length = match key & 7 {
            VARINT => {
                varint(&mut rest)?;
                0
            }
            FIXED64 => 8,
            FIXED32 => 4,
            DELIMITED => usize::try_from(varint(&mut rest)?).ok()?,
            _ => return None,
        };
        let (field, after) = rest.split_at_checked(length)?;
        rest = after;
        if key & 7 == DELIMITED {
            take(key >> 3, field)?;
        }
    }
    Some(())
}

/// Seven bits a byte, the lowest first, until a byte below 128.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::*;
    use crate::http::oip::grpc::messages::{
        InferInputTensor, InferRequestedOutputTensor, InferTensorContents, ModelInferRequest,
    };

    fn request() -> ModelInferRequest {
        let contents = InferTensorContents {
            bytes_contents: vec![Bytes::from_static(b"red"); 3],
            int64_contents: vec![-1, 300],
            fp32_contents: vec![0.5],
            ..InferTensorContents::default()
        };
        let input = InferInputTensor { shape: vec![3], contents: Some(contents), ..InferInputTensor::default() };
        ModelInferRequest {
            model_name: "m".to_owned(),
            model_version: "2".to_owned(),
            inputs: vec![input.clone(), input],
            outputs: vec![InferRequestedOutputTensor::default()],
            raw_input_contents: vec![Bytes::from(vec![0; 300])],
            ..ModelInferRequest::default()
        }
    }

    #[test]
    fn a_message_is_outlined_without_decoding_it() {
        let found = outline(&request().encode_to_vec()).unwrap();
        let (model_name, model_version) = ("m".to_owned(), "2".to_owned());
        assert_eq!(found, Outline { model_name, model_version, inputs: 2, outputs: 1, raw_contents: 1, texts: 6 });
        assert_eq!(outline(&[]).unwrap(), Outline::default());
    }

    #[test]
    fn what_is_cut_off_anywhere_is_refused_here_or_by_the_decoder() {
        let whole = request().encode_to_vec();
        for end in 0..whole.len() {
            let decoded = ModelInferRequest::decode(&whole[..end]).is_ok();
            assert!(outline(&whole[..end]).is_ok() || !decoded, "{end} of {} bytes", whole.len());
        }
        for message in [&[0x0a][..], &[0xff; 12], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0a, 1, 0xff], &[0x0b]] {
            assert_eq!(outline(message).unwrap_err().code(), Code::MalformedRequest, "{message:?}");
        }
    }

    #[test]
    fn many_empty_parts_are_refused_before_they_are_made() {
        // An empty input, output or raw content: its tag, and the length 0.
        for (tag, most) in [(0x2a_u8, MAX_TENSORS), (0x32, MAX_TENSORS), (0x3a, MAX_TENSORS)] {
            assert!(outline(&[tag, 0].repeat(most)).is_ok());
            assert_eq!(outline(&[tag, 0].repeat(most + 1)).unwrap_err().code(), Code::MalformedRequest);
        }
        let nested = |count: usize| {
            let contents =
                InferTensorContents { bytes_contents: vec![Bytes::new(); count], ..InferTensorContents::default() };
            let input = InferInputTensor { contents: Some(contents), ..InferInputTensor::default() };
            ModelInferRequest { inputs: vec![input], ..ModelInferRequest::default() }.encode_to_vec()
        };
        assert!(outline(&nested(MAX_TEXTS)).is_ok() && outline(&nested(MAX_TEXTS + 1)).is_err());
    }
}
