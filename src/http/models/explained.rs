//! What each column contributed to a prediction, on request.

use serde::Serialize;

use crate::http::error::{ApiError, Code};
use crate::http::problem::FieldProblem;
use crate::ml::calibrate::Calibrator;
use crate::ml::dossier::Dossier;
use crate::ml::explain::{
    Attributed, Attribution, AttributionMethod, Contribution, ExplainError, LogOddsScale, attribute,
};
use crate::ml::model::Model;
use crate::ml::table::Table;

/// Rows that are explained at once.
const MAX_ROWS: usize = 100;
/// Contributions in one answer.
const MAX_CONTRIBUTIONS: usize = 100_000;

/// What holds for all rows.
#[derive(Debug, Serialize)]
pub(super) struct ExplanationView {
    method: AttributionMethod,
    scale: LogOddsScale,
    /// The score of the mean of the training rows.
    base: f64,
}

/// The contributions of one row, the largest first.
#[derive(Debug, Serialize)]
pub(super) struct RowExplanation<'a> {
    score: f64,
    contributions: Vec<ContributionView<'a>>,
    gap: f64,
}

#[derive(Debug, Serialize)]
struct ContributionView<'a> {
    column: &'a str,
    contribution: f64,
    standard_error: f64,
}

/// Contributions to the scores of some rows.
pub(super) struct Explained {
    columns: Vec<String>,
    attribution: Attribution,
}

impl Explained {
    /// Explains the predictions of all rows.
    ///
    /// # Errors
    /// 413 for more rows than are explained at once.
    pub(super) fn new(
        model: &Model,
        calibrator: &Calibrator,
        dossier: &Dossier,
        table: &Table,
    ) -> Result<Self, ApiError> {
        let columns: Vec<String> = model.inputs().into_iter().map(|input| input.name).collect();
        let allowed = MAX_ROWS.min(MAX_CONTRIBUTIONS / columns.len().max(1)).max(1);
        if table.rows() > allowed {
            let detail = format!("{} rows; at most {allowed} are explained at once", table.rows());
            return Err(ApiError::new(Code::TooManyRows, detail));
        }
        let attribution = attribute(model, calibrator, &dossier.background, table).map_err(refusal)?;
        Ok(Self { columns, attribution })
    }

    pub(super) fn view(&self) -> ExplanationView {
        let Attribution { method, scale, base, .. } = self.attribution;
        ExplanationView { method, scale, base }
    }

    /// Of each row, in the rows' order.
    pub(super) fn rows(&self) -> impl Iterator<Item = RowExplanation<'_>> {
        self.attribution.rows.iter().map(|row| self.row(row))
    }

    fn row<'a>(&'a self, row: &Attributed) -> RowExplanation<'a> {
        let mut pairs: Vec<(&String, &Contribution)> = self.columns.iter().zip(&row.contributions).collect();
        pairs.sort_by(|(_, a), (_, b)| b.value.abs().total_cmp(&a.value.abs()));
        let view = |(column, contribution): (&'a String, &Contribution)| ContributionView {
            column,
            contribution: contribution.value,
            standard_error: contribution.standard_error,
        };
        let contributions = pairs.into_iter().map(view);
        RowExplanation { score: row.score, contributions: contributions.collect(), gap: row.gap }
    }
}

fn refusal(error: ExplainError) -> ApiError {
    match error {
        ExplainError::TooMuch { .. } => ApiError::new(Code::TooManyRows, error.to_string()),
        ExplainError::Pictures => {
            ApiError::listing(Code::InvalidRequest, vec![FieldProblem::in_parameter("explain", error.to_string())])
        }
        ExplainError::Background { .. } | ExplainError::Rows(_) => ApiError::internal(error),
    }
}
