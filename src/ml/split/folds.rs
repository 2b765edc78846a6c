//! Folds of cross-validation, each with its share of both classes.

use rand::seq::SliceRandom;

use crate::ml::seed::Seed;

/// The fold of each row, in `0..folds`: rows of a class are drawn by the seed and dealt out in turn, the second class
/// from where the first one ended, so that the folds differ by one row at most in size and in rows of each class.
pub fn stratified_folds(labels: &[bool], folds: usize, seed: Seed) -> Vec<usize> {
    let mut chance = seed.stream("stratified folds");
    let mut fold_of = vec![0; labels.len()];
    let mut dealt = 0;
    for class in [true, false] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rows.shuffle(&mut chance);
        for row in rows {
            fold_of[row] = dealt % folds.max(1);
            dealt += 1;
        }
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::stratified_folds;
    use crate::ml::seed::Seed;

    #[test]
    fn folds_share_out_the_rows_and_each_class() {
        let labels: Vec<bool> = (0..103).map(|row| row % 9 == 0).collect();
        let folds = stratified_folds(&labels, 5, Seed(1));
        let count = |fold: usize, wanted: &dyn Fn(bool) -> bool| {
            folds.iter().zip(&labels).filter(|&(&of, &label)| of == fold && wanted(label)).count()
        };
        for fold in 0..5 {
            assert!([20, 21].contains(&count(fold, &|_| true)));
            assert!([2, 3].contains(&count(fold, &|label| label)));
        }
        assert_eq!(folds, stratified_folds(&labels, 5, Seed(1)));
        assert_ne!(folds, stratified_folds(&labels, 5, Seed(2)));
    }
}
