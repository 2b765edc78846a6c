//! The weights of a layer with inputs and units exchanged: what the derivatives by its input are products with.

use rayon::prelude::*;

use super::layout::HiddenLayout;
use crate::ml::kernel::{Buffer, Left, Matmul, Start, stride, threads, transpose};

/// Inputs of a panel: as many columns as the widest tile of a matrix product has.
const PANEL: usize = 64;
/// Weights below which several threads would take longer to share the work than to do it.
const WORTH_SHARING: usize = 1 << 14;

/// Panels of up to [`PANEL`] inputs, each `(units, inputs of the panel)`, one after another: a product reads one from
/// its beginning to its end.
#[derive(Debug, Clone)]
pub(super) struct Transposed {
    inputs: usize,
    units: usize,
    panels: Buffer,
}

impl Transposed {
    pub(super) fn new(layer: &HiddenLayout) -> Self {
        let HiddenLayout { inputs, units, .. } = *layer;
        Self { inputs, units, panels: Buffer::zeros(units * stride(inputs)) }
    }

    /// Reads the weights `(inputs, stride(units))` anew.
    pub(super) fn refresh(&mut self, weights: &[f32]) {
        let (inputs, units) = (self.inputs, self.units);
        let fill = |panel: usize, to: &mut [f32]| {
            let first = panel * PANEL;
            let sides = [PANEL.min(inputs - first), units];
            transpose(sides, &weights[first * stride(units)..], stride(units), to, stride(sides[0]));
        };
        if threads() > 1 && weights.len() >= WORTH_SHARING {
            self.panels.par_chunks_mut(PANEL * units).enumerate().for_each(|(panel, to)| fill(panel, to));
        } else {
            self.panels.chunks_mut(PANEL * units).enumerate().for_each(|(panel, to)| fill(panel, to));
        }
    }

    /// The derivatives by the layer's input, `(rows, stride(inputs))`, from those by what its weights gave.
    pub(super) fn multiply(
        &self,
        product: Matmul,
        rows: usize,
        d_units: &[f32],
        start: Start<'_>,
        d_inputs: &mut [f32],
    ) {
        let left = Left { values: d_units, row_step: stride(self.units), depth_step: 1 };
        let d_stride = stride(self.inputs);
        for (panel, weights) in self.panels.chunks(PANEL * self.units).enumerate() {
            let first = panel * PANEL;
            let width = PANEL.min(d_stride - first);
            product([rows, self.units, width], left, weights, width, start, &mut d_inputs[first..], d_stride);
        }
    }
}
