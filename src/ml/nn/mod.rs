//! Networks that give one logit: the multilayer perceptron (affine layers, each with optional normalization, an activation,
//! dropout and a residual connection) and, in [`picture`], convolutional networks.
//!
//! A [`Network`] holds weights and nothing else, in one flat buffer whose places its [`layout::Layout`] knows. Its
//! gradient and what an optimizer remembers are buffers of the same layout, so that a step, a penalty or a snapshot
//! is one pass over contiguous memory. What a training step needs besides (activations, slopes) is in
//! [`pass::Pass`], allocated once and reused for every batch.
//!
//! A run that is interrupted goes on from a [`checkpoint`] and gives the same bytes.
//!
//! Arithmetic is f32 in a fixed order, by the loops of [`super::kernel`]: the same seed gives the same bytes.
//! Losses and statistics are summed in f64.

pub mod averaging;
pub mod batches;
pub mod checkpoint;
pub mod curves;
pub mod design;
pub mod early_stop;
pub mod ensemble;
mod fingerprint;
pub mod inference;
pub mod init;
pub mod layout;
pub mod loss;
mod members;
pub mod network;
mod normalization;
pub mod optimizer;
mod part;
pub mod pass;
pub mod picture;
mod position;
pub mod rows;
pub mod schedule;
pub mod tensors;
pub mod trainer;
mod transposed;

pub use checkpoint::{CheckpointError, MAX_CHECKPOINT_BYTES};
pub use design::Design;
pub use ensemble::{Ensemble, TrainedEnsemble, train_ensemble};
pub use layout::{Architecture, NetworkShape};
pub use network::Network;
pub use normalization::EPSILON as NORM_EPSILON;
pub use picture::{Evidence, HeatMap, PictureNetworkShape};
pub use tensors::TensorError;
pub use trainer::{NetworkError, NetworkTask, TrainedNetwork, train};
