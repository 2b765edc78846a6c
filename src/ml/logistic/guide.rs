//! Steps of a large problem that a sample of its rows works out.
//!
//! Where the objective is no parabola, a Newton step misses. A sample of the rows bends nearly as the whole does: its
//! objective, corrected to the exact gradient of the whole at the point and to the whole's Hessian where that was last
//! computed, is a model that is wrong in the difference of the third derivatives alone. Minimising it costs some passes
//! over the sample and saves some over the whole (surrogate likelihoods: Jordan, Lee and Yang 2019; Shamir, Srebro and
//! Zhang 2014).

use ndarray::Array2;

use super::cholesky::Factor;
use super::objective::{Objective, Order};
use super::quasi_newton::dot;
use super::{Stop, Watch};

/// Newton steps on the model.
const MAX_STEPS: usize = 4;
/// The slope of the model, as a share of that of the objective, that is small enough.
const PRECISION: f64 = 1e-4;

pub(super) struct Guide<'s> {
    sample: &'s Objective<'s>,
    /// The Hessian of the whole less that of the sample, where the former was computed.
    correction: Option<Array2<f64>>,
}

impl<'s> Guide<'s> {
    /// If both objectives have the same coordinates, and are smooth.
    pub(super) fn new(whole: &Objective<'_>, sample: &'s Objective<'s>) -> Option<Self> {
        let is_dense = |objective: &Objective<'_>| objective.design.sparse_columns() == 0;
        (is_dense(whole) && is_dense(sample) && whole.l1 == 0.0).then_some(Self { sample, correction: None })
    }

    /// The Hessian of the whole is another now.
    pub(super) fn forget(&mut self) {
        self.correction = None;
    }

    /// The step to the minimum of the model, or nearly; nothing if that leads uphill. `hessian` is the latest of the
    /// whole.
    pub(super) fn direction(
        &mut self,
        point: &[f64],
        gradient: &[f64],
        hessian: &Array2<f64>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Vec<f64>>, Stop> {
        let mut at = self.sample.evaluate(point, Order::Hessian, watch)?;
        let shift: Vec<f64> = gradient.iter().zip(&at.gradient).map(|(whole, sample)| whole - sample).collect();
        let mut step = vec![0.0; point.len()];
        let steepest = largest(gradient);
        let mut last = f64::INFINITY;
        for _ in 0..MAX_STEPS {
            let Some(own) = at.hessian.take() else { break };
            let correction = self.correction.get_or_insert_with(|| hessian - &own);
            let bent = correction.rows().into_iter().map(|row| row.iter().zip(&step).map(|(a, b)| a * b).sum::<f64>());
            let slope: Vec<f64> =
                at.gradient.iter().zip(&shift).zip(bent).map(|((own, shift), bent)| own + shift + bent).collect();
            let size = largest(&slope);
            // A model that a step has made worse is not to be followed further.
            if size.is_nan() || size <= PRECISION * steepest || size > last {
                break;
            }
            last = size;
            let Some(factor) = Factor::of(&(own + &*correction)) else { break };
            step.iter_mut().zip(factor.solve(&slope)).for_each(|(step, by)| *step -= by);
            let next: Vec<f64> = point.iter().zip(&step).map(|(at, by)| at + by).collect();
            at = self.sample.evaluate(&next, Order::Hessian, watch)?;
        }
        Ok((dot(&step, gradient) < 0.0).then_some(step))
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most: f64, value| if value.is_nan() { f64::NAN } else { most.max(value.abs()) })
}
