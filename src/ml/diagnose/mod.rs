//! Why a model fails to learn, or seems to: each cause a small check that goes by numbers, with a remedy.
//!
//! [`survey`](fn@survey) gathers what the rows tell, [`Run`] what a training run left, [`Setting`] what was asked for; the
//! functions `check_*` hold them against the causes, and [`Diagnosis`] is what they say, what is fine included. Every
//! code with its threshold and remedy is in `docs/diagnosis.md`.
//!
//! Nothing here changes a model: a diagnosis reads, and its rows are sampled by streams of the seed that nothing else
//! draws from.

mod checks;
mod code;
mod finding;
mod networks;
mod patch;
mod run;
mod setting;
mod statistics;
mod survey;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::metrics::Verdict;

pub use checks::{Failure, check_config, check_data, check_failure, check_run, check_signal};
pub use code::{Code, Stage};
pub use finding::{Check, Checked, Evidence, Finding, MAX_COLUMNS_NAMED, Severity};
pub use patch::{NoPatch, patch_of};
pub use run::{Run, Scores};
pub use setting::Setting;
pub use survey::{
    Alike, Clue, ColumnFacts, ColumnShift, Conflicts, Grouping, MatrixFacts, Meaning, NearTwins, NumericFacts, Order,
    PartRows, PictureSurvey, Repeats, Sentinel, Survey, SurveyInput, Twins, matrix_facts, order_of, survey,
};

/// What is wrong, what was looked at, and what simple models reach.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Stage by stage, see [`Stage`]; within a stage the most severe first.
    pub findings: Vec<Finding>,
    /// Everything that was looked at, in the order of the codes, what is fine included.
    pub checks: Vec<Check>,
    /// On the same test rows as the model's report; none where the rows cannot be split.
    pub baselines: Vec<Baseline>,
}

impl Diagnosis {
    /// Puts checks into their order. Of several about the same the most severe stays.
    pub fn new(checked: Vec<Checked>, baselines: Vec<Baseline>) -> Self {
        let mut parts: Vec<(Check, Option<Finding>)> = checked.into_iter().map(Checked::into_parts).collect();
        let severity = |part: &(Check, Option<Finding>)| part.1.as_ref().map(|finding| finding.severity);
        parts.sort_by(|a, b| a.0.name.cmp(&b.0.name).then(severity(b).cmp(&severity(a))));
        parts.dedup_by(|later, first| later.0.name == first.0.name);
        let (checks, findings): (Vec<Check>, Vec<Option<Finding>>) = parts.into_iter().unzip();
        let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
        let rank = |finding: &Finding| (finding.code.stage(), std::cmp::Reverse(finding.severity), finding.code);
        findings.sort_by_key(rank);
        Self { findings, checks, baselines }
    }

    pub fn finding(&self, code: Code) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.code == code)
    }

    /// Whether there is a warning or an error.
    pub fn is_troubled(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity > Severity::Info)
    }

    /// Takes the good word back from a model whose decisions or probabilities are no better than a constant's.
    pub fn held_against(&self, verdict: Verdict) -> Verdict {
        let useless = [Code::AccuracyParadox, Code::MajorityCollapse, Code::InvertedRanking];
        let is_useless = |finding: &Finding| finding.severity == Severity::Error && useless.contains(&finding.code);
        match verdict {
            Verdict::Ok if self.findings.iter().any(is_useless) => Verdict::NoSkill,
            verdict => verdict,
        }
    }
}
