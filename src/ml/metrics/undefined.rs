//! Why a metric has no value.

/// The reason why a metric is undefined; `Display` is the `reason` of the report.
///
/// scikit-learn answers 0 with a warning in most of these cases; a made-up 0 cannot be told from a real one.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Undefined {
    #[error("there are no rows")]
    NoRows,
    #[error("no row is positive")]
    NoPositives,
    #[error("no row is negative")]
    NoNegatives,
    #[error("no row is predicted positive")]
    NonePredictedPositive,
    #[error("no row is predicted negative")]
    NonePredictedNegative,
    #[error("no row is positive and none is predicted positive")]
    NoPositivesEither,
    #[error("no row is negative and none is predicted negative")]
    NoNegativesEither,
    #[error("all rows have one probability")]
    OneScore,
    #[error("the probabilities part the classes without a mistake, so that no slope is steep enough")]
    Separated,
    #[error("expected one score for each of {labels} rows, found {scores}")]
    UnequalLengths { labels: usize, scores: usize },
    #[error("the score of row {row} (counted from 0) is not a finite number")]
    NotFinite { row: usize },
    #[error("the score of row {row} (counted from 0) is {value}; a probability lies between 0 and 1")]
    NotAProbability { row: usize, value: f64 },
}

impl Undefined {
    /// The same reason with the roles of the classes exchanged.
    pub fn exchanged(self) -> Self {
        match self {
            Self::NoPositives => Self::NoNegatives,
            Self::NoNegatives => Self::NoPositives,
            Self::NonePredictedPositive => Self::NonePredictedNegative,
            Self::NonePredictedNegative => Self::NonePredictedPositive,
            Self::NoPositivesEither => Self::NoNegativesEither,
            Self::NoNegativesEither => Self::NoPositivesEither,
            other => other,
        }
    }
}
