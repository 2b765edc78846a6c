//! `GET /v1/models/{model_id}/report.html`: all there is to say about a model as one page that needs nothing else.

mod comparison;
mod findings;
mod sections;
mod words;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::find;
use super::plots::{Material, costs};
use crate::draw::{DrawError, style};
use crate::http::AppState;
use crate::http::compared;
use crate::http::error::ApiError;
use crate::http::extract::{Id, Query};
use crate::http::html::escape;
use crate::http::respond;
use crate::ml::compare::Comparison;
use crate::ml::diagnose::Diagnosis;
use crate::records::{DatasetRecord, JobRecord, ModelId};

const STYLE: &str = include_str!("page.css");

/// What the page is made of.
struct Page {
    material: Material,
    job: Option<JobRecord>,
    /// Gone with its job.
    diagnosis: Option<Diagnosis>,
    /// Of a model that was chosen by one.
    comparison: Option<Comparison>,
    /// Gone if it was deleted; unknown of a model that was imported.
    dataset: Option<DatasetRecord>,
}

pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let costs = costs(&mut query);
    query.finish()?;
    let record = find(&state, id).await?;
    let job = match record.job_id {
        Some(id) => state.store.job(id).await?,
        None => None,
    };
    let page = Page {
        comparison: match &job {
            Some(job) => compared::load(&state, job).await?,
            None => None,
        },
        job,
        diagnosis: match record.job_id {
            Some(id) => state.store.diagnosis(id).await?,
            None => None,
        },
        dataset: match record.dataset_id {
            Some(id) => state.store.dataset(id).await?,
            None => None,
        },
        material: Material::load(&state, record, costs).await?,
    };
    let html = tokio::task::spawn_blocking(move || page.html());
    let html = html.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let tag = respond::tag_of(html.as_bytes());
    if respond::has_match(&headers, &tag) {
        return Ok(respond::not_modified(&tag));
    }
    let mut response = html.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = format!("{}; frame-ancestors 'none'", policy());
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).map_err(ApiError::internal)?);
    respond::set_tag(headers, &tag);
    Ok(response)
}

/// The style of the page and of the pictures in it.
fn whole_style() -> String {
    format!("{STYLE}{}", style())
}

/// Allows the page its own style and nothing else; it is in the page, too, for when it is a file.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(whole_style()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

impl Page {
    fn html(&self) -> Result<String, DrawError> {
        let record = &self.material.record;
        let title = format!("{}, version {}", record.name, record.version);
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{}</title><style>{}</style></head><body><main>",
            escape(&policy()),
            escape(&title),
            whole_style()
        );
        html.push_str(&self.heading());
        html.push_str(&self.findings());
        html.push_str(&self.comparison()?);
        html.push_str(&self.metrics());
        html.push_str(&self.decisions());
        html.push_str(&self.pictures()?);
        html.push_str(&self.columns());
        html.push_str(&self.data());
        html.push_str(&self.provenance());
        html.push_str("</main></body></html>\n");
        Ok(html)
    }
}
