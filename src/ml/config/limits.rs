//! How large a configuration may ask to be.

use serde::{Deserialize, Serialize};

/// Caps on what a job may ask for; set by the operator, reported by every refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigLimits {
    pub max_layers: usize,
    pub max_units_per_layer: usize,
    pub max_epochs: usize,
    pub max_batch_size: usize,
    pub max_resample_steps: usize,
    pub max_bootstrap: usize,
    pub max_k_neighbors: usize,
    pub max_members: usize,
}

impl ConfigLimits {
    /// What a server allows unless told otherwise.
    pub const STANDARD: ConfigLimits = ConfigLimits {
        max_layers: 16,
        max_units_per_layer: 4096,
        max_epochs: 10_000,
        max_batch_size: 65_536,
        max_resample_steps: 8,
        max_bootstrap: 10_000,
        max_k_neighbors: 1_000,
        max_members: 50,
    };
}
