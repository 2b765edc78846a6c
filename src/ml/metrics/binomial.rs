//! Intervals of shares, and the quantiles that intervals are made of.

/// Halvings that reach the last digit of a number in `0..=1`.
const HALVINGS: usize = 200;

/// The Wilson score interval of a share of `hits` among `rows` (Wilson 1927); `None` without rows.
pub fn wilson(hits: f64, rows: f64, confidence: f64) -> Option<[f64; 2]> {
    if rows <= 0.0 {
        return None;
    }
    let z = normal_quantile(0.5 + confidence / 2.0);
    let (share, square) = (hits / rows, z * z);
    let centre = (share + square / (2.0 * rows)) / (1.0 + square / rows);
    let half = z / (1.0 + square / rows) * (share * (1.0 - share) / rows + square / (4.0 * rows * rows)).sqrt();
    Some([(centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0)])
}

/// The exact interval of a share (Clopper & Pearson 1934), which never covers less than it says; `None` without rows.
pub fn clopper_pearson(hits: u64, rows: u64, confidence: f64) -> Option<[f64; 2]> {
    if rows == 0 {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let (hits, misses) = (hits as f64, (rows - hits) as f64);
    let low = if hits == 0.0 { 0.0 } else { beta_quantile(hits, misses + 1.0, tail) };
    let high = if misses == 0.0 { 1.0 } else { beta_quantile(hits + 1.0, misses, 1.0 - tail) };
    Some([low, high])
}

/// The quantile of the beta distribution, for `a, b > 0`.
pub fn beta_quantile(a: f64, b: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(a, b, middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The quantile of Student's distribution for a share of at least one half.
pub fn student_quantile(degrees: f64, share: f64) -> f64 {
    let x = beta_quantile(degrees / 2.0, 0.5, 2.0 * (1.0 - share));
    (degrees * (1.0 - x) / x).sqrt()
}

/// The quantile of the normal distribution, by halving its distribution function.
pub fn normal_quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if normal(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The normal distribution function as its Taylor series about 0 (Marsaglia 2004).
fn normal(z: f64) -> f64 {
    let (mut sum, mut last, mut term, mut order) = (z, 0.0, z, 1.0);
    while sum != last {
        order += 2.0;
        term *= z * z / order;
        last = sum;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The regularized incomplete beta function by its continued fraction (Press et al. 2007, section 6.4).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(a, b, x) / a
    } else {
        1.0 - front * continued_fraction(b, a, 1.0 - x) / b
    }
}

/// Lentz's method.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const STEPS: usize = 10_000;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = away_from_zero(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut value = d;
    for step in 1..=STEPS {
        let m = step as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for numerator in [even, odd] {
            d = away_from_zero(1.0 + numerator * d).recip();
            c = away_from_zero(1.0 + numerator / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive numbers: Stirling's series, from where it is exact to the last digit.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 1.0);
    while x < 15.0 {
        below *= x;
        x += 1.0;
    }
    let y = (x * x).recip();
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * (1.0 / 1680.0 - y / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - f64::ln(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-10 * expected.abs().max(1.0), "{found}, not {expected}");
    }

    /// ```python
    /// from scipy.stats import beta, norm, t
    /// beta.ppf(.025, 3, 18), beta.ppf(.975, .5, 7.5), beta.ppf(.6, 900, 40), norm.ppf(.975), norm.ppf(.9995), t.ppf(.975, 4)
    /// ```
    #[test]
    fn quantiles_are_those_of_scipy() {
        near(beta_quantile(3.0, 18.0, 0.025), 0.032_070_937_185_463_7);
        near(beta_quantile(0.5, 7.5, 0.975), 0.292_436_173_662_309_84);
        near(beta_quantile(900.0, 40.0, 0.6), 0.959_411_407_079_757_9);
        near(normal_quantile(0.975), 1.959_963_984_540_054);
        near(normal_quantile(0.9995), 3.290_526_731_491_925_5);
        near(student_quantile(4.0, 0.975), 2.776_445_105_197_793_4);
    }

    /// ```python
    /// from statsmodels.stats.proportion import proportion_confint
    /// proportion_confint(3, 20, method="beta"), proportion_confint(3, 20, method="wilson")
    /// ```
    #[test]
    fn intervals_of_shares_are_the_known_ones() {
        let [low, high] = clopper_pearson(3, 20, 0.95).unwrap();
        near(low, 0.032_070_937_185_463_7);
        near(high, 0.378_926_826_545_313_96);
        let [low, high] = wilson(3.0, 20.0, 0.95).unwrap();
        near(low, 0.052_368_745_896_216_595);
        near(high, 0.360_418_864_740_756_96);
        assert_eq!(clopper_pearson(0, 5, 0.95).unwrap()[0], 0.0);
        near(clopper_pearson(0, 5, 0.95).unwrap()[1], 1.0 - 0.025_f64.powf(0.2));
        assert_eq!(clopper_pearson(5, 5, 0.95).unwrap()[1], 1.0);
        assert_eq!((wilson(0.0, 0.0, 0.95), clopper_pearson(0, 0, 0.95)), (None, None));
    }
}
