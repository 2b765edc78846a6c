//! `GET /v1/models/{model_id}/plots/{plot}`: pictures of a model, each from its own address.

mod curves;
mod decisions;
mod probabilities;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::dossiers::dossier;
use super::find;
use crate::draw::{Body, Figure, Theme};
use crate::http::AppState;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Query;
use crate::http::picture;
use crate::ml::dossier::Dossier;
use crate::ml::metrics::Costs;
use crate::ml::observe::EpochLog;
use crate::records::{ModelId, ModelRecord};

pub(super) use crate::http::words::{count, interval, share, short};

/// Every picture of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plot {
    LearningCurves,
    Roc,
    PrecisionRecall,
    Reliability,
    ScoreHistogram,
    ConfusionMatrix,
    CostAgainstThreshold,
    Importances,
}

/// What pictures are made of.
pub(super) struct Material {
    pub(super) record: ModelRecord,
    /// Models made by older versions have none.
    pub(super) dossier: Option<Arc<Dossier>>,
    pub(super) epochs: Vec<EpochLog>,
    pub(super) costs: Costs,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Path((id, plot)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let malformed = || ApiError::new(Code::MalformedRequest, "the id in the path is not a UUID");
    let id: ModelId = Some(&id).filter(|id| id.len() == 36).and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
    let (theme, costs) = options(query)?;
    let plot = Plot::named(&plot).ok_or_else(|| {
        let names: Vec<String> = Plot::ALL.iter().map(|plot| format!("{}.svg", plot.name())).collect();
        ApiError::new(Code::NotFound, format!("there is no such plot; there are {}", names.join(", ")))
    })?;
    let record = find(&state, id).await?;
    let material = Material::load(&state, record, costs).await?;
    picture::answer(&headers, theme, move || material.figure(plot)).await
}

fn options(mut query: Query) -> Result<(Theme, Costs), ApiError> {
    let theme = picture::theme(&mut query);
    let costs = costs(&mut query);
    query.finish()?;
    Ok((theme, costs))
}

/// What mistakes cost, 1 each unless the query says otherwise.
pub(super) fn costs(query: &mut Query) -> Costs {
    let costs = Costs {
        false_positive: query.number("false_positive", 1.0, 0.0, 1e12),
        false_negative: query.number("false_negative", 1.0, 0.0, 1e12),
    };
    if costs.false_positive + costs.false_negative == 0.0 {
        query.error("false_negative", "expected a cost above 0 of one kind of mistake, found none");
    }
    costs
}

impl Plot {
    pub(super) const ALL: [Plot; 8] = [
        Plot::LearningCurves,
        Plot::Roc,
        Plot::PrecisionRecall,
        Plot::Reliability,
        Plot::ScoreHistogram,
        Plot::ConfusionMatrix,
        Plot::CostAgainstThreshold,
        Plot::Importances,
    ];

    /// The name in its address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Plot::LearningCurves => "learning_curves",
            Plot::Roc => "roc",
            Plot::PrecisionRecall => "precision_recall",
            Plot::Reliability => "reliability",
            Plot::ScoreHistogram => "score_histogram",
            Plot::ConfusionMatrix => "confusion_matrix",
            Plot::CostAgainstThreshold => "cost_against_threshold",
            Plot::Importances => "importances",
        }
    }

    fn named(file: &str) -> Option<Self> {
        let name = file.strip_suffix(".svg")?;
        Plot::ALL.into_iter().find(|plot| plot.name() == name)
    }
}

impl Material {
    pub(super) async fn load(state: &AppState, record: ModelRecord, costs: Costs) -> Result<Self, ApiError> {
        let dossier = match record.dossier_sha256 {
            Some(_) => Some(dossier(state, &record).await?),
            None => None,
        };
        let epochs = match record.job_id {
            Some(job_id) => state.store.epochs(job_id).await?,
            None => Vec::new(),
        };
        Ok(Self { record, dossier, epochs, costs })
    }

    pub(super) fn figure(&self, plot: Plot) -> Figure {
        match plot {
            Plot::LearningCurves => self.learning_curves(),
            Plot::Roc => self.roc(),
            Plot::PrecisionRecall => self.precision_recall(),
            Plot::Reliability => self.reliability(),
            Plot::ScoreHistogram => self.score_histogram(),
            Plot::ConfusionMatrix => self.confusion_matrix(),
            Plot::CostAgainstThreshold => self.cost_against_threshold(),
            Plot::Importances => self.importances(),
        }
    }

    /// How many test rows there are.
    fn test_rows(&self) -> String {
        let report = &self.record.report;
        format!("{} test rows, {} of them positive", count(report.rows as u64), count(report.positives as u64))
    }

    /// A metric of the report in words.
    fn metric(&self, name: &str, shown: &str) -> String {
        self.record.report.metrics.get(name).map_or(String::new(), |metric| match metric.value {
            Some(value) => format!("{shown} {}{}", short(value), interval(metric.ci)),
            None => format!("{shown} is undefined"),
        })
    }
}

/// A figure without anything to draw.
fn nothing(title: &str, reason: impl Into<String>) -> Figure {
    let reason = reason.into();
    Figure {
        title: title.to_owned(),
        subtitle: String::new(),
        description: reason.clone(),
        body: Body::Nothing(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_found_by_its_file_name() {
        for plot in Plot::ALL {
            assert_eq!(Plot::named(&format!("{}.svg", plot.name())), Some(plot));
        }
        for wrong in ["roc", "roc.png", "", ".svg", "ROC.svg"] {
            assert_eq!(Plot::named(wrong), None, "{wrong}");
        }
    }
}
