//! An inference request as its format has it, before one part is held against another.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::json_data::Data;
use super::tensor::Elements;

/// A part of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Member<T> {
    #[default]
    Absent,
    /// It is there, and a mistake that has been told.
    Wrong,
    Is(T),
}

/// The whole request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) id: Member<String>,
    pub(super) model_name: Member<String>,
    pub(super) model_version: Member<String>,
    pub(super) parameters: Map<String, Value>,
    pub(super) inputs: Member<Vec<DraftInput>>,
    pub(super) outputs: Member<Vec<DraftOutput>>,
}

/// A tensor that was sent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct DraftInput {
    pub(super) name: Member<String>,
    pub(super) datatype: Member<String>,
    pub(super) shape: Member<Vec<i64>>,
    pub(super) parameters: Map<String, Value>,
    pub(super) source: Source,
}

/// Where the elements of a tensor are.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Source {
    #[default]
    Absent,
    /// A mistake that has been told.
    Wrong,
    /// In the JSON.
    Data(Data),
    /// In binary.
    Raw(Bytes),
    /// In a list of the datatype's own, with what is wrong with it.
    Typed(Result<Elements, String>),
}

/// A tensor that was asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct DraftOutput {
    pub(super) name: Member<String>,
    pub(super) parameters: Map<String, Value>,
}

impl DraftInput {
    /// What is left of one that is no object.
    pub(super) fn wrong() -> Self {
        let (name, datatype, shape) = (Member::Wrong, Member::Wrong, Member::Wrong);
        Self { name, datatype, shape, parameters: Map::new(), source: Source::Wrong }
    }
}

impl<T> Member<T> {
    pub(super) fn found(self) -> Option<T> {
        match self {
            Member::Is(value) => Some(value),
            Member::Absent | Member::Wrong => None,
        }
    }
}
