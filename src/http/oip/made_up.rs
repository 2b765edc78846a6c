//! Requests made up by chance: whatever comes is read or refused, and what is read agrees with itself.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::arrange::arrange;
use super::grpc::{self, messages::ModelInferRequest};
use super::mistakes::Mistakes;
use super::{binary, json_request, request};
use crate::http::error::ApiError;
use crate::ml::table::{ColumnType, ExpectedColumn, Inputs};

const MAX_ROWS: usize = 1000;

fn expected() -> Vec<ExpectedColumn> {
    [("age", ColumnType::Numeric), ("ward", ColumnType::Categorical), ("smokes", ColumnType::Boolean)]
        .map(|(name, column_type)| ExpectedColumn { name: name.to_owned(), column_type })
        .into()
}

/// Goes the way of a request up to the model; the rows of the table, if there is nothing wrong.
fn rows(draft: super::draft::Draft, mistakes: Mistakes) -> Result<usize, ApiError> {
    let request = request::check(draft, ("m", None), &mistakes);
    let arranged = arrange(&request, &Inputs::new(expected()), None, MAX_ROWS, &mistakes)?;
    let table = mistakes.or(arranged)?.table;
    assert!(table.columns().len() == 3 && table.rows() <= MAX_ROWS);
    Ok(table.rows())
}

fn rows_of_json(json: &[u8], data: &[u8]) -> Result<usize, ApiError> {
    let mistakes = Mistakes::default();
    let mut draft = json_request::read(json, 64, &mistakes)?;
    binary::attach(&mut draft, Bytes::copy_from_slice(data), &mistakes);
    rows(draft, mistakes)
}

fn rows_of_message(message: &[u8]) -> Result<usize, ApiError> {
    let mistakes = Mistakes::default();
    let draft = grpc::read(message, &mistakes)?;
    rows(draft, mistakes)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i64..5).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![number(), any::<bool>().prop_map(Value::from), "\\PC{0,3}".prop_map(Value::from)]
}

fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![prop::collection::vec(number(), 0..6), prop::collection::vec(scalar(), 0..4)];
    leaf.prop_map(Value::from)
        .prop_recursive(2, 12, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from))
}

fn input() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("age"), Just("ward"), Just("smokes"), Just("x"), Just("")];
    let datatype = prop_oneof![
        Just("FP64"),
        Just("FP32"),
        Just("INT8"),
        Just("UINT64"),
        Just("BOOL"),
        Just("BYTES"),
        Just("FP16")
    ];
    let shape = prop::collection::vec(prop_oneof![(-1_i64..4), any::<i64>()], 0..4);
    let size = prop::option::of(prop_oneof![(0_i64..20), any::<i64>()]);
    (name, datatype, shape, data(), size).prop_map(|(name, datatype, shape, data, size)| match size {
        Some(size) => {
            json!({"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}})
        }
        None => json!({"name": name, "datatype": datatype, "shape": shape, "data": data}),
    })
}

/// A right request, to be damaged.
fn right() -> (Vec<u8>, Vec<u8>) {
    let body = json!({"id": "7", "inputs": [
        {"name": "age", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
        {"name": "ward", "shape": [2, 1], "datatype": "BYTES", "data": [["east"], [null]]},
        {"name": "smokes", "shape": [2], "datatype": "BOOL", "data": [true, null]},
    ], "outputs": [{"name": "label", "parameters": {"binary_data": true}}]});
    (body.to_string().into_bytes(), vec![0; 16])
}

fn right_message() -> Vec<u8> {
    let (json, _) = right();
    let mut message =
        ModelInferRequest { model_name: String::from_utf8_lossy(&json).into_owned(), ..Default::default() };
    for (name, datatype, raw) in [
        ("age", "FP64", vec![0; 16]),
        ("ward", "BYTES", b"\x04\0\0\0east\0\0\0\0".to_vec()),
        ("smokes", "BOOL", vec![1, 0]),
    ] {
        let (name, datatype) = (name.to_owned(), datatype.to_owned());
        message.inputs.push(grpc::messages::InferInputTensor { name, datatype, shape: vec![2], ..Default::default() });
        message.raw_input_contents.push(raw.into());
    }
    message.encode_to_vec()
}

fn damaged(bytes: &[u8], changes: &[(prop::sample::Index, u8)], cut: prop::sample::Index) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for (at, byte) in changes {
        damaged[at.index(bytes.len())] = *byte;
    }
    // Half of them stay whole.
    damaged.truncate(cut.index(2 * bytes.len()).min(bytes.len()));
    damaged
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
}

#[test]
fn what_is_to_be_damaged_is_right() {
    let (json, data) = right();
    assert_eq!(rows_of_json(&json, &data).unwrap(), 2);
    assert_eq!(rows_of_message(&right_message()).unwrap(), 2);
}

proptest! {
    #[test]
    fn tensors_made_up_are_read_or_refused(inputs in prop::collection::vec(input(), 0..4), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let read = rows_of_json(json!({"inputs": inputs}).to_string().as_bytes(), &bytes);
        prop_assert!(read.is_ok() || read.is_err_and(|error| error.code().status().is_client_error()));
    }

    #[test]
    fn json_that_is_damaged_is_read_or_refused(changes in changes(), cut in any::<prop::sample::Index>()) {
        let (json, data) = right();
        let read = rows_of_json(&damaged(&json, &changes, cut), &data);
        prop_assert!(read.is_ok() || read.is_err_and(|error| error.code().status().is_client_error()));
    }

    #[test]
    fn messages_that_are_damaged_are_read_or_refused(changes in changes(), cut in any::<prop::sample::Index>()) {
        let read = rows_of_message(&damaged(&right_message(), &changes, cut));
        prop_assert!(read.is_ok() || read.is_err_and(|error| error.code().status().is_client_error()));
    }
}
