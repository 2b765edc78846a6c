//! The multilayer perceptron: affine layers, each with optional batch normalization, an activation and dropout,
//! and one logit at the end.
//!
//! A [`Network`] holds weights and nothing else. Its gradient is another [`Network`] of the same shape, so that
//! an optimizer, a penalty or a snapshot is a walk over two networks side by side. What a training step needs
//! besides (activations, slopes, dropout) is in [`pass::Pass`], allocated once and reused for every batch.
//!
//! Arithmetic is f32 on one thread, in a fixed order: the same seed gives the same bytes. Losses and statistics
//! are summed in f64.

pub mod activation;
pub mod batch_norm;
pub mod batches;
pub mod dense;
pub mod dropout;
pub mod early_stop;
pub mod inference;
pub mod init;
pub mod loss;
pub mod network;
pub mod optim;
pub mod pass;
pub mod penalty;
pub mod tensors;
pub mod trainer;

pub use network::{Network, NetworkShape};
pub use tensors::TensorError;
pub use trainer::{MlpTask, NetworkError, TrainedNetwork, train};
