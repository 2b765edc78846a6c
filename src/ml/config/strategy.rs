//! How much a resampling step is to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ml::labels::ClassNames;

/// How much to resample: a ratio minority/majority after the step, a name, or classes by their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SamplingStrategy {
    Ratio(f64),
    Named(NamedStrategy),
    /// The rows that classes have after the step, by label; a class that is not named stays as it is.
    Rows(BTreeMap<String, usize>),
    /// The labels of the classes that a cleaning method may remove rows from.
    Classes(Vec<String>),
    /// [`SamplingStrategy::Rows`] of two known classes, negative first.
    #[serde(skip)]
    RowsOf([Option<usize>; 2]),
    /// [`SamplingStrategy::Classes`] of two known classes, negative first.
    #[serde(skip)]
    Cleaned([bool; 2]),
}

/// A label that neither class has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sampling_strategy names the class {label:?}; the classes are {negative:?} and {positive:?}")]
pub struct UnknownClass {
    pub label: String,
    pub negative: String,
    pub positive: String,
}

impl SamplingStrategy {
    /// The same without labels.
    ///
    /// # Errors
    /// If a label is that of neither class.
    pub fn of(&self, classes: &ClassNames) -> Result<Self, UnknownClass> {
        let place = |label: &String| match label {
            label if *label == classes.negative => Ok(0),
            label if *label == classes.positive => Ok(1),
            label => Err(UnknownClass {
                label: label.clone(),
                negative: classes.negative.clone(),
                positive: classes.positive.clone(),
            }),
        };
        match self {
            SamplingStrategy::Rows(rows) => {
                let mut of_class = [None; 2];
                for (label, &wanted) in rows {
                    of_class[place(label)?] = Some(wanted);
                }
                Ok(SamplingStrategy::RowsOf(of_class))
            }
            SamplingStrategy::Classes(labels) => {
                let mut cleaned = [false; 2];
                for label in labels {
                    cleaned[place(label)?] = true;
                }
                Ok(SamplingStrategy::Cleaned(cleaned))
            }
            other => Ok(other.clone()),
        }
    }

    /// The ratio minority/majority that an over- or under-sampler reaches where it is not told numbers of rows.
    pub fn ratio(&self) -> f64 {
        if let SamplingStrategy::Ratio(ratio) = self { *ratio } else { 1.0 }
    }

    /// About the rows that there are after an over-sampler has done its step on so many of the larger class.
    pub fn rows_after(&self, majority: f64) -> f64 {
        match self {
            SamplingStrategy::Rows(rows) => {
                let unnamed = if rows.len() < 2 { majority } else { 0.0 };
                unnamed + rows.values().map(|&rows| rows as f64).sum::<f64>()
            }
            other => majority + majority * other.ratio(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedStrategy {
    Auto,
    Minority,
    Majority,
    #[serde(rename = "not minority")]
    NotMinority,
    #[serde(rename = "not majority")]
    NotMajority,
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_places_and_strangers_are_named() {
        let classes = ClassNames { positive: "sick".to_owned(), negative: "well".to_owned() };
        let rows = |label: &str| SamplingStrategy::Rows(BTreeMap::from([(label.to_owned(), 30)]));
        assert_eq!(rows("sick").of(&classes), Ok(SamplingStrategy::RowsOf([None, Some(30)])));
        assert_eq!(rows("well").of(&classes), Ok(SamplingStrategy::RowsOf([Some(30), None])));
        let cleaned = SamplingStrategy::Classes(vec!["well".to_owned()]);
        assert_eq!(cleaned.of(&classes), Ok(SamplingStrategy::Cleaned([true, false])));
        let wrong = rows("ill").of(&classes).unwrap_err().to_string();
        assert_eq!(wrong, "sampling_strategy names the class \"ill\"; the classes are \"well\" and \"sick\"");
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["0.5", "\"not minority\"", "{\"1\":40}", "[\"0\",\"1\"]"] {
            let strategy: SamplingStrategy = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&strategy).unwrap(), text);
        }
    }
}
