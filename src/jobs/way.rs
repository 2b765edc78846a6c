//! How far a job is on its way from 0 to 1.

use crate::ml::observe::Phase;
use crate::records::JobType;

/// Where each phase of a training begins: about its share of the time of a job on a table. Without cross-validation,
/// training goes on to where calibrating begins.
const TRAIN: &[(Phase, f64)] = &[
    (Phase::Loading, 0.0),
    (Phase::Splitting, 0.04),
    (Phase::Preprocessing, 0.05),
    (Phase::Resampling, 0.08),
    (Phase::Training, 0.15),
    (Phase::CrossValidating, 0.30),
    (Phase::Calibrating, 0.88),
    (Phase::Thresholding, 0.89),
    (Phase::Evaluating, 0.90),
    (Phase::Storing, 0.98),
];

const RESAMPLE: &[(Phase, f64)] =
    &[(Phase::Loading, 0.0), (Phase::Resampling, 0.15), (Phase::Writing, 0.7), (Phase::Storing, 0.95)];

const EVALUATE: &[(Phase, f64)] =
    &[(Phase::Loading, 0.0), (Phase::Predicting, 0.3), (Phase::Evaluating, 0.6), (Phase::Storing, 0.97)];

const PREDICT: &[(Phase, f64)] =
    &[(Phase::Loading, 0.0), (Phase::Predicting, 0.3), (Phase::Writing, 0.8), (Phase::Storing, 0.95)];

const COMPARE: &[(Phase, f64)] = &[
    (Phase::Loading, 0.0),
    (Phase::Comparing, 0.02),
    (Phase::Splitting, 0.9),
    (Phase::Training, 0.91),
    (Phase::Evaluating, 0.97),
    (Phase::Storing, 0.99),
];

fn starts(job_type: JobType) -> &'static [(Phase, f64)] {
    match job_type {
        JobType::Train => TRAIN,
        JobType::Resample => RESAMPLE,
        JobType::Evaluate => EVALUATE,
        JobType::Predict => PREDICT,
        JobType::Compare => COMPARE,
    }
}

/// Where a phase begins and ends. A phase that jobs of the type do not have adds nothing.
pub(super) fn range(job_type: JobType, phase: Phase, cross_validates: bool) -> (f64, f64) {
    let has = |(known, _): &&(Phase, f64)| cross_validates || *known != Phase::CrossValidating;
    let mut rest =
        starts(job_type).iter().filter(has).skip_while(|(known, _)| *known != phase).map(|(_, start)| *start);
    match rest.next() {
        Some(start) => (start, rest.next().unwrap_or(1.0)),
        None => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_from_the_start_to_the_end() {
        for job_type in JobType::ALL {
            let starts = starts(job_type);
            assert!(starts.windows(2).all(|pair| pair[0].1 < pair[1].1 && pair[0].0 < pair[1].0), "{job_type:?}");
            assert_eq!((starts[0], starts[starts.len() - 1].0), ((Phase::Loading, 0.0), Phase::Storing));
        }
        assert_eq!(range(JobType::Train, Phase::Storing, false), (0.98, 1.0));
        assert_eq!(range(JobType::Train, Phase::Training, false), (0.15, 0.88));
        assert_eq!(range(JobType::Train, Phase::Training, true), (0.15, 0.30));
        assert_eq!(range(JobType::Resample, Phase::Resampling, false), (0.15, 0.7));
        assert_eq!(range(JobType::Resample, Phase::Training, false), (0.0, 0.0));
    }
}
