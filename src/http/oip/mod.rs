//! The Open Inference Protocol, version 2, so that clients of KServe, Triton and MLServer work unchanged: REST under
//! `/v2`, and gRPC on a port of its own.
//!
//! A request goes through these: its format ([`json_request`] and [`binary`], or [`grpc`]) makes a [`draft`] of it;
//! [`request`] checks every part; [`arrange`] lays tensors out as the columns of the model; predictions are those of
//! `models::predict`; [`answer`] is what there is to say, and the format writes it. [`mistakes`] collects what is wrong
//! on the way. [`resolve`] says which model a name means.

mod answer;
mod arrange;
mod binary;
mod datatype;
mod draft;
mod grpc;
mod health;
mod index;
mod infer;
mod json_answer;
mod json_data;
mod json_part;
mod json_request;
mod json_values;
#[cfg(test)]
mod made_up;
mod metadata;
mod mistakes;
mod parameters;
mod pictures;
mod raw;
mod request;
mod resolve;
mod tensor;

use super::routes::Handlers;
pub(super) use binary::JSON_LENGTH;

pub use grpc::{messages, serve as serve_grpc};

pub(super) fn register(handlers: &mut Handlers) {
    handlers.add("oipLive", health::live);
    handlers.add("oipReady", health::ready);
    handlers.add("oipServer", metadata::of_server);
    handlers.add("oipServerSlash", metadata::of_server);
    handlers.add("oipIndex", index::handle);
    handlers.add("oipModel", metadata::of_model);
    handlers.add("oipModelVersion", metadata::of_model);
    handlers.add("oipModelReady", metadata::ready);
    handlers.add("oipModelVersionReady", metadata::ready);
    handlers.add("oipInfer", infer::handle);
    handlers.add("oipInferVersion", infer::handle);
}
