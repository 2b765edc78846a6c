//! The parts of the page, from the verdict to where it all comes from.

use super::{Page, words};
use crate::draw::{DrawError, Theme};
use crate::http::html::escape;
use crate::http::models::plots::{Plot, count, interval, share, short};
use crate::ml::metrics::Metric;
use crate::records::Verdict;

/// Columns of the importance table, and features of the data table.
const MAX_ROWS: usize = 30;

/// The order in which metrics are shown; others follow by name.
const FIRST: [&str; 10] = [
    "average_precision",
    "roc_auc",
    "relative_log_loss",
    "precision",
    "recall",
    "f1",
    "mcc",
    "balanced_accuracy",
    "specificity",
    "accuracy",
];

impl Page {
    pub(super) fn heading(&self) -> String {
        let record = &self.material.record;
        let (heading, sentence) = words::verdict(record);
        let class = if record.verdict == Verdict::Ok { "ok" } else { "bad" };
        let report = &record.report;
        format!(
            "<header><small>Evenkeel model report</small><h1>{}, version {}</h1>\
             <p class=\"muted\">Predicts <b>{}</b> against <b>{}</b>; {} test rows, {} of them positive ({}).</p></header>\
             <section class=\"verdict {class}\" aria-label=\"Verdict\"><strong>{heading}</strong>{}</section>",
            escape(&record.name),
            record.version,
            escape(&record.classes.positive),
            escape(&record.classes.negative),
            count(report.rows as u64),
            count(report.positives as u64),
            share(report.prevalence),
            escape(&sentence),
        )
    }

    pub(super) fn metrics(&self) -> String {
        let report = &self.material.record.report;
        let first = FIRST.iter().filter_map(|&name| Some((name, report.metrics.get(name)?)));
        let others = report.metrics.iter().map(|(name, metric)| (name.as_str(), metric));
        let others = others.filter(|(name, _)| !FIRST.contains(name));
        let row = |(name, metric): (&str, &Metric)| {
            let value = metric.value.map_or("undefined".to_owned(), short);
            let no_skill = metric.no_skill.map_or("–".to_owned(), short);
            let words = escape(&words::metric(name, metric, report));
            let ci = interval(metric.ci);
            let name = escape(&name.replace('_', " "));
            format!(
                "<tr><th scope=\"row\">{name}</th><td class=\"n\">{value}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{no_skill}</td><td>{words}</td></tr>",
                ci.trim(),
            )
        };
        let rows: String = first.chain(others).map(row).collect();
        let confidence = self.material.dossier.as_ref().map_or(String::new(), |dossier| {
            format!(" Intervals hold {} of bootstrap samples of these rows.", share(dossier.evaluation.confidence))
        });
        format!(
            "<section><h2>What it is worth</h2><p>On the test rows, at the data's own prevalence, beside what a model \
             without any skill reaches.{confidence}</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Metric\
             </th><th scope=\"col\" class=\"n\">Value</th><th scope=\"col\" class=\"n\">Interval</th><th scope=\"col\" \
             class=\"n\">No skill</th><th scope=\"col\">In words</th></tr></thead><tbody>{rows}</tbody></table></div>\
             </section>"
        )
    }

    pub(super) fn decisions(&self) -> String {
        let record = &self.material.record;
        let mut html = format!(
            "<section><h2>What it decides</h2><p>A row is called <b>{}</b> where its probability is at least <b>{}</b>: \
             {}.",
            escape(&record.classes.positive),
            short(record.threshold),
            escape(&words::rule(&record.threshold_rule)),
        );
        if let Some(basis) = &record.threshold_basis {
            html.push_str(&format!(
                " Chosen on {} {} rows",
                count(basis.rows as u64),
                basis.computed_on.replace('_', "-")
            ));
            if let Some(ci) = basis.ci {
                html.push_str(&format!("; on bootstrap samples of them it lies in{}", interval(Some(ci))));
            }
            html.push('.');
            if let Some(note) = basis.note.as_ref() {
                html.push_str(&format!(" Note: {}.", escape(note)));
            }
        }
        html.push_str("</p>");
        if let Some(sentence) = words::per_thousand(record.report.confusion_matrix) {
            html.push_str(&format!("<p>{sentence}</p>"));
        }
        html.push_str(&self.per_class());
        html.push_str("</section>");
        html
    }

    fn per_class(&self) -> String {
        let cell = |metric: &Metric| {
            let value = metric.value.map_or("undefined".to_owned(), short);
            format!("<td class=\"n\">{value}{}</td>", interval(metric.ci))
        };
        let row = |(label, class): (&String, &crate::ml::metrics::ClassReport)| {
            format!(
                "<tr><th scope=\"row\">{}</th>{}{}{}<td class=\"n\">{}</td></tr>",
                escape(label),
                cell(&class.precision),
                cell(&class.recall),
                cell(&class.f1),
                count(class.support)
            )
        };
        let rows: String = self.material.record.report.per_class.iter().map(row).collect();
        format!(
            "<div class=\"scroll\"><table><caption>By class, with intervals</caption><thead><tr><th scope=\"col\">Class\
             </th><th scope=\"col\" class=\"n\">Precision</th><th scope=\"col\" class=\"n\">Recall</th><th scope=\"col\" \
             class=\"n\">F1</th><th scope=\"col\" class=\"n\">Rows</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }

    pub(super) fn pictures(&self) -> Result<String, DrawError> {
        let mut html = String::from("<section><h2>Pictures</h2><div class=\"plots\">");
        for plot in Plot::ALL {
            let figure = self.material.figure(plot);
            // Drawn for light: the page's own style has the dark colours.
            let svg = crate::draw::svg(&figure, Theme::Light)?;
            html.push_str(&format!("<figure>{svg}<figcaption>{}</figcaption></figure>", escape(&figure.description)));
        }
        html.push_str("</div></section>");
        Ok(html)
    }

    pub(super) fn columns(&self) -> String {
        let Some(dossier) = &self.material.dossier else { return String::new() };
        let importance = &dossier.explanation.importance;
        let mut columns: Vec<_> = importance.columns.iter().collect();
        columns.sort_by(|a, b| b.average_precision.value.total_cmp(&a.average_precision.value));
        let row = |column: &&crate::ml::explain::ColumnImportance| {
            let cell = |drop: crate::ml::explain::Drop| {
                format!("<td class=\"n\">{}{}</td>", short(drop.value), interval(Some(drop.ci)))
            };
            let name = escape(&column.column);
            format!("<tr><th scope=\"row\">{name}</th>{}{}</tr>", cell(column.average_precision), cell(column.log_loss))
        };
        let rows: String = columns.iter().take(MAX_ROWS).map(row).collect();
        if rows.is_empty() {
            return String::new();
        }
        format!(
            "<section><h2>What it goes by</h2><p>How much worse the model is when the values of one column are shuffled \
             among {} test rows. Of two columns that say the same, either may look unimportant.</p><div class=\"scroll\">\
             <table><thead><tr><th scope=\"col\">Column</th><th scope=\"col\" class=\"n\">Average precision falls by\
             </th><th scope=\"col\" class=\"n\">Log loss rises by</th></tr></thead><tbody>{rows}</tbody></table></div>{}\
             </section>",
            count(importance.rows as u64),
            left_out(columns.len()),
        )
    }

    pub(super) fn data(&self) -> String {
        let record = &self.material.record;
        let dataset = match &self.dataset {
            None if record.dataset_id.is_none() => {
                "<p>The model was imported; its data and its report are what its file says.</p>".to_owned()
            }
            None => "<p>The dataset has been deleted since.</p>".to_owned(),
            Some(dataset) => {
                let classes: Vec<String> = dataset
                    .class_counts
                    .iter()
                    .map(|(label, rows)| format!("{} {}", escape(label), count(*rows)))
                    .collect();
                format!(
                    "<p><b>{}</b>: {} rows; {} in the column <b>{}</b>.</p>",
                    escape(&dataset.name),
                    count(dataset.rows),
                    classes.join(", "),
                    escape(&dataset.target),
                )
            }
        };
        let stage = |stage: &crate::ml::pipeline::StageCounts| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                escape(&stage.stage.replace('_', " ")),
                count(stage.counts.positive as u64),
                count(stage.counts.negative as u64)
            )
        };
        let stages: String = record.training.class_counts.iter().map(stage).collect();
        let feature = |feature: &crate::records::ModelFeature| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                escape(&feature.name),
                feature.column_type.as_str(),
                escape(&feature.missing_policy)
            )
        };
        let features: String = record.features.iter().take(MAX_ROWS).map(feature).collect();
        format!(
            "<section><h2>Data</h2>{dataset}<div class=\"scroll\"><table><caption>Rows by part, and of the training part \
             after each resampling step</caption><thead><tr><th scope=\"col\">Part</th><th scope=\"col\" class=\"n\">\
             Positive</th><th scope=\"col\" class=\"n\">Negative</th></tr></thead><tbody>{stages}</tbody></table></div>\
             <div class=\"scroll\"><table><caption>Columns that the model reads</caption><thead><tr><th scope=\"col\">\
             Column</th><th scope=\"col\">Type</th><th scope=\"col\">Missing values</th></tr></thead><tbody>{features}\
             </tbody></table></div>{}</section>",
            left_out(record.features.len()),
        )
    }

    pub(super) fn provenance(&self) -> String {
        let record = &self.material.record;
        let training = &record.training;
        let mut entries = vec![
            ("Model", record.id.to_string()),
            ("Artifact (SHA-256)", record.sha256.clone()),
            ("Job", or_imported(record.job_id)),
            ("Dataset", or_imported(record.dataset_id)),
            (if record.job_id.is_some() { "Trained" } else { "Imported" }, record.created_at.to_rfc3339()),
            (
                "Training",
                format!(
                    "{} epochs, best {}; ended by {}",
                    training.epochs_run,
                    training.best_epoch,
                    training.stopped_by.replace('_', " ")
                ),
            ),
            ("Report by", format!("Evenkeel {}", env!("CARGO_PKG_VERSION"))),
        ];
        if let Some(dataset) = &self.dataset {
            entries.insert(4, ("Data (SHA-256)", dataset.sha256.clone()));
        }
        let list: String = entries
            .iter()
            .map(|(name, value)| format!("<dt>{name}</dt><dd><code>{}</code></dd>", escape(value)))
            .collect();
        let config = self.job.as_ref().and_then(|job| serde_json::to_string_pretty(&job.config).ok());
        let config = config.map_or(String::new(), |config| {
            format!(
                "<details open><summary>The whole configuration</summary><pre tabindex=\"0\">{}</pre></details>",
                escape(&config)
            )
        });
        format!("<section><h2>Where it comes from</h2><dl>{list}</dl>{config}</section>")
    }
}

fn left_out(rows: usize) -> String {
    match rows.checked_sub(MAX_ROWS) {
        Some(more @ 1..) => format!("<p class=\"muted\">and {} more</p>", count(more as u64)),
        _ => String::new(),
    }
}

/// An id, or why there is none.
fn or_imported(id: Option<impl std::fmt::Display>) -> String {
    id.map_or_else(|| "none: imported".to_owned(), |id| id.to_string())
}
