//! Curvature learnt from steps: the two-loop recursion of L-BFGS (Nocedal 1980).

/// Steps that are remembered.
const MEMORY: usize = 10;
/// A step with a smaller cosine to the change of the gradient teaches nothing.
const LEAST_COSINE: f64 = 1e-10;

/// The latest steps and what they did to the gradient.
#[derive(Default)]
pub(super) struct Memory {
    pairs: Vec<Pair>,
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    /// `1 / (step . change)`
    inverse: f64,
}

impl Memory {
    pub(super) fn forget(&mut self) {
        self.pairs.clear();
    }

    pub(super) fn remember(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let product = dot(&step, &change);
        if product > LEAST_COSINE * (dot(&step, &step) * dot(&change, &change)).sqrt() {
            if self.pairs.len() == MEMORY {
                self.pairs.remove(0);
            }
            self.pairs.push(Pair { step, change, inverse: 1.0 / product });
        }
    }

    /// Minus the product of the inverse Hessian and the gradient, where `inverse` is the product with the inverse
    /// of a Hessian that is known without the steps; `is_scaled` says that this one has the right size already.
    pub(super) fn direction(
        &self,
        gradient: &[f64],
        is_scaled: bool,
        inverse: impl Fn(&[f64]) -> Vec<f64>,
    ) -> Vec<f64> {
        let mut rest = gradient.to_vec();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = pair.inverse * dot(&pair.step, &rest);
            add(&mut rest, -share, &pair.change);
            shares.push(share);
        }
        let mut product = inverse(&rest);
        if let (Some(last), false) = (self.pairs.last(), is_scaled) {
            let scale = 1.0 / (last.inverse * dot(&last.change, &inverse(&last.change)));
            product.iter_mut().for_each(|value| *value *= scale);
        }
        for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
            let present = pair.inverse * dot(&pair.change, &product);
            add(&mut product, share - present, &pair.step);
        }
        product.iter_mut().for_each(|value| *value = -*value);
        product
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], factor: f64, terms: &[f64]) {
    sum.iter_mut().zip(terms).for_each(|(sum, term)| *sum += factor * term);
}
