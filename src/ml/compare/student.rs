//! Student's t distribution, as far as comparisons need it.

/// The chance that a t-distributed number with `freedom` degrees of freedom is at least `t` away from 0.
pub fn two_sided_p(t: f64, freedom: f64) -> f64 {
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The distance from 0 that a t-distributed number keeps within with the chance `confidence`, in `0..1`.
pub fn critical_value(confidence: f64, freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided_p(high, freedom) > 1.0 - confidence && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if two_sided_p(middle, freedom) > 1.0 - confidence { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The regularized incomplete beta function `I_x(a, b)`, by its continued fraction (DLMF 8.17.22, Lentz's method).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges quickly below the mean; above it the other tail is computed.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    front * continued_fraction(a, b, x)
}

fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..1_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            value *= c * d;
            change = c * d;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// `ln Γ(x)` for x > 0: Stirling's series after shifting x up (DLMF 5.11.1).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let mut shifted = x;
    let mut product = 1.0;
    while shifted < 12.0 {
        product *= shifted;
        shifted += 1.0;
    }
    let inverse_square = 1.0 / (shifted * shifted);
    let series = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| sum * inverse_square + coefficient) / shifted;
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::{critical_value, two_sided_p};

    /// `scipy.stats.t.sf(t, freedom) * 2` and `scipy.stats.t.ppf((1 + confidence) / 2, freedom)`, SciPy 1.
    #[test]
    fn values_are_scipys() {
        for (t, freedom, p) in REFERENCE_P {
            assert!((two_sided_p(t, freedom) / p - 1.0).abs() < 1e-11, "{t} {freedom}: {}", two_sided_p(t, freedom));
        }
        for (confidence, freedom, t) in REFERENCE_T {
            let found = critical_value(confidence, freedom);
            assert!((found / t - 1.0).abs() < 1e-11, "{confidence} {freedom}: {found}");
        }
        assert_eq!(two_sided_p(0.0, 9.0), 1.0);
    }

    const REFERENCE_P: [(f64, f64, f64); 6] = [
        (0.5, 9.0, 0.6290712998260263),
        (2.262, 9.0, 0.05001284550245463),
        (1.0, 1.0, 0.5000000000000001),
        (3.7, 24.0, 0.0011203035028747946),
        (12.0, 4.0, 0.000276428548502973),
        (0.01, 99.0, 0.9920414112146796),
    ];

    const REFERENCE_T: [(f64, f64, f64); 5] = [
        (0.95, 9.0, 2.262157162798205),
        (0.95, 1.0, 12.706204736174694),
        (0.99, 24.0, 2.796939504774456),
        (0.5, 4.0, 0.7406970841126829),
        (0.9, 199.0, 1.6525467461665633),
    ];
}
