//! The affine layer: `output = input · weightᵀ + bias`.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};

/// Weights `(outputs, inputs)`, as PyTorch's `Linear` stores them, and one bias per output.
///
/// The gradient of a `Dense` is a `Dense` of the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    pub weight: Array2<f32>,
    pub bias: Array1<f32>,
}

impl Dense {
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { weight: Array2::zeros((outputs, inputs)), bias: Array1::zeros(outputs) }
    }

    pub fn inputs(&self) -> usize {
        self.weight.ncols()
    }

    pub fn outputs(&self) -> usize {
        self.weight.nrows()
    }

    /// Rows of `input`, `(rows, inputs)`, to rows of `output`, `(rows, outputs)`.
    ///
    /// The bias is written first and the product added to it, so that it costs no pass of its own.
    pub fn forward(&self, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
        if self.outputs() == 1 {
            return self.forward_single(input, output);
        }
        output.assign(&self.bias);
        general_mat_mul(1.0, &input, &self.weight.t(), 1.0, &mut output);
    }

    /// Overwrites `gradient` with the derivatives by weight and bias, and `d_input` with those by the input.
    pub fn backward(
        &self,
        input: ArrayView2<'_, f32>,
        d_output: ArrayView2<'_, f32>,
        gradient: &mut Dense,
        d_input: Option<ArrayViewMut2<'_, f32>>,
    ) {
        gradient.bias.fill(0.0);
        for row in d_output.outer_iter() {
            gradient.bias += &row;
        }
        if self.outputs() == 1 {
            return self.backward_single(input, d_output, gradient, d_input);
        }
        general_mat_mul(1.0, &d_output.t(), &input, 0.0, &mut gradient.weight);
        if let Some(mut d_input) = d_input {
            general_mat_mul(1.0, &d_output, &self.weight, 0.0, &mut d_input);
        }
    }

    /// One output: a dot product per row. A matrix product would fill a tile of many columns for the one.
    fn forward_single(&self, input: ArrayView2<'_, f32>, mut output: ArrayViewMut2<'_, f32>) {
        let weight = self.weight.row(0);
        for (row, value) in input.outer_iter().zip(output.iter_mut()) {
            *value = row.dot(&weight) + self.bias[0];
        }
    }

    fn backward_single(
        &self,
        input: ArrayView2<'_, f32>,
        d_output: ArrayView2<'_, f32>,
        gradient: &mut Dense,
        d_input: Option<ArrayViewMut2<'_, f32>>,
    ) {
        gradient.weight.fill(0.0);
        let mut weight_gradient = gradient.weight.row_mut(0);
        for (row, &slope) in input.outer_iter().zip(d_output.iter()) {
            weight_gradient.scaled_add(slope, &row);
        }
        if let Some(mut d_input) = d_input {
            let weight = self.weight.row(0);
            for (mut row, &slope) in d_input.axis_iter_mut(Axis(0)).zip(d_output.iter()) {
                row.zip_mut_with(&weight, |value, &weight| *value = slope * weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dense;
    use ndarray::{Array2, array};

    #[test]
    fn forward_and_backward_of_a_small_layer_are_the_products_by_hand() {
        let layer = Dense { weight: array![[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]], bias: array![0.5, -1.0, 2.0] };
        let input = array![[1.0_f32, -1.0], [2.0, 3.0]];
        let mut output = Array2::zeros((2, 3));
        layer.forward(input.view(), output.view_mut());
        assert_eq!(output, array![[-0.5, -2.0, 0.5], [8.5, 17.0, 1.5]]);

        let d_output = array![[1.0_f32, 0.0, 2.0], [0.0, -1.0, 1.0]];
        let (mut gradient, mut d_input) = (Dense::zeros(2, 3), Array2::zeros((2, 2)));
        layer.backward(input.view(), d_output.view(), &mut gradient, Some(d_input.view_mut()));
        assert_eq!(gradient.weight, array![[1.0, -1.0], [-2.0, -3.0], [4.0, 1.0]]);
        assert_eq!(gradient.bias, array![1.0, -1.0, 3.0]);
        assert_eq!(d_input, array![[-1.0, 3.0], [-4.0, -3.5]]);
    }

    #[test]
    fn a_single_output_gives_the_column_that_a_wider_layer_gives() {
        let wide = Dense { weight: array![[0.25, -2.0, 1.0], [0.0, 0.0, 0.0]], bias: array![0.5, 0.0] };
        let narrow = Dense { weight: array![[0.25, -2.0, 1.0]], bias: array![0.5] };
        let input = array![[1.0_f32, 2.0, 3.0], [-4.0, 0.5, 8.0]];
        let d_output = array![[1.5_f32], [-2.0]];
        let wide_d_output = array![[1.5_f32, 0.0], [-2.0, 0.0]];
        let (mut one, mut two) = (Array2::zeros((2, 1)), Array2::zeros((2, 2)));
        narrow.forward(input.view(), one.view_mut());
        wide.forward(input.view(), two.view_mut());
        assert_eq!(one.column(0), two.column(0));

        let (mut narrow_gradient, mut wide_gradient) = (Dense::zeros(3, 1), Dense::zeros(3, 2));
        let (mut narrow_input, mut wide_input) = (Array2::zeros((2, 3)), Array2::zeros((2, 3)));
        narrow.backward(input.view(), d_output.view(), &mut narrow_gradient, Some(narrow_input.view_mut()));
        wide.backward(input.view(), wide_d_output.view(), &mut wide_gradient, Some(wide_input.view_mut()));
        assert_eq!(narrow_gradient.weight.row(0), wide_gradient.weight.row(0));
        assert_eq!(narrow_gradient.bias[0], wide_gradient.bias[0]);
        assert_eq!(narrow_input, wide_input);
    }
}
