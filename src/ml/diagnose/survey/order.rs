//! Whether the rows of a file are in the order of their labels.

/// How the labels follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The correlation of a label with the next, about 0 in no order.
    pub autocorrelation: f64,
    /// The share of rows between the first positive and the last.
    pub span: f64,
    /// What that would be about in no order: (n - 1) / (n + 1) for n positives.
    pub span_expected: f64,
    pub positives: usize,
}

/// Of labels in the order of their rows; `None` without rows of both classes.
pub fn order_of(labels: &[bool]) -> Option<Order> {
    let rows = labels.len() as f64;
    let positives = labels.iter().filter(|&&label| label).count();
    let mean = positives as f64 / rows;
    let variance = rows * mean * (1.0 - mean);
    if variance.is_nan() || variance <= 0.0 {
        return None;
    }
    let centred = |label: bool| f64::from(u8::from(label)) - mean;
    let products: f64 = labels.windows(2).map(|pair| centred(pair[0]) * centred(pair[1])).sum();
    let first = labels.iter().position(|&label| label)?;
    let last = labels.iter().rposition(|&label| label)?;
    let count = positives as f64;
    Some(Order {
        autocorrelation: products / variance,
        span: (last - first + 1) as f64 / rows,
        span_expected: (count - 1.0) / (count + 1.0),
        positives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_labels_correlate_and_alternating_ones_do_not() {
        let sorted: Vec<bool> = (0..1_000).map(|row| row < 100).collect();
        let mixed: Vec<bool> = (0..1_000).map(|row| row % 10 == 0).collect();
        let (sorted, mixed) = (order_of(&sorted).unwrap(), order_of(&mixed).unwrap());
        assert!(sorted.autocorrelation > 0.98 && (sorted.span - 0.1).abs() < 1e-12);
        assert!(mixed.autocorrelation < 0.0 && mixed.span > 0.98);
        assert_eq!(order_of(&[true, true]), None);
        assert_eq!(order_of(&[]), None);
    }
}
