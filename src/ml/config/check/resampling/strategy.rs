//! `sampling_strategy`, whose values differ between the families of methods.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Facts;
use crate::ml::config::reader::{FieldError, ObjectReader};
use crate::ml::config::*;
use crate::ml::json::escape;
use crate::ml::labels::ClassCounts;

/// More rows than this are no number of rows.
const MAX_ROWS: u64 = 1_000_000_000;

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
    facts: &Facts<'_>,
    errors: &mut Vec<FieldError>,
) -> SamplingStrategy {
    let auto = SamplingStrategy::Named(NamedStrategy::Auto);
    let Some(value) = step.present("sampling_strategy") else { return auto };
    let classes = Classes { pointer: step.pointer("sampling_strategy"), family, facts };
    match value {
        Value::Object(rows) => return classes.rows(rows, errors),
        Value::Array(labels) => return classes.labels(labels, errors),
        _ => {}
    }
    if let Some(ratio) = value.as_f64() {
        return match ratio_error(ratio, family, facts.counts) {
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

/// A strategy that speaks of classes by their labels.
struct Classes<'a> {
    pointer: String,
    family: Family,
    facts: &'a Facts<'a>,
}

impl Classes<'_> {
    /// Numbers of rows by label.
    fn rows(&self, given: &Map<String, Value>, errors: &mut Vec<FieldError>) -> SamplingStrategy {
        if self.family == Family::Clean {
            self.error(
                "",
                "this method removes rows by rule and takes no numbers of rows; expected a list of labels",
                errors,
            );
        } else if given.is_empty() {
            self.error("", "expected the number of rows of at least one class, by its label", errors);
        }
        let mut rows = BTreeMap::new();
        for (label, value) in given {
            let place = format!("/{}", escape(label));
            self.check_label(label, &place, errors);
            let Some(wanted) = value.as_u64().filter(|wanted| (1..=MAX_ROWS).contains(wanted)) else {
                self.error(&place, format!("expected a number of rows from 1 to {MAX_ROWS}, found {value}"), errors);
                continue;
            };
            if let Some(detail) = self.misses(label, wanted as usize) {
                self.error(&place, detail, errors);
            }
            rows.insert(label.clone(), wanted as usize);
        }
        if self.grows_both(&rows) {
            self.error("", "the step would add rows to both classes; expected a step for each of them", errors);
        }
        SamplingStrategy::Rows(rows)
    }

    /// Labels of classes to clean.
    fn labels(&self, given: &[Value], errors: &mut Vec<FieldError>) -> SamplingStrategy {
        if self.family != Family::Clean {
            self.error("", "only methods that clean take a list of labels; expected numbers of rows by label", errors);
        } else if given.is_empty() {
            self.error("", "expected the label of at least one class", errors);
        }
        let mut labels: Vec<String> = Vec::new();
        for (index, value) in given.iter().enumerate() {
            let place = format!("/{index}");
            match value.as_str() {
                None => self.error(&place, format!("expected a label, a string, found {value}"), errors),
                Some(label) if labels.iter().any(|known| known == label) => {
                    self.error(&place, format!("the label {label:?} is there twice"), errors);
                }
                Some(label) => {
                    self.check_label(label, &place, errors);
                    labels.push(label.to_owned());
                }
            }
        }
        SamplingStrategy::Classes(labels)
    }

    fn check_label(&self, label: &str, place: &str, errors: &mut Vec<FieldError>) {
        if let Some(names) = self.facts.names
            && ![&names.negative, &names.positive].iter().any(|name| *name == label)
        {
            let detail = format!("no class is called {label:?}; expected {:?} or {:?}", names.negative, names.positive);
            self.error(place, detail, errors);
        }
    }

    /// Why the method cannot lead to so many rows, as far as that is known.
    fn misses(&self, label: &str, wanted: usize) -> Option<String> {
        let (names, counts) = (self.facts.names?, self.facts.counts?);
        let class = [false, true].into_iter().find(|&class| names.name(class) == label)?;
        let present = counts.of_class(class);
        match self.family {
            Family::Over if wanted < present => Some(format!(
                "the class has about {present} training rows; a method that adds rows cannot leave it {wanted}"
            )),
            Family::Under if wanted > present => Some(format!(
                "the class has about {present} training rows; a method that removes rows cannot leave it {wanted}"
            )),
            _ => None,
        }
    }

    fn grows_both(&self, rows: &BTreeMap<String, usize>) -> bool {
        let (Some(names), Some(counts)) = (self.facts.names, self.facts.counts) else { return false };
        let grows = |class: bool| rows.get(names.name(class)).is_some_and(|&wanted| wanted > counts.of_class(class));
        self.family == Family::Over && grows(true) && grows(false)
    }

    fn error(&self, place: &str, detail: impl Into<String>, errors: &mut Vec<FieldError>) {
        errors.push(FieldError { pointer: format!("{}{place}", self.pointer), detail: detail.into() });
    }
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
