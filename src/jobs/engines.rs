//! The real engines: one for each type of job.

use super::engine::{Ended, Engine, Produced, Work};
use super::source::EngineLimits;
use super::{compare_job, evaluate_job, predict_job, resample_job, train_job};
use crate::ml::observe::TrainObserver;
use crate::records::TypedConfig;

/// Gives each job to the engine of its type.
#[derive(Debug, Clone)]
pub struct Engines {
    pub limits: EngineLimits,
}

impl Engine for Engines {
    fn run(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<Produced, Ended> {
        let limits = &self.limits;
        match work.job.config.typed.clone() {
            TypedConfig::Train(job) => {
                train_job::train(limits, work.input, &work.dataset, &job.train, observer).map(Produced::from)
            }
            TypedConfig::Resample(job) => resample_job::run(limits, work, &job, observer).map(Produced::from),
            TypedConfig::Evaluate(job) => evaluate_job::run(limits, work, &job, observer).map(Produced::from),
            TypedConfig::Compare(job) => compare_job::run(limits, work, &job, observer),
            TypedConfig::Predict(job) => predict_job::run(limits, work, &job, observer).map(Produced::from),
        }
    }

    fn program(&self) -> Option<String> {
        Some(compare_job::program())
    }

    fn assist(&self, work: Work, observer: &mut dyn TrainObserver) -> Result<(), Ended> {
        match work.job.config.typed.clone() {
            TypedConfig::Compare(job) => compare_job::assist(&self.limits, work, &job, observer),
            // Jobs of the other types have no parts.
            TypedConfig::Train(_) | TypedConfig::Resample(_) | TypedConfig::Evaluate(_) | TypedConfig::Predict(_) => {
                Ok(())
            }
        }
    }
}
