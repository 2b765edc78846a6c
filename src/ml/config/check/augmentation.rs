//! Noise on the training rows: `augment`.

use crate::ml::config::reader::{FieldError, ObjectReader, Range};
use crate::ml::config::*;

pub(super) fn check_augment(
    reader: &mut ObjectReader<'_>,
    limits: &ConfigLimits,
    errors: &mut Vec<FieldError>,
) -> Vec<AugmentStep> {
    let mut steps = Vec::new();
    for (pointer, value) in reader.array("augment", limits.max_resample_steps, errors) {
        let mut step = ObjectReader::new(value, pointer, errors);
        if value.is_object() && step.present("method").is_none() {
            step.error("method", "each step needs a method: one of gaussian_noise", errors);
        }
        step.choice("method", (), &[("gaussian_noise", ())], errors);
        steps.push(AugmentStep {
            method: AugmentMethod::GaussianNoise { std: step.number("std", 0.05, Range::Above(0.0, 100.0), errors) },
            probability: step.number("probability", 1.0, Range::Above(0.0, 1.0), errors),
            classes: step.choice(
                "classes",
                AugmentClasses::Minority,
                &[("minority", AugmentClasses::Minority), ("all", AugmentClasses::All)],
                errors,
            ),
        });
        step.finish(errors);
    }
    steps
}
