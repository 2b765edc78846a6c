//! A network as named tensors, as artifacts store it.

use ndarray::{Array1, Array2};

use super::batch_norm::BatchNorm;
use super::dense::Dense;
use super::network::{Hidden, Network, NetworkShape, flat};

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
}

impl Network {
    /// Every tensor that prediction needs: name, shape, values in row-major order. Layers count from 0 at the
    /// input; weights are `(outputs, inputs)`.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let mut tensors = Vec::new();
        for (index, layer) in self.hidden.iter().enumerate() {
            push_dense(&mut tensors, &format!("hidden.{index}"), &layer.dense);
            if let Some(norm) = &layer.batch_norm {
                push_norm(&mut tensors, &format!("hidden.{index}.batch_norm"), norm);
            }
        }
        push_dense(&mut tensors, "output", &self.output);
        tensors
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
        let mut hidden = Vec::new();
        for (index, pair) in widths.windows(2).enumerate() {
            let &[inputs, units] = pair else { continue };
            let name = format!("hidden.{index}");
            let dense = read_dense(lookup, &name, inputs, units)?;
            let batch_norm = shape
                .batch_normalization
                .then(|| read_norm(lookup, &format!("{name}.batch_norm"), units))
                .transpose()?;
            hidden.push(Hidden { dense, batch_norm });
        }
        let output = read_dense(lookup, "output", widths.last().copied().unwrap_or(shape.inputs), 1)?;
        Ok(Network { activation: shape.activation, hidden, output })
    }
}

fn push_dense<'a>(tensors: &mut Vec<(String, Vec<usize>, &'a [f32])>, name: &str, dense: &'a Dense) {
    tensors.push((format!("{name}.weight"), dense.weight.shape().to_vec(), flat(dense.weight.as_slice())));
    tensors.push((format!("{name}.bias"), dense.bias.shape().to_vec(), flat(dense.bias.as_slice())));
}

fn push_norm<'a>(tensors: &mut Vec<(String, Vec<usize>, &'a [f32])>, name: &str, norm: &'a BatchNorm) {
    for (part, values) in [
        ("scale", &norm.scale),
        ("shift", &norm.shift),
        ("running_mean", &norm.running_mean),
        ("running_variance", &norm.running_variance),
    ] {
        tensors.push((format!("{name}.{part}"), values.shape().to_vec(), flat(values.as_slice())));
    }
}

type Lookup<'a> = dyn Fn(&str) -> Option<Tensor> + 'a;

fn read_dense(lookup: &Lookup<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Dense, TensorError> {
    let weight_name = format!("{name}.weight");
    let values = read(lookup, &weight_name, &[outputs, inputs])?;
    let found = values.len();
    let expected = outputs.saturating_mul(inputs);
    let weight = Array2::from_shape_vec((outputs, inputs), values).map_err(|_| TensorError::Length {
        name: weight_name,
        expected,
        found,
    })?;
    Ok(Dense { weight, bias: read_vector(lookup, &format!("{name}.bias"), outputs)? })
}

fn read_norm(lookup: &Lookup<'_>, name: &str, units: usize) -> Result<BatchNorm, TensorError> {
    let variance_name = format!("{name}.running_variance");
    let running_variance = read_vector(lookup, &variance_name, units)?;
    if let Some(index) = running_variance.iter().position(|&variance| variance < 0.0) {
        return Err(TensorError::NegativeVariance { name: variance_name, index });
    }
    Ok(BatchNorm {
        scale: read_vector(lookup, &format!("{name}.scale"), units)?,
        shift: read_vector(lookup, &format!("{name}.shift"), units)?,
        running_mean: read_vector(lookup, &format!("{name}.running_mean"), units)?,
        running_variance,
    })
}

fn read_vector(lookup: &Lookup<'_>, name: &str, length: usize) -> Result<Array1<f32>, TensorError> {
    read(lookup, name, &[length]).map(Array1::from_vec)
}

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
    use crate::ml::config::{Activation, Initializer};
    use crate::ml::seed::Seed;
    use std::collections::BTreeMap;

    fn stored() -> (Network, BTreeMap<String, Tensor>) {
        let shape = NetworkShape {
            inputs: 3,
            hidden_layers: vec![4, 2],
            activation: Activation::Selu,
            batch_normalization: true,
        };
        let network = Network::initialized(&shape, Initializer::HeNormal, Some(-2.0), Seed(5));
        let tensors = network.tensors().into_iter().map(|(name, shape, values)| (name, (shape, values.to_vec())));
        let tensors = tensors.collect();
        (network, tensors)
    }

    fn read(network: &Network, tensors: &BTreeMap<String, Tensor>) -> Result<Network, TensorError> {
        Network::from_tensors(&network.shape(), &|name| tensors.get(name).cloned())
    }

    #[test]
    fn a_network_comes_back_from_its_tensors() {
        let (network, tensors) = stored();
        assert_eq!(tensors["hidden.1.weight"].0, [2, 4]);
        assert_eq!(tensors.len(), 2 * 6 + 2);
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
        let variance = "hidden.1.batch_norm.running_variance";
        assert_eq!(
            change(variance, Some((vec![2], vec![1.0, -1.0]))),
            TensorError::NegativeVariance { name: variance.to_owned(), index: 1 }
        );
        let huge = NetworkShape { inputs: usize::MAX, ..network.shape() };
        assert!(Network::from_tensors(&huge, &|name| tensors.get(name).cloned()).is_err());
    }
}
