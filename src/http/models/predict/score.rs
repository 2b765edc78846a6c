//! From rows to probabilities and classes: what all ways of asking share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::error::{ApiError, Code};
use crate::http::models::Served;
use crate::http::problem::FieldProblem;
use crate::ml::calibrate::Calibrator;
use crate::ml::config::FieldError;
use crate::ml::model::Model;
use crate::ml::picture::Views;
use crate::ml::table::{ColumnRef, InputRows, Table};

/// What a request may replace of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::http) struct Instead {
    /// From 0 to 1.
    pub(in crate::http) threshold: Option<f64>,
    /// The share of positives that the probabilities shall hold at, between 0 and 1.
    pub(in crate::http) prevalence: Option<f64>,
    /// Each picture is looked at in these ways, not as it is alone.
    pub(in crate::http) views: Option<Views>,
}

/// How a request is scored: the model's calibrator and threshold, or what the request has instead.
#[derive(Debug, Clone)]
pub(in crate::http) struct Scale {
    pub(in crate::http) calibrator: Calibrator,
    /// A row is positive iff its probability is at least this.
    pub(in crate::http) threshold: f64,
    views: Option<Views>,
    /// Where scored rows are counted.
    rows: Arc<AtomicU64>,
}

impl Scale {
    /// # Errors
    /// 422 if a prevalence is given and the model does not know its own, or views and it reads no pictures.
    pub(in crate::http) fn new(served: &Served, instead: Instead) -> Result<Self, ApiError> {
        let own = &served.model.calibrator;
        let calibrator = match instead.prevalence.or(served.prevalence) {
            None => own.clone(),
            Some(prevalence) => own.at_prevalence(prevalence).ok_or_else(unknown_prevalence)?,
        };
        let threshold = instead.threshold.unwrap_or(served.record.threshold);
        if instead.views.is_some() && !served.model.has_views() {
            return Err(no_views());
        }
        Ok(Self { calibrator, threshold, views: instead.views, rows: served.rows.clone() })
    }

    /// The share of positives that the probabilities hold at, if it is known.
    pub(in crate::http) fn prevalence(&self) -> Option<f64> {
        self.calibrator.deployment_prevalence.or(self.calibrator.prevalence)
    }

    /// The probability of the positive class for each row. A row's probability does not depend on the rows beside it.
    ///
    /// # Errors
    /// 500 if `inputs` are not the model's in its order, each of `rows` values, which whoever made them has to see to.
    pub(in crate::http) fn probabilities(
        &self,
        model: &Model,
        inputs: &[ColumnRef<'_>],
        rows: usize,
    ) -> Result<Vec<f64>, ApiError> {
        let probabilities = match self.views {
            Some(views) => model.predict_views(inputs, rows, &self.calibrator, views),
            None => model.predict_inputs(inputs, rows, &self.calibrator),
        };
        let probabilities = probabilities.map_err(ApiError::internal)?;
        if probabilities.iter().any(|probability| !probability.is_finite()) {
            return Err(ApiError::internal("the model gave a probability that is not finite"));
        }
        self.rows.fetch_add(probabilities.len() as u64, Ordering::Relaxed);
        Ok(probabilities)
    }
}

fn no_views() -> ApiError {
    let detail = "only networks that read pictures can be asked about several views of them";
    ApiError::listing(Code::InvalidRequest, vec![FieldProblem::in_parameter("tta", detail)])
}

fn unknown_prevalence() -> ApiError {
    let detail = "this model was stored without the prevalence of its training rows, from which probabilities would be \
                  moved; train it again";
    ApiError::invalid(vec![FieldError { pointer: "/prevalence".to_owned(), detail: detail.to_owned() }])
}

/// What the rows of a request were found to be.
#[derive(Debug, Clone)]
pub(in crate::http) struct Scored {
    pub(in crate::http) scale: Scale,
    /// Of the positive class, one per row, in the rows' order.
    pub(in crate::http) probabilities: Vec<f64>,
}

/// Scores rows whose columns are those of `served.inputs`, by name, in any order. Takes as long as it takes: call it
/// through [`super::at_turn`].
///
/// # Errors
/// 422 for a prevalence that the model cannot be moved to.
pub(in crate::http) fn score(served: &Served, table: &Table, instead: Instead) -> Result<Scored, ApiError> {
    let scale = Scale::new(served, instead)?;
    let inputs = served.model.preprocessor.inputs_in(table).map_err(ApiError::internal)?;
    let probabilities = scale.probabilities(&served.model, &inputs, table.rows())?;
    Ok(Scored { scale, probabilities })
}

/// As [`score`], of rows as a request brought them.
///
/// # Errors
/// 500 if they are not rows of this model.
pub(super) fn score_rows(served: &Served, rows: &InputRows, scale: &Scale) -> Result<Vec<f64>, ApiError> {
    if rows.rows == 0 {
        return Ok(Vec::new());
    }
    let inputs: Vec<ColumnRef<'_>> = rows.columns().collect();
    scale.probabilities(&served.model, &inputs, rows.rows)
}

impl Scored {
    /// The class of each row.
    pub(in crate::http) fn labels<'a>(&'a self, served: &'a Served) -> impl Iterator<Item = &'a str> {
        let classes = &served.record.classes;
        self.probabilities.iter().map(|&probability| classes.name(probability >= self.scale.threshold))
    }
}
