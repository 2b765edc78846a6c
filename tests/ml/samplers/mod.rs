//! One battery for every resampling method, and imbalanced-learn's rows.

mod categories;
mod cleaning;
mod counts;
mod determinism;
mod methods;
mod over;
mod progress;
mod provenance;
mod reference;
mod refusals;
