//! The threshold that serves a stated aim best on validation rows.

use serde::{Deserialize, Serialize};

use super::prevalence::ClassScale;
use super::ranking::{Cut, Ranking};
use super::{ConfusionMatrix, Undefined};
use crate::ml::config::{DecidedOn, ThresholdRule};
use crate::ml::sets::EvalSet;

/// Used where the validation rows cannot decide.
const UNDECIDED: f64 = 0.5;

/// A threshold, and whether it does what the rule asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenThreshold {
    /// In `0..=1`; a row is predicted positive iff its probability is at least this.
    pub value: f64,
    /// Whether the rule is met on the validation rows; if not, `value` is the nearest that can be had.
    pub met: bool,
    /// What there is to say about the choice, with numbers.
    pub note: Option<String>,
}

/// What a threshold was chosen on, and how sure the choice is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdBasis {
    /// `validation` or `out_of_fold`: never the rows that the report is computed on.
    pub computed_on: String,
    pub rows: usize,
    pub positives: usize,
    /// Whether the rule is met on these rows; if not, the threshold is the nearest that can be had.
    pub met: bool,
    /// What there is to say about the choice, with numbers.
    pub note: Option<String>,
    /// The thresholds that the same rule chooses on bootstrap samples of these rows: the central part at the configured
    /// confidence. `None` of a fixed threshold and without a bootstrap.
    pub ci: Option<[f64; 2]>,
}

impl ChosenThreshold {
    /// The choice as it is kept, made on such rows with these labels.
    pub fn basis(&self, on: DecidedOn, labels: &[bool], ci: Option<[f64; 2]>) -> ThresholdBasis {
        ThresholdBasis {
            computed_on: on.name().to_owned(),
            rows: labels.len(),
            positives: labels.iter().filter(|&&label| label).count(),
            met: self.met,
            note: self.note.clone(),
            ci,
        }
    }
}

/// Tries every way in which a threshold can part the validation rows; O(n log n).
///
/// The value lies in the middle between the lowest accepted score and the next lower one, which is more robust
/// than either; the threshold that accepts all rows is 0, the one that accepts none is 1 (and is not to be had
/// if a row has the probability 1). Of equally good thresholds the highest is taken: the fewest alarms for the
/// same merit. MCC counts as 0 where it is undefined, as a constant prediction is worth nothing.
pub fn choose(rule: &ThresholdRule, validation: &EvalSet, probabilities: &[f64]) -> ChosenThreshold {
    choose_at(rule, validation, probabilities, None)
}

/// As [`choose`], with precision, costs and all other measures as they would be at another share of positives.
pub fn choose_at(
    rule: &ThresholdRule,
    validation: &EvalSet,
    probabilities: &[f64],
    prevalence: Option<f64>,
) -> ChosenThreshold {
    let scale = ClassScale::of_labels(validation.labels(), prevalence);
    match (rule, Ranking::of_probabilities(validation.labels(), probabilities)) {
        (ThresholdRule::Fixed { value }, _) => ChosenThreshold { value: *value, met: true, note: None },
        (rule, Ok(ranking)) => choose_among(rule, &ranking.cuts(), scale),
        (rule, Err(reason)) => undecided(rule, reason),
    }
}

/// As [`choose`], on the cuts of a ranking, each class counting as `scale` says.
pub fn choose_among(rule: &ThresholdRule, cuts: &[Cut], scale: ClassScale) -> ChosenThreshold {
    if let ThresholdRule::Fixed { value } = *rule {
        return ChosenThreshold { value, met: true, note: None };
    }
    match candidates(cuts).and_then(|found| needs_both_classes(rule, found)) {
        Ok(candidates) => best(rule, &candidates, scale),
        Err(reason) => undecided(rule, reason),
    }
}

/// One way to part the rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) value: f64,
    /// The lowest accepted score, if a row is accepted.
    pub(super) lowest: Option<f64>,
    pub(super) counts: ConfusionMatrix,
}

/// What a rule makes the most of, then what decides between equals; the greater the better.
type Merit = (f64, f64);

/// From the highest threshold to the lowest.
///
/// # Errors
/// If there is no row.
pub(super) fn candidates(cuts: &[Cut]) -> Result<Vec<Candidate>, Undefined> {
    let (Some(highest), Some(all)) = (cuts.first(), cuts.last()) else { return Err(Undefined::NoRows) };
    let mut candidates = Vec::with_capacity(cuts.len() + 1);
    if highest.score < 1.0 {
        let counts = ConfusionMatrix { tp: 0, fp: 0, fn_: all.tp, tn: all.fp };
        candidates.push(Candidate { value: 1.0, lowest: None, counts });
    }
    for (index, cut) in cuts.iter().enumerate() {
        let value = cuts.get(index + 1).map_or(0.0, |next| between(next.score, cut.score));
        let counts = ConfusionMatrix { tp: cut.tp, fp: cut.fp, fn_: all.tp - cut.tp, tn: all.fp - cut.fp };
        candidates.push(Candidate { value, lowest: Some(cut.score), counts });
    }
    Ok(candidates)
}

/// The middle, or `accepted` where rounding would let `rejected` pass.
fn between(rejected: f64, accepted: f64) -> f64 {
    let middle = rejected + (accepted - rejected) / 2.0;
    if middle > rejected { middle } else { accepted }
}

fn needs_both_classes(rule: &ThresholdRule, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, Undefined> {
    if matches!(rule, ThresholdRule::MinCost { .. } | ThresholdRule::AlertRate { .. }) {
        return Ok(candidates);
    }
    let counts = candidates.first().map(|candidate| candidate.counts).unwrap_or_default();
    super::curve::both_classes(counts.positives(), counts.negatives()).map(|()| candidates)
}

fn best(rule: &ThresholdRule, candidates: &[Candidate], scale: ClassScale) -> ChosenThreshold {
    if let Some(found) = highest(candidates, |counts| merit(rule, scale.apply(counts))) {
        return ChosenThreshold { value: found.value, met: true, note: remark(rule, found.counts) };
    }
    let nearest = highest(candidates, |counts| nearness(rule, scale.apply(counts)));
    let value = nearest.map_or(UNDECIDED, |found| found.value);
    ChosenThreshold { value, met: false, note: nearest.map(|found| shortfall(rule, found.counts, scale)) }
}

/// The first of those with the greatest merit.
fn highest(candidates: &[Candidate], merit: impl Fn(ConfusionMatrix) -> Option<Merit>) -> Option<Candidate> {
    let mut best: Option<(Merit, Candidate)> = None;
    for candidate in candidates {
        let Some(merit) = merit(candidate.counts) else { continue };
        if best.is_none_or(|(greatest, _)| merit > greatest) {
            best = Some((merit, *candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `None` where the rule is not met.
fn merit(rule: &ThresholdRule, counts: ConfusionMatrix) -> Option<Merit> {
    let single = |merit: f64| Some((merit, 0.0));
    match *rule {
        ThresholdRule::Fixed { .. } => None,
        ThresholdRule::MaxFBeta { beta } => single(counts.f_beta(beta).ok()?),
        ThresholdRule::MaxMcc => single(counts.mcc().unwrap_or(0.0)),
        // Twice the balanced accuracy times both class sizes: whole numbers, so that equals compare as equal.
        ThresholdRule::MaxBalancedAccuracy => {
            single(counts.tp as f64 * counts.negatives() as f64 + counts.tn as f64 * counts.positives() as f64)
        }
        ThresholdRule::MinCost { false_positive, false_negative } => {
            single(-(counts.fp as f64 * false_positive + counts.fn_ as f64 * false_negative))
        }
        ThresholdRule::RecallAtPrecision { precision } => {
            let reached = counts.precision().ok().filter(|&reached| reached >= precision)?;
            Some((counts.recall().ok()?, reached))
        }
        ThresholdRule::PrecisionAtRecall { recall } => {
            let reached = counts.recall().ok().filter(|&reached| reached >= recall)?;
            Some((counts.precision().ok()?, reached))
        }
        ThresholdRule::AlertRate { fraction } => Some((alert_rate(counts), 0.0)).filter(|&(rate, _)| rate <= fraction),
    }
}

/// How near a threshold comes to a rule that none meets.
fn nearness(rule: &ThresholdRule, counts: ConfusionMatrix) -> Option<Merit> {
    match rule {
        ThresholdRule::RecallAtPrecision { .. } => Some((counts.precision().ok()?, counts.recall().ok()?)),
        ThresholdRule::AlertRate { .. } => Some((-alert_rate(counts), 0.0)),
        _ => None,
    }
}

fn alert_rate(counts: ConfusionMatrix) -> f64 {
    counts.predicted_positive() as f64 / counts.total() as f64
}

/// What the user should know of a rule that is met.
fn remark(rule: &ThresholdRule, counts: ConfusionMatrix) -> Option<String> {
    let rows = counts.total();
    if counts.predicted_positive() == 0 {
        return Some(format!("none of the {rows} validation rows is predicted positive at this threshold"));
    }
    if counts.predicted_negative() == 0 && !matches!(rule, ThresholdRule::AlertRate { fraction: 1.0 }) {
        return Some(format!("all {rows} validation rows are predicted positive at this threshold"));
    }
    None
}

fn shortfall(rule: &ThresholdRule, counts: ConfusionMatrix, scale: ClassScale) -> String {
    let rows = counts.total();
    let predicted = counts.predicted_positive();
    let counts = scale.apply(counts);
    match rule {
        ThresholdRule::RecallAtPrecision { precision } => format!(
            "no threshold reaches a precision of {precision} on the {rows} validation rows; the highest is {:.4}, at \
             a recall of {:.4}",
            counts.precision().unwrap_or(0.0),
            counts.recall().unwrap_or(0.0)
        ),
        ThresholdRule::AlertRate { fraction } => format!(
            "{} of the {rows} validation rows have the probability 1 and are predicted positive at any threshold: a \
             share of {:.4} where at most {fraction} was asked for",
            predicted,
            alert_rate(counts)
        ),
        _ => format!("no threshold meets the rule on the {rows} validation rows"),
    }
}

/// Costs alone give a threshold on a calibrated probability (Elkan 2001, equation 2); other rules give none.
fn undecided(rule: &ThresholdRule, reason: Undefined) -> ChosenThreshold {
    let value = match *rule {
        ThresholdRule::MinCost { false_positive, false_negative } => false_positive / (false_positive + false_negative),
        _ => UNDECIDED,
    };
    let note = format!("the validation rows cannot decide ({reason}); the threshold is set to {value}");
    ChosenThreshold { value, met: false, note: Some(note) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn chosen(rule: &ThresholdRule, labels: &[bool], probabilities: &[f64]) -> ChosenThreshold {
        let validation = EvalSet::new(Array2::zeros((labels.len(), 0)), labels.to_vec());
        choose(rule, &validation, probabilities)
    }

    #[test]
    fn the_value_lies_between_the_neighbours() {
        let found = chosen(&ThresholdRule::MaxMcc, &[false, true, true], &[0.2, 0.6, 0.9]);
        assert!((found.value - 0.4).abs() < 1e-15);
        assert!(found.met && found.note.is_none());
    }

    #[test]
    fn neighbours_without_a_number_between_are_still_parted() {
        let lower = 0.5_f64;
        assert_eq!(between(lower, lower.next_up()), lower.next_up());
    }

    #[test]
    fn an_unreachable_precision_gives_the_highest_there_is_and_says_so() {
        let rule = ThresholdRule::RecallAtPrecision { precision: 0.99 };
        let found = chosen(&rule, &[false, true, true, false], &[0.9, 0.8, 0.7, 0.1]);
        assert!(!found.met);
        assert!((found.value - 0.4).abs() < 1e-15);
        let note = "no threshold reaches a precision of 0.99 on the 4 validation rows; the highest is 0.6667, at a \
                    recall of 1.0000";
        assert_eq!(found.note.as_deref(), Some(note));
    }

    #[test]
    fn an_alert_rate_is_never_exceeded_by_ties() {
        let rule = ThresholdRule::AlertRate { fraction: 0.25 };
        let found = chosen(&rule, &[true, false, false, false], &[0.8, 0.8, 0.1, 0.1]);
        assert_eq!((found.value, found.met), (1.0, true));
        assert!(found.note.unwrap().starts_with("none of the 4"));
        let sure = chosen(&rule, &[true, false, false, false], &[1.0, 1.0, 0.1, 0.1]);
        assert_eq!((sure.value, sure.met), (0.55, false));
    }

    #[test]
    fn costs_may_ask_to_predict_nothing_or_everything() {
        let cost = |false_positive, false_negative| ThresholdRule::MinCost { false_positive, false_negative };
        let (labels, scores) = ([false, true, false], [0.9, 0.5, 0.1]);
        assert_eq!(chosen(&cost(10.0, 1.0), &labels, &scores).value, 1.0);
        assert_eq!(chosen(&cost(1.0, 1.0), &[true, true], &[0.3, 0.2]).value, 0.0);
    }

    #[test]
    fn at_another_prevalence_each_class_counts_by_what_there_will_be_of_it() {
        // One positive in four here, one in a thousand there: the false alarm above the positive costs more than it.
        let (labels, scores) = (vec![true, false, false, false], vec![0.7, 0.8, 0.2, 0.1]);
        let validation = EvalSet::new(Array2::zeros((4, 0)), labels);
        let rule = ThresholdRule::MinCost { false_positive: 1.0, false_negative: 3.0 };
        let at = |prevalence| choose_at(&rule, &validation, &scores, prevalence).value;
        assert!((at(None) - 0.45).abs() < 1e-15);
        assert_eq!(at(Some(0.001)), 1.0);
        assert_eq!(choose_at(&rule, &validation, &scores, Some(0.25)), choose(&rule, &validation, &scores));
    }

    #[test]
    fn one_class_cannot_decide() {
        let found = chosen(&ThresholdRule::MaxMcc, &[false, false], &[0.1, 0.3]);
        assert_eq!((found.value, found.met), (0.5, false));
        assert!(found.note.unwrap().contains("no row is positive"));
        let empty = chosen(&ThresholdRule::MinCost { false_positive: 1.0, false_negative: 3.0 }, &[], &[]);
        assert_eq!((empty.value, empty.met), (0.25, false));
    }
}
