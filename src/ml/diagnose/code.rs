//! The stable names of all findings, in the order in which they are told.

use serde::{Deserialize, Serialize};

/// Where in a diagnosis a finding stands: what keeps a run from beginning first, what only its reader does wrong last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What ends a run, or leaves nothing to learn from.
    Blocker,
    /// What is wrong with the rows, the columns or the parts.
    Data,
    /// What the loss is told to do.
    Loss,
    /// Whether there is anything to learn.
    Signal,
    /// How it was learnt.
    Optimization,
    /// How it is judged.
    Evaluation,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $name:literal $stage:ident [$($cause:literal),*];)*) => {
        /// What is the matter. Serialized in kebab-case; never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// In the order in which findings are told.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The name in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            pub fn stage(self) -> Stage {
                match self { $(Code::$variant => Stage::$stage,)* }
            }

            /// The causes of failure that it tells of, by their number in `docs/diagnosis.md`.
            pub fn causes(self) -> &'static [&'static str] {
                match self { $(Code::$variant => &[$($cause),*],)* }
            }
        }
    };
}

codes! {
    /// The column to predict has not exactly two values.
    TargetNotBinary "target-not-binary" Blocker ["D3"];
    /// Training, validation or test would have rows of one class only.
    PartLacksClass "part-lacks-class" Blocker ["D2", "E6"];
    /// Too few rows of a class to learn or to judge from.
    TooFewPositives "too-few-positives" Blocker ["D2"];
    /// A resampling step needs more rows of a class than there are.
    TooFewNeighbours "too-few-neighbours" Blocker ["D2"];
    /// Columns with missing values.
    MissingValues "missing-values" Blocker ["D12"];
    /// One class is rarer than the other.
    Imbalance "imbalance" Data ["D1"];
    /// The positive class is the more frequent one.
    PositiveIsMajority "positive-is-majority" Data ["D4", "E11"];
    /// Columns that never or hardly ever vary.
    ConstantColumns "constant-columns" Data ["D6"];
    /// Columns that say the same as others.
    DuplicateColumns "duplicate-columns" Data ["D7"];
    /// Columns that give the answer away.
    LeakingColumns "leaking-columns" Data ["D8"];
    /// Columns that name or number the rows.
    IdentifierColumns "identifier-columns" Data ["D9"];
    /// Columns of very different size that are not scaled.
    UnscaledFeatures "unscaled-features" Data ["D10"];
    /// A number that stands for "missing".
    SentinelValues "sentinel-values" Data ["D13"];
    /// Values far from all others.
    Outliers "outliers" Data ["D14"];
    /// Rows that are there more than once.
    DuplicateRows "duplicate-rows" Data ["D15"];
    /// Rows that are learnt from and judged on.
    RowsInTwoParts "rows-in-two-parts" Data ["D16"];
    /// Equal rows with different labels.
    ConflictingLabels "conflicting-labels" Data ["D17"];
    /// Positives that lie among negatives.
    IsolatedPositives "isolated-positives" Data ["D18"];
    /// Categories that training hardly or never saw.
    RareCategories "rare-categories" Data ["D19"];
    /// Columns that are distributed differently in training and test.
    CovariateShift "covariate-shift" Data ["D20"];
    /// Parts with different shares of positives.
    PriorShift "prior-shift" Data ["D21", "E5"];
    /// Rows that belong together and are not kept together.
    UngroupedRows "ungrouped-rows" Data ["D22"];
    /// The rows are in the order of their labels.
    SortedByClass "sorted-by-class" Data ["D23"];
    /// The rows were over-sampled before they were uploaded.
    OversampledBeforeUpload "oversampled-before-upload" Data ["E4"];
    /// Pixels that are not from 0 to 1 where they are learnt from, or were divided twice.
    UnscaledPixels "unscaled-pixels" Data ["D11"];
    /// Files that are no rows because they cannot be read.
    UnreadablePictures "unreadable-pictures" Data ["D12"];
    /// Pictures are shrunk so far that what matters may be lost.
    LowResolution "low-resolution" Data ["D5"];
    /// The size of the file, or a mean colour, gives the class away.
    PictureClues "picture-clues" Data ["D8"];
    /// Pictures that are learnt from and, nearly the same, judged on.
    NearDuplicatePictures "near-duplicate-pictures" Data ["D16"];
    /// Augmentation makes pictures of one class look like the other.
    MeaningChangingAugmentation "meaning-changing-augmentation" Data ["D17"];
    /// Resampling computes pictures from the pixels of others.
    InterpolatedPictures "interpolated-pictures" Data ["D18"];
    /// The rarer class weighs less.
    InvertedWeights "inverted-weights" Loss ["L7"];
    /// Resampling and weights together.
    DoubleCorrection "double-correction" Loss ["L8"];
    /// Targets are softened beyond use.
    StrongLabelSmoothing "strong-label-smoothing" Loss ["L9"];
    /// Nothing in the columns goes with the labels.
    NoSignal "no-signal" Signal ["D5"];
    /// Negatives are ranked above positives.
    InvertedRanking "inverted-ranking" Signal ["D4"];
    /// The loss was no longer a finite number.
    Diverged "diverged" Optimization ["T3", "T5", "D12"];
    /// Every row gets nearly the same low probability.
    MajorityCollapse "majority-collapse" Optimization ["T2"];
    /// The loss is that of a constant.
    StuckAtBaseRate "stuck-at-base-rate" Optimization ["T1"];
    /// Steps are too large.
    LearningRateTooHigh "learning-rate-too-high" Optimization ["T3"];
    /// Steps are too small.
    LearningRateTooLow "learning-rate-too-low" Optimization ["T4"];
    /// The gradient jumps.
    ExplodingGradient "exploding-gradient" Optimization ["T5"];
    /// The gradient does not reach the first layers.
    VanishingGradient "vanishing-gradient" Optimization ["T6"];
    /// Hidden units that answer every row alike.
    DeadUnits "dead-units" Optimization ["T7"];
    /// Logits beyond any doubt, and wrong.
    SaturatedLogits "saturated-logits" Optimization ["T9"];
    /// Batches that hold no row of the rarer class.
    BatchesWithoutPositives "batches-without-positives" Optimization ["T10"];
    /// Batch normalization over too few rows.
    SmallNormalizedBatches "small-normalized-batches" Optimization ["T11"];
    /// The penalty, the decay or the dropout leaves nothing.
    OverRegularized "over-regularized" Optimization ["T12"];
    /// A simple model does better.
    UnderFitting "under-fitting" Optimization ["T13"];
    /// Training rows are learnt by heart.
    OverFitting "over-fitting" Optimization ["T14"];
    /// Training ended while the loss still fell.
    StoppedTooEarly "stopped-too-early" Optimization ["T15"];
    /// Early stopping gives up too soon.
    ImpatientStopping "impatient-stopping" Optimization ["T15"];
    /// Early stopping follows what does not say how well the model learns.
    MisleadingMonitor "misleading-monitor" Optimization ["T16"];
    /// The schedule took the learning rate away while the loss still fell.
    LearningRateVanished "learning-rate-vanished" Optimization ["T17"];
    /// High accuracy without any skill.
    AccuracyParadox "accuracy-paradox" Evaluation ["E1"];
    /// The ranking is good, the threshold is not.
    UnsuitableThreshold "unsuitable-threshold" Evaluation ["E2"];
    /// Probabilities are too high or too low on average.
    ShiftedProbabilities "shifted-probabilities" Evaluation ["E3"];
    /// Probabilities are too sure or not sure enough.
    Miscalibrated "miscalibrated" Evaluation ["E3"];
    /// Training and validation loss are not the same quantity.
    IncomparableLosses "incomparable-losses" Evaluation ["E7"];
    /// A good area under the ROC curve with few true alarms.
    OptimisticRocAuc "optimistic-roc-auc" Evaluation ["E8"];
    /// Too few test rows of the positive class for a sure answer.
    SmallTestSet "small-test-set" Evaluation ["E9"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_distinct_and_those_of_the_json() {
        let mut seen = std::collections::HashSet::new();
        for &code in Code::ALL {
            let name = code.as_str();
            assert!(seen.insert(name) && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
            assert_eq!(serde_json::to_value(code).unwrap(), name);
            assert!(!code.causes().is_empty());
        }
    }

    #[test]
    fn codes_are_told_stage_by_stage() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].stage() <= pair[1].stage()));
    }
}
