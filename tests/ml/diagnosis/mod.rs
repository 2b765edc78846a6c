//! Every cause of failure is found with its code and its evidence, healthy runs are left in peace, and patches mend.

mod catalogue;
mod data;
mod healthy;
mod mended;
mod pictures;
mod runs;
mod scenarios;
mod settings;
mod support;
