//! The learning rate over time, as a factor of the optimizer's.

use std::f64::consts::PI;

use crate::ml::config::Schedule;

/// A schedule on its way through a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSchedule {
    schedule: Schedule,
    epochs: usize,
    /// Steps of an epoch.
    steps: usize,
    plateau: Plateau,
}

/// What `reduce_on_plateau` has seen; the only part of a schedule that a run changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    pub factor: f64,
    pub best: f64,
    pub waited: usize,
}

impl RateSchedule {
    /// For a run of `epochs` epochs of `steps` steps each.
    pub fn new(schedule: &Schedule, epochs: usize, steps: usize) -> Self {
        let plateau = Plateau { factor: 1.0, best: f64::INFINITY, waited: 0 };
        Self { schedule: schedule.clone(), epochs, steps: steps.max(1), plateau }
    }

    pub fn plateau(&self) -> Plateau {
        self.plateau
    }

    /// Goes on from what an interrupted run had seen.
    pub fn resume(&mut self, plateau: Plateau) {
        self.plateau = plateau;
    }

    /// The factor of a step, both counted from 0 within the run.
    pub fn factor(&self, epoch: usize, step: usize) -> f64 {
        let at = (epoch * self.steps + step) as f64;
        let warm_up = self.warm_up_epochs();
        if epoch < warm_up {
            return (at + 1.0) / (warm_up * self.steps) as f64;
        }
        let epoch_after = epoch - warm_up;
        match self.schedule {
            Schedule::Constant { .. } => 1.0,
            Schedule::Step { every, factor, .. } => factor.powi((epoch_after / every.max(1)) as i32),
            Schedule::Exponential { factor, .. } => factor.powi(epoch_after as i32),
            Schedule::Cosine { final_factor, .. } => {
                let length = ((self.epochs - warm_up) * self.steps) as f64;
                let passed = (epoch_after * self.steps + step) as f64 / length.max(1.0);
                final_factor + (1.0 - final_factor) * 0.5 * (1.0 + (PI * passed).cos())
            }
            Schedule::OneCycle { rise, initial_divisor, final_divisor } => {
                let total = (self.epochs * self.steps) as f64;
                let peak = rise * total - 1.0;
                let low = 1.0 / initial_divisor;
                if at <= peak {
                    along_cosine(low, 1.0, at / peak.max(1.0))
                } else {
                    along_cosine(1.0, low / final_divisor, (at - peak) / (total - 1.0 - peak).max(1.0))
                }
            }
            Schedule::ReduceOnPlateau { .. } => self.plateau.factor,
        }
    }

    /// Tells the loss on validation rows after an epoch, counted from 0.
    pub fn end_epoch(&mut self, epoch: usize, validation_loss: Option<f64>) {
        let Schedule::ReduceOnPlateau { factor, patience, min_factor, .. } = self.schedule else { return };
        let Some(loss) = validation_loss.filter(|_| epoch >= self.warm_up_epochs()) else { return };
        if loss < self.plateau.best {
            (self.plateau.best, self.plateau.waited) = (loss, 0);
            return;
        }
        self.plateau.waited += 1;
        if self.plateau.waited >= patience {
            self.plateau.factor = (self.plateau.factor * factor).max(min_factor);
            self.plateau.waited = 0;
        }
    }

    fn warm_up_epochs(&self) -> usize {
        match self.schedule {
            Schedule::Constant { warm_up_epochs }
            | Schedule::Step { warm_up_epochs, .. }
            | Schedule::Exponential { warm_up_epochs, .. }
            | Schedule::Cosine { warm_up_epochs, .. }
            | Schedule::ReduceOnPlateau { warm_up_epochs, .. } => warm_up_epochs.min(self.epochs),
            Schedule::OneCycle { .. } => 0,
        }
    }
}

/// From `start` to `end` along half a cosine; `share` of the way is done.
fn along_cosine(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (PI * share.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, epochs: usize, steps: usize) -> Vec<f64> {
        let schedule = RateSchedule::new(&schedule, epochs, steps);
        (0..epochs * steps).map(|at| schedule.factor(at / steps, at % steps)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near && found.len() == expected.len(), "{found:?} for {expected:?}");
    }

    /// ```python
    /// import torch
    /// L = torch.optim.lr_scheduler
    /// def show(make, n, *losses):
    ///     o = torch.optim.SGD([torch.zeros(1)], lr=1.); s = make(o); r = []
    ///     for i in range(n): r.append(o.param_groups[0]['lr']); o.step(); s.step(*losses[i:i + 1])
    ///     print(r)
    /// show(lambda o: L.StepLR(o, 2, .1), 5)
    /// show(lambda o: L.SequentialLR(o, [L.LinearLR(o, .25, 1., 3), L.ExponentialLR(o, .5)], [4]), 7)
    /// ```
    #[test]
    fn steps_and_exponentials_fall_by_epochs_and_warm_up_rises_by_steps() {
        close(&factors(Schedule::Step { every: 2, factor: 0.1, warm_up_epochs: 0 }, 5, 1), &[1.0, 1.0, 0.1, 0.1, 0.01]);
        close(
            &factors(Schedule::Exponential { factor: 0.5, warm_up_epochs: 0 }, 3, 2),
            &[1.0, 1.0, 0.5, 0.5, 0.25, 0.25],
        );
        close(
            &factors(Schedule::Exponential { factor: 0.5, warm_up_epochs: 4 }, 7, 1),
            &[0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.25],
        );
        close(&factors(Schedule::Constant { warm_up_epochs: 2 }, 3, 2), &[0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        close(&factors(Schedule::Exponential { factor: 0.5, warm_up_epochs: 1 }, 3, 1), &[1.0, 1.0, 0.5]);
    }

    /// ```python
    /// import torch
    /// def show(make, n):
    ///     o = torch.optim.SGD([torch.zeros(1)], lr=1.); s = make(o); r = []
    ///     for _ in range(n): r.append(o.param_groups[0]['lr']); o.step(); s.step()
    ///     print(r)
    /// L = torch.optim.lr_scheduler
    /// show(lambda o: L.CosineAnnealingLR(o, 6, eta_min=.1), 6)
    /// show(lambda o: L.OneCycleLR(o, 1., total_steps=10, pct_start=.3, div_factor=25., final_div_factor=1e4), 10)
    /// ```
    #[test]
    fn cosine_and_one_cycle_are_those_of_pytorch() {
        close(
            &factors(Schedule::Cosine { final_factor: 0.1, warm_up_epochs: 0 }, 3, 2),
            &[1.0, 0.939_711_432, 0.775, 0.55, 0.325, 0.160_288_568],
        );
        close(
            &factors(Schedule::OneCycle { rise: 0.3, initial_divisor: 25.0, final_divisor: 1e4 }, 5, 2),
            &[
                0.04,
                0.52,
                1.0,
                0.950_484_632,
                0.811_745_653,
                0.611_262_022,
                0.388_741_978,
                0.188_258_346,
                0.049_519_368,
                4e-6,
            ],
        );
    }

    /// Patience is counted as Keras does, one less than PyTorch does, and any smaller loss improves:
    /// ```python
    /// losses = [1., .9, .95, .9, .95, .8, .9, .9, .9, .9]
    /// show(lambda o: L.ReduceLROnPlateau(o, factor=.5, patience=1, threshold=0., min_lr=.2), 11, *losses)
    /// ```
    #[test]
    fn a_plateau_lowers_the_rate_after_patience_and_not_below_its_floor() {
        let config = Schedule::ReduceOnPlateau { factor: 0.5, patience: 2, min_factor: 0.2, warm_up_epochs: 0 };
        let mut schedule = RateSchedule::new(&config, 100, 1);
        let mut seen = Vec::new();
        for (epoch, loss) in [1.0, 0.9, 0.95, 0.9, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9].into_iter().enumerate() {
            schedule.end_epoch(epoch, Some(loss));
            seen.push(schedule.factor(epoch + 1, 0));
        }
        close(&seen, &[1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]);
        schedule.end_epoch(10, None);
        assert_eq!(schedule.plateau().waited, 0);
    }
}
