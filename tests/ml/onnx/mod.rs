//! Models as ONNX: the graph is well-formed, says where it comes from, and gives what the model gives.

mod evaluate;
mod maps;
mod models;
mod pictures;
