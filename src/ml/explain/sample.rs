//! Fewer rows where all would be too many.

use rand::seq::SliceRandom;

use crate::ml::seed::Seed;

/// At most `rows` rows, ascending, each class with its share of them (and at least one, where it has any).
pub(super) fn stratified(labels: &[bool], rows: usize, seed: Seed) -> Vec<usize> {
    if rows >= labels.len() {
        return (0..labels.len()).collect();
    }
    let mut rng = seed.stream("explained rows");
    let mut kept = Vec::with_capacity(rows + 2);
    for class in [true, false] {
        let mut of_class: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let share = (of_class.len() as f64 * rows as f64 / labels.len() as f64).round() as usize;
        let wanted = share.max(1).min(of_class.len());
        of_class.shuffle(&mut rng);
        kept.extend_from_slice(&of_class[..wanted]);
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_the_share_of_positives_and_never_loses_a_class() {
        let labels: Vec<bool> = (0..1_000).map(|row| row % 20 == 0).collect();
        let kept = stratified(&labels, 200, Seed(1));
        assert_eq!((kept.len(), kept.iter().filter(|&&row| labels[row]).count()), (200, 10));
        assert!(kept.is_sorted() && kept == stratified(&labels, 200, Seed(1)));
        let rare: Vec<bool> = (0..1_000).map(|row| row == 700).collect();
        assert!(stratified(&rare, 50, Seed(1)).contains(&700));
        assert_eq!(stratified(&rare, 1_000, Seed(1)).len(), 1_000);
    }
}
