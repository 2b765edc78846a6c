//! What the diagnosis has to say: what is wrong, what to do about it, and what simple models reach.

use super::Page;
use crate::http::html::escape;
use crate::http::models::plots::{count, short};
use crate::ml::baseline::Baseline;
use crate::ml::diagnose::{Diagnosis, Finding, Severity};

impl Page {
    pub(super) fn findings(&self) -> String {
        let Some(diagnosis) = &self.diagnosis else { return String::new() };
        let findings: String = diagnosis.findings.iter().map(finding).collect();
        format!(
            "<section><h2>What to know about it</h2><p>{}</p>{findings}{}</section>",
            summary(diagnosis),
            self.baselines(diagnosis)
        )
    }

    fn baselines(&self, diagnosis: &Diagnosis) -> String {
        if diagnosis.baselines.is_empty() {
            return String::new();
        }
        let metrics = &self.material.record.report.metrics;
        let own = ["average_precision", "roc_auc", "relative_log_loss"]
            .map(|name| metrics.get(name).and_then(|metric| metric.value));
        let rows: String = std::iter::once(row("this model", own))
            .chain(diagnosis.baselines.iter().map(|baseline| row(name(baseline), numbers(baseline))))
            .collect();
        format!(
            "<div class=\"scroll\"><table><caption>Beside simple models on the same test rows</caption><thead><tr><th \
             scope=\"col\">Model</th><th scope=\"col\" class=\"n\">Average precision</th><th scope=\"col\" class=\"n\">ROC \
             AUC</th><th scope=\"col\" class=\"n\">Relative log loss</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }
}

fn summary(diagnosis: &Diagnosis) -> String {
    let of =
        |severity: Severity| diagnosis.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let passed = diagnosis.checks.iter().filter(|check| check.passed).count() as u64;
    let looked =
        format!("{} of {} checks found nothing to warn of", count(passed), count(diagnosis.checks.len() as u64));
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => format!("{looked}."),
        (errors, warnings) => format!("{looked}. There are {} errors and {} warnings.", count(errors), count(warnings)),
    }
}

fn finding(finding: &Finding) -> String {
    let evidence: Vec<String> = finding
        .evidence
        .numbers()
        .map(|(name, value)| format!("{} {}", escape(&name.replace('_', " ")), short(value)))
        .collect();
    let columns = match finding.columns.is_empty() {
        true => String::new(),
        false => format!("<p>Columns: {}.</p>", escape(&finding.columns.join(", "))),
    };
    let patch = finding.patch.as_ref().and_then(|patch| serde_json::to_string_pretty(patch).ok());
    let patch = patch.map_or(String::new(), |patch| {
        format!(
            "<details><summary>The change to the job</summary><pre tabindex=\"0\">{}</pre></details>",
            escape(&patch)
        )
    });
    format!(
        "<article class=\"finding {severity}\"><h3>{title}</h3><p class=\"muted\">{severity}: <code>{code}</code>{evidence}</p>\
         {columns}<p>{remedy}</p>{patch}</article>",
        severity = finding.severity.as_str(),
        title = escape(&finding.title),
        code = finding.code.as_str(),
        evidence = if evidence.is_empty() { String::new() } else { format!("; {}", evidence.join(", ")) },
        remedy = escape(&finding.remedy),
    )
}

fn name(baseline: &Baseline) -> &'static str {
    match baseline.name.as_str() {
        "constant" => "the prevalence for every row",
        "logistic" => "logistic regression",
        _ => "boosted stumps",
    }
}

fn numbers(baseline: &Baseline) -> [Option<f64>; 3] {
    [baseline.average_precision, baseline.roc_auc, baseline.relative_log_loss]
}

fn row(name: &str, numbers: [Option<f64>; 3]) -> String {
    let cells: String =
        numbers.map(|number| format!("<td class=\"n\">{}</td>", number.map_or("undefined".to_owned(), short))).concat();
    format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>")
}
