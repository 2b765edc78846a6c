//! Columns of categories: one output column for each frequent category, one for all rare ones together.
//!
//! As scikit-learn's `OneHotEncoder(min_frequency, max_categories, handle_unknown="infrequent_if_exist")`, with
//! two differences: exactly `max_categories` frequent categories without rare ones all keep their columns
//! (scikit-learn merges two of them), and among equally frequent ones the alphabetically first keeps its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ml::config::{CategoricalImpute, CategoricalPreprocess};

/// What was learnt about one column of categories.
///
/// Output columns in this order: the categories, the rare bucket, the missing-indicator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CategoryColumn {
    pub(super) name: String,
    /// Those with an output column of their own, ascending.
    pub(super) categories: Vec<String>,
    /// Whether rare and unseen categories have an output column.
    pub(super) rare: bool,
    pub(super) missing: MissingCategory,
}

/// What becomes of a missing value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MissingCategory {
    /// It has an output column.
    Indicator,
    /// It is treated as this category.
    Fill(String),
    /// There was none in training; it is treated as a category never seen.
    Unseen,
}

impl CategoryColumn {
    /// `codes` are those of the training rows. Levels that no training row has are not looked at.
    pub(super) fn fit(name: &str, codes: &[u32], levels: &[String], config: &CategoricalPreprocess) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut missing_rows = 0;
        let mut by_code = vec![0_usize; levels.len()];
        for &code in codes {
            match by_code.get_mut(code as usize) {
                Some(count) => *count += 1,
                None => missing_rows += 1,
            }
        }
        for (level, &count) in levels.iter().zip(&by_code).filter(|(_, count)| **count > 0) {
            *counts.entry(level).or_default() += count;
        }
        let missing = missing_policy(&counts, missing_rows, config);
        if let MissingCategory::Fill(fill) = &missing {
            *counts.entry(fill).or_default() += missing_rows;
            counts.retain(|_, count| *count > 0);
        }
        let (categories, rare) = choose(&counts, config);
        let mut column = Self { name: name.to_owned(), categories, rare, missing };
        column.drop_constant();
        column
    }

    /// A single output column is 1 in every training row.
    fn drop_constant(&mut self) {
        if self.width() == 1 {
            self.categories.clear();
            self.rare = false;
            self.missing = MissingCategory::Unseen;
        }
    }

    pub(super) fn width(&self) -> usize {
        self.categories.len() + usize::from(self.rare) + usize::from(self.missing == MissingCategory::Indicator)
    }

    /// The output column that is 1 for a category; `None` if all are 0.
    pub(super) fn position(&self, category: &str) -> Option<usize> {
        match self.categories.binary_search_by(|own| own.as_str().cmp(category)) {
            Ok(position) => Some(position),
            Err(_) => self.rare.then_some(self.categories.len()),
        }
    }

    /// The output column that is 1 for a missing value; `None` if all are 0.
    pub(super) fn missing_position(&self) -> Option<usize> {
        match &self.missing {
            MissingCategory::Indicator => Some(self.width() - 1),
            MissingCategory::Fill(category) => self.position(category),
            MissingCategory::Unseen => self.rare.then_some(self.categories.len()),
        }
    }
}

fn missing_policy(
    counts: &BTreeMap<&str, usize>,
    missing_rows: usize,
    config: &CategoricalPreprocess,
) -> MissingCategory {
    match config.impute {
        CategoricalImpute::Indicator if missing_rows > 0 => MissingCategory::Indicator,
        CategoricalImpute::Indicator => MissingCategory::Unseen,
        CategoricalImpute::Constant => MissingCategory::Fill(config.fill_value.clone()),
        CategoricalImpute::MostFrequent => {
            // The alphabetically first of several, as scikit-learn's `SimpleImputer` has it.
            let most = counts.values().max();
            let first = counts.iter().find(|(_, count)| Some(*count) == most);
            first.map_or(MissingCategory::Unseen, |(category, _)| MissingCategory::Fill((*category).to_owned()))
        }
    }
}

/// The categories that keep a column, ascending, and whether there are others.
fn choose(counts: &BTreeMap<&str, usize>, config: &CategoricalPreprocess) -> (Vec<String>, bool) {
    let mut kept: Vec<(&str, usize)> = counts
        .iter()
        .map(|(category, count)| (*category, *count))
        .filter(|(_, count)| *count >= config.min_frequency)
        .collect();
    kept.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut rare = kept.len() < counts.len();
    if kept.len() + usize::from(rare) > config.max_categories {
        kept.truncate(config.max_categories.saturating_sub(1));
        rare = true;
    }
    let mut categories: Vec<String> = kept.into_iter().map(|(category, _)| category.to_owned()).collect();
    categories.sort_unstable();
    (categories, rare)
}
