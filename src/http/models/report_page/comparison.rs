//! What the model was chosen from, if it is the model of a comparison.

use super::Page;
use crate::draw::{DrawError, Theme, svg};
use crate::http::compared::{self, Standing};
use crate::http::html::escape;
use crate::http::models::plots::{interval, short};
use crate::ml::compare::CandidateSummary;

impl Page {
    pub(super) fn comparison(&self) -> Result<String, DrawError> {
        let Some(table) = &self.comparison else { return Ok(String::new()) };
        let figure = compared::figure(table);
        // Drawn for light: the page's own style has the dark colours.
        let picture = svg(&figure, Theme::Light)?;
        let row = |candidate: &CandidateSummary| {
            let summary = compared::compared_by(candidate, table);
            let value = summary.map_or("none".to_owned(), |summary| short(summary.mean));
            let ci = interval(summary.and_then(|summary| summary.ci));
            let versus = candidate.versus_best;
            let difference = versus.map_or(String::new(), |versus| short(versus.difference));
            let sure = interval(versus.and_then(|versus| versus.ci));
            let p = versus.and_then(|versus| versus.p_value).map_or(String::new(), short);
            let words = match &candidate.failure {
                Some(failure) => format!("{}: {}", Standing::of(candidate, table).words(), escape(failure)),
                None => Standing::of(candidate, table).words().to_owned(),
            };
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{value}{ci}</td><td class=\"n\">{difference}{sure}</td>\
                 <td class=\"n\">{p}</td><td class=\"n\">{}</td><td>{words}</td></tr>",
                escape(&candidate.name),
                compared::seconds(candidate.seconds),
            )
        };
        let rows: String = table.candidates.iter().map(row).collect();
        Ok(format!(
            "<section><h2>What it was chosen from</h2><p>{}</p><p class=\"muted\">{}. The rows of the report below took no \
             part in it.</p><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Candidate</th><th scope=\"col\" \
             class=\"n\">{}</th><th scope=\"col\" class=\"n\">Difference from the best</th><th scope=\"col\" class=\"n\">p\
             </th><th scope=\"col\" class=\"n\">Seconds a fold</th><th scope=\"col\">Outcome</th></tr></thead><tbody>{rows}\
             </tbody></table></div><div class=\"plots\"><figure>{picture}<figcaption>{}</figcaption></figure></div></section>",
            escape(&table.statement),
            escape(&compared::basis(table)),
            escape(&table.metric.replace('_', " ")),
            escape(&figure.description),
        ))
    }
}
