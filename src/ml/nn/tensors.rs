//! A network as named tensors, as artifacts store it.

use std::sync::Arc;

use super::layout::{Architecture, Layout, NetworkShape, OUTPUT_WEIGHT, ParameterKind, TensorPlace};
use super::network::Network;
use super::picture::PictureNetworkShape;
use crate::ml::config::LayerError;
use crate::ml::kernel::stride;

/// A stored tensor: its shape and its values in row-major order.
pub type Tensor = (Vec<usize>, Vec<f32>);

/// Tensors that do not make up the network they should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    #[error("a network needs at least one input and one unit per layer; layer {layer} has {found}")]
    EmptyLayer { layer: usize, found: usize },
    #[error("tensor {name:?} is missing")]
    Missing { name: String },
    #[error("tensor {name:?} has shape {found:?} where {expected:?} is expected")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("tensor {name:?} has {found} values where its shape asks for {expected}")]
    Length { name: String, expected: usize, found: usize },
    #[error("value {index} of tensor {name:?} is not a finite number")]
    NotFinite { name: String, index: usize },
    #[error("value {index} of tensor {name:?} is negative, which no variance is")]
    NegativeVariance { name: String, index: usize },
    #[error("the layer at {:?} cannot stand there: {}", .0.path, .0.detail)]
    Layer(LayerError),
}

impl Network {
    /// Every tensor that prediction needs: name, shape, values in row-major order. Layers count from 0 at the
    /// input; weights are `(outputs, inputs)`, as PyTorch's `Linear` has them. The inputs of a filter are those of its
    /// window, line by line and pixel by pixel, each with all its channels.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let layout = self.layout();
        let trained = layout.tensors().iter().map(|place| (place, self.parameters()));
        let running = layout.running().iter().map(|place| (place, &*self.statistics));
        trained.chain(running).map(|(place, from)| write(place, &from[place.range.clone()])).collect()
    }

    /// The network of the given shape whose tensors `lookup` finds by name.
    ///
    /// # Errors
    /// If a tensor is missing, has another shape than the network asks for, or holds a number that is not finite.
    pub fn from_tensors(shape: &NetworkShape, lookup: &dyn Fn(&str) -> Option<Tensor>) -> Result<Network, TensorError> {
        let widths: Vec<usize> = std::iter::once(shape.inputs).chain(shape.hidden_layers.iter().copied()).collect();
        if let Some(layer) = widths.iter().position(|&width| width == 0) {
            return Err(TensorError::EmptyLayer { layer, found: 0 });
        }
        // Sizes are only claimed so far: nothing is allocated by them until the tensors turned out to be as large.
        for (index, pair) in widths.windows(2).enumerate() {
            let &[inputs, units] = pair else { continue };
            read(lookup, &format!("hidden.{index}.weight"), &[units, inputs])?;
        }
        read(lookup, OUTPUT_WEIGHT, &[1, widths.last().copied().unwrap_or(shape.inputs)])?;
        Self::zeros(shape).filled(lookup)
    }

    /// As [`Network::from_tensors`], of a convolutional network.
    ///
    /// # Errors
    /// As of [`Network::from_tensors`], and if the layers make no network.
    pub fn from_picture_tensors(
        shape: &PictureNetworkShape,
        lookup: &dyn Fn(&str) -> Option<Tensor>,
    ) -> Result<Network, TensorError> {
        let architecture = Architecture::Cnn(shape.clone());
        let wrong = |errors: Vec<LayerError>| {
            let none = || LayerError { path: Vec::new(), member: "", detail: String::new() };
            TensorError::Layer(errors.into_iter().next().unwrap_or_else(none))
        };
        let layout = Layout::of_any(&architecture).map_err(wrong)?;
        // As above.
        for place in layout.tensors() {
            read(lookup, &place.name, &stored_shape(place))?;
        }
        Self::with_layout(architecture, Arc::new(layout)).filled(lookup)
    }

    fn filled(self, lookup: &dyn Fn(&str) -> Option<Tensor>) -> Result<Network, TensorError> {
        let mut network = self;
        let layout = Arc::clone(network.layout());
        for place in layout.tensors() {
            fill(place, &read(lookup, &place.name, &stored_shape(place))?, &mut network.parameters);
        }
        for place in layout.running() {
            let values = read(lookup, &place.name, &stored_shape(place))?;
            let negative = values.iter().position(|&value| value < 0.0);
            if let Some(index) = negative.filter(|_| place.name.ends_with("variance")) {
                return Err(TensorError::NegativeVariance { name: place.name.clone(), index });
            }
            fill(place, &values, &mut network.statistics);
        }
        Ok(network)
    }
}

/// Matrices are stored transposed, everything else as a vector.
fn stored_shape(place: &TensorPlace) -> Vec<usize> {
    if is_output(place) {
        vec![1, place.columns]
    } else if place.kind == ParameterKind::Weight {
        vec![place.columns, place.rows]
    } else {
        vec![place.columns]
    }
}

/// The output's weights are one row as they are.
fn is_output(place: &TensorPlace) -> bool {
    place.name == OUTPUT_WEIGHT
}

fn write(place: &TensorPlace, from: &[f32]) -> (String, Vec<usize>, Vec<f32>) {
    let stride = stride(place.columns);
    let cell = |row: usize, column: usize| from[row * stride + column];
    let values = if is_output(place) {
        (0..place.columns).map(|column| cell(0, column)).collect()
    } else {
        (0..place.columns)
            .flat_map(|column| (0..place.rows).map(move |row| (row, column)))
            .map(|(r, c)| cell(r, c))
            .collect()
    };
    (place.name.clone(), stored_shape(place), values)
}

/// The reverse of [`write()`], for values whose number was checked.
fn fill(place: &TensorPlace, values: &[f32], to: &mut [f32]) {
    let stride = stride(place.columns);
    let rows = if is_output(place) { 1 } else { place.rows };
    for (index, &value) in values.iter().enumerate() {
        let (column, row) = (index / rows, index % rows);
        to[place.range.start + row * stride + column] = value;
    }
}

type Lookup<'a> = dyn Fn(&str) -> Option<Tensor> + 'a;

/// Values of exactly the expected shape, all finite. Nothing is allocated from a shape that the caller merely
/// claims.
fn read(lookup: &Lookup<'_>, name: &str, expected: &[usize]) -> Result<Vec<f32>, TensorError> {
    let (shape, values) = lookup(name).ok_or_else(|| TensorError::Missing { name: name.to_owned() })?;
    if shape != expected {
        return Err(TensorError::Shape { name: name.to_owned(), expected: expected.to_vec(), found: shape });
    }
    let length = expected.iter().fold(1_usize, |product, &side| product.saturating_mul(side));
    if values.len() != length {
        return Err(TensorError::Length { name: name.to_owned(), expected: length, found: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(TensorError::NotFinite { name: name.to_owned(), index }),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::{Activation, Initializer, Normalization};
    use crate::ml::seed::Seed;
    use std::collections::BTreeMap;

    fn stored() -> (Network, BTreeMap<String, Tensor>) {
        let shape = NetworkShape {
            inputs: 3,
            hidden_layers: vec![4, 2],
            activation: Activation::Prelu,
            normalization: Normalization::Batch,
            residual: false,
        };
        let network = Network::initialized(&shape, Initializer::HeNormal, Some(-2.0), Seed(5));
        let tensors = network.tensors().into_iter().map(|(name, shape, values)| (name, (shape, values)));
        let tensors = tensors.collect();
        (network, tensors)
    }

    fn read(network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<Network, TensorError> {
        Network::from_tensors(network.shape().unwrap(), &|name| tensors.get(name).cloned())
    }

    #[test]
    fn a_network_comes_back_from_its_tensors() {
        let (network, tensors) = stored();
        assert_eq!(tensors["hidden.1.weight"].0, [2, 4]);
        assert_eq!(tensors.len(), 2 * 7 + 2);
        assert_eq!(read(&network, &tensors), Ok(network));
    }

    #[test]
    fn missing_misshapen_and_broken_tensors_are_refused_by_name() {
        let (network, tensors) = stored();
        let change = |name: &str, tensor: Option<Tensor>| {
            let mut changed = tensors.clone();
            changed.remove(name);
            changed.extend(tensor.map(|tensor| (name.to_owned(), tensor)));
            read(&network, &changed).expect_err("the tensors are broken")
        };
        let name = || "output.weight".to_owned();
        assert_eq!(change("output.weight", None), TensorError::Missing { name: name() });
        assert_eq!(
            change("output.weight", Some((vec![2, 1], vec![0.0; 2]))),
            TensorError::Shape { name: name(), expected: vec![1, 2], found: vec![2, 1] }
        );
        assert_eq!(
            change("output.weight", Some((vec![1, 2], vec![0.0; 3]))),
            TensorError::Length { name: name(), expected: 2, found: 3 }
        );
        assert_eq!(
            change("output.weight", Some((vec![1, 2], vec![0.0, f32::INFINITY]))),
            TensorError::NotFinite { name: name(), index: 1 }
        );
        let variance = "hidden.1.norm.running_variance";
        assert_eq!(
            change(variance, Some((vec![2], vec![1.0, -1.0]))),
            TensorError::NegativeVariance { name: variance.to_owned(), index: 1 }
        );
        let huge = NetworkShape { inputs: usize::MAX, ..network.shape().unwrap().clone() };
        assert!(Network::from_tensors(&huge, &|name| tensors.get(name).cloned()).is_err());
    }
}
