//! Convolutional networks: layers over pictures, and one logit at the end.
//!
//! [`plan`] turns a list of layers into steps over maps whose places in memory are fixed, [`window`] knows which pixels
//! look at which. A map lies line by line, pixel by pixel, each pixel with all its channels padded to whole vectors, with
//! the border of zeros that the convolutions around it look into. [`pass`] takes a batch there and back in groups of
//! pictures, [`scorer`] one picture after the other to its logit.
//!
//! Every picture goes through a step by itself, and what is summed over a batch (statistics, derivatives by weights) is
//! summed by fixed groups of pictures first, then in their order: threads share groups, and the bits do not depend on how.

mod convolution;
mod dead;
mod finish;
mod group;
pub mod heat;
pub mod pass;
pub mod plan;
mod pooling;
mod route;
pub mod scorer;
pub mod window;

pub(in crate::ml::nn) use dead::dead_channels;
pub use heat::{Evidence, HeatMap};
pub use pass::GROUPS;
pub use plan::{Action, Convolution, Finish, Map, PictureNetworkShape, Plan, Step};
