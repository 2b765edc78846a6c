//! The tensors of one network by their names in artifacts, for those that write it as a graph.

use crate::ml::nn::Network;

/// The tensors of a network, and what its name in the graph is.
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(name: &'a str, network: &Network) -> Self {
        Self { name, tensors: network.tensors() }
    }

    /// Empty if there is no such tensor.
    pub(super) fn values(&self, tensor: &str) -> &[f32] {
        self.find(tensor).map_or(&[], |(.., values)| values)
    }

    /// Empty if there is no such tensor.
    pub(super) fn shape(&self, tensor: &str) -> &[usize] {
        self.find(tensor).map_or(&[], |(_, shape, _)| shape)
    }

    fn find(&self, tensor: &str) -> Option<&(String, Vec<usize>, Vec<f32>)> {
        self.tensors.iter().find(|(own, ..)| own == tensor)
    }
}
