//! `sampling_strategy`, whose values differ between the families of methods.

use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::*;
use crate::ml::labels::ClassCounts;

/// The families of methods differ in what `sampling_strategy` may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Family {
    Over,
    Under,
    Clean,
}

pub(super) fn check_strategy(
    step: &mut ObjectReader<'_>,
    family: Family,
    counts: Option<ClassCounts>,
    errors: &mut Vec<FieldError>,
) -> SamplingStrategy {
    let auto = SamplingStrategy::Named(NamedStrategy::Auto);
    let Some(value) = step.present("sampling_strategy") else { return auto };
    if let Some(ratio) = value.as_f64() {
        return match ratio_error(ratio, family, counts) {
            None => SamplingStrategy::Ratio(ratio),
            Some(detail) => {
                step.error("sampling_strategy", detail, errors);
                auto
            }
        };
    }
    let names: &[(&str, NamedStrategy)] = match family {
        Family::Over => &[
            ("auto", NamedStrategy::Auto),
            ("minority", NamedStrategy::Minority),
            ("not minority", NamedStrategy::NotMinority),
            ("not majority", NamedStrategy::NotMajority),
            ("all", NamedStrategy::All),
        ],
        Family::Under | Family::Clean => &[
            ("auto", NamedStrategy::Auto),
            ("majority", NamedStrategy::Majority),
            ("not minority", NamedStrategy::NotMinority),
            ("not majority", NamedStrategy::NotMajority),
            ("all", NamedStrategy::All),
        ],
    };
    SamplingStrategy::Named(step.choice("sampling_strategy", NamedStrategy::Auto, names, errors))
}

/// What is wrong with a ratio, if anything.
fn ratio_error(ratio: f64, family: Family, counts: Option<ClassCounts>) -> Option<String> {
    if family == Family::Clean {
        return Some("this method removes rows by rule and takes no ratio; expected \"auto\" or \"all\"".to_owned());
    }
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Some(format!("expected a ratio minority/majority above 0 and at most 1, found {ratio}"));
    }
    let counts = counts?;
    let minority = counts.positive.min(counts.negative) as f64;
    let majority = counts.positive.max(counts.negative) as f64;
    let present = minority / majority;
    (ratio < present).then(|| {
        format!(
            "the training rows already have a ratio of about {present:.4}; expected a ratio above it, found {ratio}"
        )
    })
}
