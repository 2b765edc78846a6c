//! The few distributions that thresholds are made of.

use crate::ml::logit::sigmoid;

/// The quantile of the standard normal distribution, to 1e-9 (Acklam's rational approximation, one step of Halley's
/// method on it would be the last digits, which no threshold needs).
pub(super) fn normal_quantile(share: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let polynomial = |coefficients: &[f64], at: f64| coefficients.iter().fold(0.0, |sum, c| sum * at + c);
    let tail = |share: f64| {
        let at = (-2.0 * share.ln()).sqrt();
        polynomial(&C, at) / (polynomial(&D, at) * at + 1.0)
    };
    if share <= 0.0 {
        f64::NEG_INFINITY
    } else if share >= 1.0 {
        f64::INFINITY
    } else if share < 0.024_25 {
        tail(share)
    } else if share > 1.0 - 0.024_25 {
        -tail(1.0 - share)
    } else {
        let at = share - 0.5;
        let square = at * at;
        polynomial(&A, square) * at / (polynomial(&B, square) * square + 1.0)
    }
}

/// The quantile of chi-squared (Wilson and Hilferty 1931), within a percent where thresholds are.
pub(super) fn chi_squared_quantile(share: f64, degrees: f64) -> f64 {
    let part = 2.0 / (9.0 * degrees);
    degrees * (1.0 - part + normal_quantile(share) * part.sqrt()).max(0.0).powi(3)
}

/// The standard error of an area under the ROC curve (Hanley and McNeil 1982, equation 1).
pub(super) fn auc_error(area: f64, positives: f64, negatives: f64) -> f64 {
    let (two_positives, two_negatives) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let square = area * area;
    let variance = area * (1.0 - area)
        + (positives - 1.0) * (two_positives - square)
        + (negatives - 1.0) * (two_negatives - square);
    (variance / (positives * negatives)).max(0.0).sqrt()
}

/// Half the width of Wilson's interval at 95 % for a share of `rows` (Wilson 1927).
pub(super) fn wilson_half_width(share: f64, rows: f64) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    let square = Z * Z / rows;
    Z * (share * (1.0 - share) / rows + square / (4.0 * rows)).sqrt() / (1.0 + square)
}

/// Slope, intercept and the standard error of the slope of a logistic regression of labels on natural log-odds: 1 and
/// 0 for calibrated probabilities (Cox 1958). `None` where there is no finite fit.
pub(super) fn calibration_slope(logits: &[f64], labels: &[bool]) -> Option<(f64, f64)> {
    const STEPS: usize = 50;
    let mut at = [1.0_f64, 0.0];
    for _ in 0..STEPS {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for (&z, &label) in logits.iter().zip(labels) {
            let logit = at[0] * z + at[1];
            let p = sigmoid(logit);
            let (error, weight) = (p - f64::from(u8::from(label)), p * (1.0 - p));
            gradient = [gradient[0] + error * z, gradient[1] + error];
            hessian = [hessian[0] + weight * z * z, hessian[1] + weight * z, hessian[2] + weight];
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        if !(step[0].is_finite() && step[1].is_finite()) {
            return None;
        }
        // Damped, so that a first step from far off does not overshoot.
        let length = (2.0 / step[0].abs().max(step[1].abs())).min(1.0);
        at = [at[0] - length * step[0], at[1] - length * step[1]];
        if length == 1.0 && step[0].abs().max(step[1].abs()) < 1e-9 {
            let error = (hessian[2] / determinant).sqrt();
            return (error.is_finite() && at[0].is_finite()).then_some((at[0], error));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_scipys() {
        // scipy.stats.norm.ppf([0.5, 0.975, 0.9995, 0.01]), scipy.stats.chi2.ppf(0.999, [1, 9, 30])
        for (share, expected) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.9995, 3.290_526_731), (0.01, -2.326_347_874)] {
            assert!((normal_quantile(share) - expected).abs() < 1e-8, "{share}: {}", normal_quantile(share));
        }
        for (degrees, expected) in [(1.0, 10.828), (9.0, 27.877), (30.0, 59.703)] {
            let found = chi_squared_quantile(0.999, degrees);
            assert!((found / expected - 1.0).abs() < 0.05, "{degrees}: {found}");
        }
    }

    #[test]
    fn errors_are_those_of_the_papers() {
        // As in metrics/verdict.rs; statsmodels' proportion_confint(5, 10, method="wilson") is 0.2366 to 0.7634.
        assert!((auc_error(0.8, 20.0, 80.0) - 0.062_671_985_589_877_22).abs() < 1e-15);
        assert!((wilson_half_width(0.5, 10.0) - 0.263_4).abs() < 1e-4);
    }

    #[test]
    fn the_slope_of_probabilities_that_are_too_sure_is_below_one() {
        // Each logit with as many positives as half of it says.
        let mut logits = Vec::new();
        let mut labels = Vec::new();
        for logit in [-4.0_f64, -2.0, 0.0, 2.0, 4.0] {
            let positives = (1_000.0 / (1.0 + (-logit / 2.0).exp())).round() as usize;
            logits.extend(std::iter::repeat_n(logit, 1_000));
            labels.extend((0..1_000).map(|row| row < positives));
        }
        let (slope, error) = calibration_slope(&logits, &labels).unwrap();
        assert!((slope - 0.5).abs() < 1e-3 && error > 0.005 && error < 0.03, "{slope} {error}");
        assert_eq!(calibration_slope(&[0.0; 4], &[true, false, true, false]), None);
    }
}
