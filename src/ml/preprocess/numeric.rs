//! Numeric columns: imputation, a missing-indicator, scaling.

use serde::{Deserialize, Serialize};

use super::transform::Feature;
use crate::ml::config::{NumericImpute, NumericPreprocess, Scale};
use crate::ml::table::stats::{mean_and_std, quantile_of_sorted};

/// Scaled values end here: a value a million spreads away says no more than that it is far out, and would only
/// make the network overflow.
const MAX_SCALED: f64 = 1e6;
/// Unscaled values end here, which `f32` still holds.
const MAX_UNSCALED: f64 = 1e30;

/// What was learnt about one numeric column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumericColumn {
    pub(super) name: String,
    pub(super) impute: NumericImpute,
    /// What a missing value becomes before scaling.
    pub(super) fill: f64,
    /// `None` where the imputed training values are all the same; only the indicator is left then.
    pub(super) scaling: Option<Scaling>,
    /// Whether there is an output column that says "was missing".
    pub(super) indicator: bool,
}

/// `(value - center) / spread`, cut at `±limit`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scaling {
    pub(super) center: f64,
    /// Positive.
    pub(super) spread: f64,
    pub(super) limit: f64,
}

impl NumericColumn {
    /// `values` are those of the training rows; NaN is missing.
    pub(super) fn fit(name: &str, values: &[f64], config: &NumericPreprocess) -> Self {
        let mut present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let missing = values.len() - present.len();
        present.sort_unstable_by(f64::total_cmp);
        let fill = fill_value(&present, config);
        let mut imputed = present;
        imputed.extend(std::iter::repeat_n(fill, missing));
        imputed.sort_unstable_by(f64::total_cmp);
        let constant = imputed.first() == imputed.last();
        // An indicator that is 1 in every training row, or 0 in every one, has no variation either.
        let indicator = config.missing_indicator && missing > 0 && missing < values.len();
        let scaling = (!constant).then(|| Scaling::fit(&imputed, config.scale));
        Self { name: name.to_owned(), impute: config.impute, fill, scaling, indicator }
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.scaling.is_some()) + usize::from(self.indicator)
    }

    /// How its values become one output column, if they do.
    pub(super) fn standard(&self) -> Option<(f64, Scaling)> {
        self.scaling.filter(|_| !self.indicator).map(|scaling| (self.fill, scaling))
    }

    /// Fills the output columns of one row.
    #[inline]
    pub(super) fn write<F: Feature>(&self, value: f64, out: &mut [F]) {
        let missing = value.is_nan();
        let mut out = out.iter_mut();
        if let Some(scaling) = self.scaling
            && let Some(out) = out.next()
        {
            *out = F::of(scaling.apply(if missing { self.fill } else { value }));
        }
        if self.indicator
            && let Some(out) = out.next()
        {
            *out = F::of(f64::from(u8::from(missing)));
        }
    }
}

/// How a numeric column is filled and measured, for those who also have to find the way back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::ml) struct Measure {
    /// What a missing value becomes.
    pub(in crate::ml) fill: f64,
    pub(in crate::ml) center: f64,
    /// Positive.
    pub(in crate::ml) spread: f64,
}

impl Measure {
    /// `values` may be missing (NaN). A column without any variation is not scaled.
    pub(in crate::ml) fn of(values: &[f64], impute: NumericImpute, scale: Scale) -> Self {
        let config = NumericPreprocess { impute, fill_value: 0.0, missing_indicator: false, scale };
        let NumericColumn { fill, scaling, .. } = NumericColumn::fit("", values, &config);
        let (center, spread) = scaling.map_or((0.0, 1.0), |scaling| (scaling.center, scaling.spread));
        Self { fill, center, spread }
    }
}

/// What missing values become. A column without any value has no statistic; it becomes constant and is dropped.
fn fill_value(sorted: &[f64], config: &NumericPreprocess) -> f64 {
    let statistic = match config.impute {
        NumericImpute::Median => quantile_of_sorted(sorted, 0.5),
        NumericImpute::Mean => mean_and_std(sorted).map(|(mean, _)| mean),
        NumericImpute::MostFrequent => most_frequent(sorted),
        NumericImpute::Constant => Some(config.fill_value),
    };
    statistic.unwrap_or(0.0)
}

/// The most frequent number, the smallest of several, as scikit-learn's `SimpleImputer` has it.
fn most_frequent(sorted: &[f64]) -> Option<f64> {
    let mut best: Option<(f64, usize)> = None;
    for run in sorted.chunk_by(|a, b| a == b) {
        if best.is_none_or(|(_, count)| run.len() > count) {
            best = run.first().map(|&value| (value, run.len()));
        }
    }
    best.map(|(value, _)| value)
}

impl Scaling {
    /// From imputed training values in ascending order, not all the same.
    fn fit(sorted: &[f64], scale: Scale) -> Self {
        let (min, max) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0));
        let (center, spread) = match scale {
            Scale::Standard => mean_and_std(sorted).unwrap_or((0.0, 1.0)),
            Scale::Robust => robust(sorted, min, max),
            Scale::MinMax => (min, max - min),
            Scale::None => return Self { center: 0.0, spread: 1.0, limit: MAX_UNSCALED },
        };
        // A spread that underflowed to 0 must not divide, one that overflowed must not make all values 0.
        let spread = if spread > 0.0 { spread.min(f64::MAX) } else { 1.0 };
        Self { center, spread, limit: MAX_SCALED }
    }

    #[inline]
    fn apply(&self, value: f64) -> f64 {
        let gap = value - self.center;
        let scaled = if gap.is_finite() { gap / self.spread } else { value / self.spread - self.center / self.spread };
        scaled.clamp(-self.limit, self.limit)
    }
}

/// The median and the interquartile range. Where more than half of the values are the same, that range may be 0;
/// half of the whole range takes its place (scikit-learn would not scale at all).
fn robust(sorted: &[f64], min: f64, max: f64) -> (f64, f64) {
    let quantile = |share| quantile_of_sorted(sorted, share).unwrap_or(0.0);
    let range = quantile(0.75) - quantile(0.25);
    (quantile(0.5), if range > 0.0 { range } else { max / 2.0 - min / 2.0 })
}
