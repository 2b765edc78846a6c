//! `bagging`: several models, each of its own draw of the training rows.

use super::resampling::{KnownClasses, check_resample};
use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::*;

/// Models of an ensemble where a request does not say.
const MEMBERS: u64 = 10;

/// What the ensemble has to get along with.
pub(super) struct Beside<'a> {
    pub(super) model: &'a ModelConfig,
    pub(super) penalty: &'a Penalty,
    pub(super) resample: &'a [ResampleStep],
    pub(super) sample_weight: &'a Option<String>,
}

pub(super) fn check_bagging(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    classes: KnownClasses<'_>,
    beside: &Beside<'_>,
    errors: &mut Vec<FieldError>,
) -> Option<Bagging> {
    reader.present("bagging")?;
    let mut bagging = reader.object("bagging", errors);
    let members = bagging.integer("members", MEMBERS, 2, limits.max_members as u64, errors) as usize;
    let mut resample = vec![balanced_draw()];
    if bagging.present("resample").is_some() {
        // Steps before the draw change the counts that it begins with.
        let counts = classes.counts.filter(|_| beside.resample.is_empty());
        let before = errors.len();
        resample = check_resample(&mut bagging, limits, KnownClasses { counts, ..classes }, errors);
        check_draws(&bagging, &resample, errors.len() > before, errors);
    }
    bagging.finish(errors);
    for detail in beside.refusals() {
        reader.error("bagging", detail, errors);
    }
    Some(Bagging { members, resample })
}

/// All rows of the minority and as many of the majority, drawn without replacement.
fn balanced_draw() -> ResampleStep {
    let sampling_strategy = SamplingStrategy::Named(NamedStrategy::Auto);
    let method = ResampleMethod::RandomUnderSampler { replacement: false };
    ResampleStep { method, sampling_strategy, seed: None, rng: RngKind::Default, keep_integers: false, space: None }
}

/// Each member needs a draw that no other has.
fn check_draws(bagging: &ObjectReader<'_>, steps: &[ResampleStep], failed: bool, errors: &mut Vec<FieldError>) {
    for (index, step) in steps.iter().enumerate() {
        if step.seed.is_some() || step.rng == RngKind::Numpy {
            errors.push(FieldError {
                pointer: bagging.pointer("resample") + &format!("/{index}"),
                detail:
                    "each member draws by a seed of its own, derived from that of the job; a step of bagging takes \
                         neither seed nor \"rng\": \"numpy\""
                        .to_owned(),
            });
        }
    }
    if !failed && !steps.iter().any(|step| step.method.draws()) {
        let detail = "without a step that draws at random, such as random_under_sampler, all members would learn from \
                      the same rows";
        bagging.error("resample", detail, errors);
    }
}

impl Beside<'_> {
    /// Why the ensemble cannot be, for each reason.
    fn refusals(&self) -> Vec<&'static str> {
        let mut refusals = Vec::new();
        let members = match self.model {
            ModelConfig::Logistic { .. } => 1,
            ModelConfig::Mlp(model) => model.members,
            ModelConfig::Cnn(model) => model.members,
        };
        if members > 1 {
            refusals
                .push("model.members are networks that learn from the same rows; with bagging, give bagging.members");
        }
        if self.sample_weight.is_some() {
            refusals.push("rows cannot be both weighted and resampled; leave out sample_weight, or bagging");
        }
        if self.penalty.strength.is_some() {
            refusals.push(
                "the search for a strength resamples its folds as the training rows are, by one draw; give l1 and l2 \
                 without \"strength\", or leave out bagging",
            );
        }
        refusals
    }
}
