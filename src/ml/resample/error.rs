//! Why a step cannot be done, and what is to be said of one that was.

use serde::{Deserialize, Serialize};

use super::plan::PlanError;
use crate::ml::logistic::LogisticError;
use crate::ml::observe::Stop;

/// Why a step could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResampleError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("resampling would leave {rows} rows; at most {most} are allowed")]
    TooManyRows { rows: usize, most: usize },
    #[error("{method} takes at most {most} rows, found {rows}; take random_under_sampler before it, or another method")]
    TooManyRowsFor { method: &'static str, rows: usize, most: usize },
    #[error("near_miss has versions 1, 2 and 3, found {found}")]
    UnknownVersion { found: u8 },
    #[error("feature {column} is too large for this method: a new value would not be finite")]
    NotFinite { column: usize },
    #[error("smotenc needs columns of categories beside numbers, and there are none; smote is for numbers alone")]
    NoCategories,
    #[error("smotenc needs numbers beside columns of categories, and there are none; smoten is for categories alone")]
    NoNumbers,
    #[error("smoten is for categories alone, and {numbers} features are numbers; smotenc takes both")]
    NumbersAmongCategories { numbers: usize },
    #[error("the hardness of the rows cannot be estimated: {source}")]
    Hardness { source: LogisticError },
    #[error("instance_hardness_threshold with {folds} folds needs 2 rows of each class; there are {rows}")]
    TooFewForFolds { folds: usize, rows: usize },
    #[error(
        "\"rng\": \"numpy\" needs a seed of at most 4294967295, found {}",
        .found.map_or_else(|| "none".to_owned(), |seed| seed.to_string())
    )]
    NumpySeed { found: Option<u64> },
    #[error("the step goes by an embedding of pictures, and there is none of these rows")]
    NoEmbedding,
    #[error("stopped before the end: {0:?}")]
    Stopped(Stop),
}

impl From<Stop> for ResampleError {
    fn from(stop: Stop) -> Self {
        ResampleError::Stopped(stop)
    }
}

impl From<LogisticError> for ResampleError {
    fn from(error: LogisticError) -> Self {
        match error {
            LogisticError::Stopped(stop) => ResampleError::Stopped(stop),
            source => ResampleError::Hardness { source },
        }
    }
}

/// Where a step did something else than it was asked for, because the rows did not allow it.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    #[error("{parameter} was {asked}; {rows} rows allow {used}")]
    FewerNeighbours { parameter: String, asked: usize, used: usize, rows: usize },
    #[error("the class has one row and no neighbour to draw towards; it was copied")]
    OneRow,
    #[error("no row of the class is in danger; rows were made as smote makes them")]
    NoneInDanger,
    #[error("no row of the class is in danger; no rows were made, as in imbalanced-learn")]
    NothingAdded,
    #[error("all support vectors of the class are noise; rows were made as smote makes them")]
    OnlyNoise,
    #[error("{made} rows were made where {asked} were asked for, as in imbalanced-learn")]
    OtherCount { asked: usize, made: usize },
    #[error("no cluster has enough rows of the class; rows were made as smote makes them")]
    NoCluster,
    #[error("no row of the class has a neighbour of the other class; all rows count the same")]
    NoNeighbourOfMajority,
    #[error("only {found} rows are near the minority where {asked} were to be kept; all of them are kept")]
    FewCandidates { asked: usize, found: usize },
    #[error("{folds} folds were asked for; the smaller class allows {used}")]
    FewerFolds { folds: usize, used: usize },
    #[error(
        "columns of categories were voted on by the nearest rows, not computed; smotenc weighs them by its own distance"
    )]
    CategoriesVoted,
}
