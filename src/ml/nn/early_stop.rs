//! Early stopping: when to end training, and which epoch was best.

use crate::ml::config::EarlyStopping;

/// What an epoch meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The best epoch so far.
    Improved,
    Waiting,
    /// Not improved, and patience has run out.
    Stop,
}

/// Follows the monitored value.
#[derive(Debug, Clone)]
pub struct EarlyStopper {
    config: EarlyStopping,
    best: Option<f64>,
    best_epoch: Option<usize>,
    waited: usize,
}

impl EarlyStopper {
    pub fn new(config: &EarlyStopping) -> Self {
        Self { config: config.clone(), best: None, best_epoch: None, waited: 0 }
    }

    /// The end of an epoch, counted from 1.
    ///
    /// The first number improves; a later one does if it beats the best by more than `min_delta`. NaN never
    /// improves, and as the first value it does not stand in the way of those after it. `None`, a value that is
    /// undefined on these rows, is no epoch without improvement: there is nothing to be impatient about. Nor is an
    /// epoch before `start_from_epoch`.
    pub fn observe(&mut self, epoch: usize, value: Option<f64>) -> Verdict {
        let Some(value) = value.filter(|_| epoch >= self.config.start_from_epoch) else { return Verdict::Waiting };
        if self.improves(value) {
            (self.best, self.best_epoch, self.waited) = (Some(value), Some(epoch), 0);
            return Verdict::Improved;
        }
        self.waited += 1;
        if self.waited >= self.config.patience { Verdict::Stop } else { Verdict::Waiting }
    }

    /// `None` as long as nothing improved.
    pub fn best_epoch(&self) -> Option<usize> {
        self.best_epoch
    }

    /// The best value, its epoch, and the epochs waited since.
    pub(super) fn state(&self) -> (Option<f64>, Option<usize>, usize) {
        (self.best, self.best_epoch, self.waited)
    }

    /// Goes on from where an interrupted run was.
    pub(super) fn resume(&mut self, (best, best_epoch, waited): (Option<f64>, Option<usize>, usize)) {
        (self.best, self.best_epoch, self.waited) = (best, best_epoch, waited);
    }

    fn improves(&self, value: f64) -> bool {
        let Some(best) = self.best else { return !value.is_nan() };
        if self.config.monitor.falls() {
            value < best - self.config.min_delta
        } else {
            value > best + self.config.min_delta
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::config::Monitor;

    fn verdicts(monitor: Monitor, min_delta: f64, values: &[f64]) -> (Vec<Verdict>, Option<usize>) {
        let config = EarlyStopping { monitor, patience: 2, min_delta, restore_best: true, start_from_epoch: 1 };
        let mut stopper = EarlyStopper::new(&config);
        let verdicts = values.iter().enumerate().map(|(i, &value)| stopper.observe(i + 1, Some(value))).collect();
        (verdicts, stopper.best_epoch())
    }

    use Verdict::{Improved, Stop, Waiting};

    #[test]
    fn the_direction_is_the_monitors() {
        let (loss, best) = verdicts(Monitor::ValidationLoss, 0.0, &[1.0, 0.9, 0.9, 0.95]);
        assert_eq!((loss, best), (vec![Improved, Improved, Waiting, Stop], Some(2)));
        let (precision, best) = verdicts(Monitor::ValidationAveragePrecision, 0.0, &[0.1, 0.05, 0.2, 0.1]);
        assert_eq!((precision, best), (vec![Improved, Waiting, Improved, Waiting], Some(3)));
    }

    #[test]
    fn a_change_within_min_delta_is_no_improvement_and_does_not_move_the_bar() {
        let (loss, best) = verdicts(Monitor::ValidationLoss, 0.1, &[1.0, 0.95, 0.89]);
        assert_eq!((loss, best), (vec![Improved, Waiting, Improved], Some(3)));
    }

    #[test]
    fn nan_never_improves_and_as_the_first_value_does_not_block() {
        let (loss, best) = verdicts(Monitor::ValidationLoss, 0.0, &[f64::NAN, 2.0, f64::NAN, f64::NAN]);
        assert_eq!((loss, best), (vec![Waiting, Improved, Waiting, Stop], Some(2)));
    }

    /// Keras counts epochs from 0, and its `start_from_epoch` is how many are passed over:
    /// ```python
    /// import keras, types
    /// def run(values, **options):
    ///     stop = keras.callbacks.EarlyStopping(monitor="v", **options)
    ///     stop._model = model = types.SimpleNamespace(stop_training=False, get_weights=lambda: [])
    ///     stop.on_train_begin()
    ///     for epoch, value in enumerate(values):
    ///         stop.on_epoch_end(epoch, {"v": value})
    ///         if model.stop_training: break
    ///     print(epoch + 1, stop.best_epoch + 1)
    /// falls = [1.0, .9, .95, .89, .86, .9, .87, .845, .86, .85, .83, .84, .9, .9]
    /// run(falls, patience=3, mode="min"); run(falls, patience=3, min_delta=.02, mode="min")
    /// run(falls, patience=2, mode="min", start_from_epoch=5)
    /// run([-v for v in falls], patience=2, min_delta=.02, mode="max", start_from_epoch=2)
    /// ```
    #[test]
    fn it_stops_where_keras_does() {
        let falls = [1.0, 0.9, 0.95, 0.89, 0.86, 0.9, 0.87, 0.845, 0.86, 0.85, 0.83, 0.84, 0.9, 0.9];
        let loss = Monitor::ValidationLoss;
        for (monitor, patience, min_delta, start_from_epoch, expected) in [
            (loss, 3, 0.0, 1, (14, Some(11))),
            (loss, 3, 0.02, 1, (8, Some(5))),
            (loss, 2, 0.0, 6, (10, Some(8))),
            (Monitor::ValidationRocAuc, 2, 0.02, 3, (7, Some(5))),
        ] {
            let config = EarlyStopping { monitor, patience, min_delta, restore_best: true, start_from_epoch };
            let mut stopper = EarlyStopper::new(&config);
            let mut values = falls.iter().map(|value| if monitor.falls() { *value } else { -value }).zip(1..);
            let stopped = values.find(|&(value, epoch)| stopper.observe(epoch, Some(value)) == Stop);
            assert_eq!((stopped.unwrap().1, stopper.best_epoch()), expected, "{config:?}");
        }
    }

    #[test]
    fn an_undefined_value_neither_improves_nor_costs_patience() {
        let config = EarlyStopping {
            monitor: Monitor::ValidationLoss,
            patience: 1,
            min_delta: 0.0,
            restore_best: true,
            start_from_epoch: 1,
        };
        let mut stopper = EarlyStopper::new(&config);
        assert!((1..50).all(|epoch| stopper.observe(epoch, None) == Waiting));
        assert_eq!(stopper.best_epoch(), None);
    }

    #[test]
    fn epochs_before_the_start_neither_improve_nor_cost_patience() {
        let config = EarlyStopping {
            monitor: Monitor::ValidationLoss,
            patience: 1,
            min_delta: 0.0,
            restore_best: true,
            start_from_epoch: 4,
        };
        let mut stopper = EarlyStopper::new(&config);
        let verdicts: Vec<Verdict> = [0.1, 0.5, 0.2, 0.9, 0.8, 0.85]
            .iter()
            .zip(1..)
            .map(|(&loss, epoch)| stopper.observe(epoch, Some(loss)))
            .collect();
        assert_eq!(verdicts, [Waiting, Waiting, Waiting, Improved, Improved, Stop]);
        assert_eq!(stopper.best_epoch(), Some(5));
    }
}
