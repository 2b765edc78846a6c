//! Dividing a number of rows in given proportions.

/// Whole numbers near `total` times each weight's share that add up to `total`: the largest remainders are rounded up,
/// of equal ones the first. Without any positive, finite weight all count the same.
pub(super) fn apportion(weights: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let usable = sum > 0.0 && sum.is_finite() && weights.iter().all(|&weight| weight >= 0.0);
    let exact = |index: usize| match usable {
        true => total as f64 * (weights[index] / sum),
        false => total as f64 / weights.len() as f64,
    };
    let mut shares: Vec<usize> = (0..weights.len()).map(|index| exact(index) as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let rest = |index: usize| exact(index).fract();
    order.sort_by(|&a, &b| rest(b).total_cmp(&rest(a)).then(a.cmp(&b)));
    let missing = total.saturating_sub(shares.iter().sum());
    order.into_iter().cycle().take(if weights.is_empty() { 0 } else { missing }).for_each(|index| shares[index] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::apportion;
    use proptest::prelude::*;

    #[test]
    fn the_largest_remainders_are_rounded_up() {
        assert_eq!(apportion(&[1.0, 1.0, 2.0], 10), [3, 2, 5]);
        assert_eq!(apportion(&[0.0, 0.9, 0.1], 7), [0, 6, 1]);
        assert_eq!(apportion(&[0.0, 0.0], 3), [2, 1]);
        assert_eq!(apportion(&[f64::INFINITY, 1.0], 2), [1, 1]);
        assert_eq!(apportion(&[], 2), [0; 0]);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_near_the_exact_ones(
            weights in prop::collection::vec(0.0_f64..1e6, 1..40), total in 0_usize..100_000,
        ) {
            let shares = apportion(&weights, total);
            prop_assert_eq!(shares.iter().sum::<usize>(), total);
            let sum: f64 = weights.iter().sum();
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!(sum == 0.0 || (*share as f64 - total as f64 * weight / sum).abs() < 1.0 + 1e-6);
            }
        }
    }
}
