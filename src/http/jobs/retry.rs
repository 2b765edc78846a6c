//! `POST /v1/jobs/{job_id}/retry-with`: the same job with some of its configuration changed.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::create::{Origin, enqueue};
use super::find;
use super::plan::look_up;
use super::request::read_job_request;
use super::sparse::sparse;
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::error::ApiError;
use crate::http::extract::{Id, JsonBody};
use crate::http::idempotency::{self, Begun, IdempotencyKey};
use crate::ml::config::{FieldError, ObjectReader};
use crate::ml::diagnose::{Code, patch_of};
use crate::ml::json_patch::merge_patch;
use crate::records::{JobId, JobRecord};

/// Patches of one request, at most, and findings.
const MAX_PATCHES: usize = 50;

/// Answers 202 with a new job that names this one as `retry_of`. All checks of posting a job are made.
pub(super) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<JobId>,
    principal: Principal,
    key: IdempotencyKey,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let fingerprint = idempotency::fingerprint(&[id.to_string().as_bytes(), body.to_string().as_bytes()]);
    match idempotency::begin(&state, &principal, "retryJob", key).await? {
        Begun::Before(replay) => replay.answer(&fingerprint),
        Begun::Fresh(hold) => {
            let outcome = async {
                let request = patched(&state, &find(&state, id).await?, &body).await?;
                enqueue(&state, &request, Origin::RetryOf(id), &hold, &fingerprint).await
            }
            .await;
            Ok(hold.settle(outcome).await?.into_response())
        }
    }
}

/// The request that posted the job, as far as it matters, with the patches.
async fn patched(state: &AppState, job: &JobRecord, body: &Value) -> Result<Value, ApiError> {
    let Changes { patches, findings } = read_changes(body).map_err(ApiError::invalid)?;
    let mut request = request_of(state, job).await?;
    if !findings.is_empty() {
        merge_patch(&mut request, &patch_of_findings(state, job.id, &findings).await?);
    }
    for patch in patches {
        merge_patch(&mut request, patch);
    }
    Ok(request)
}

/// What the findings of the job's diagnosis with these codes would change.
async fn patch_of_findings(state: &AppState, id: JobId, codes: &[Code]) -> Result<Value, ApiError> {
    let diagnosis = state.store.diagnosis(id).await?.unwrap_or_default();
    patch_of(&diagnosis.findings, codes).map_err(|error| {
        ApiError::invalid(vec![FieldError { pointer: "/findings".to_owned(), detail: error.to_string() }])
    })
}

async fn request_of(state: &AppState, job: &JobRecord) -> Result<Value, ApiError> {
    let mut filled = serde_json::to_value(&job.config).map_err(ApiError::internal)?;
    filled["dataset_id"] = json!(job.dataset_id);
    filled["max_attempts"] = json!(job.max_attempts);
    let found = look_up(state, &filled).await?;
    let fill = |request: &Value| {
        let read = read_job_request(request, found.named(), &state.config.jobs).ok()?;
        let mut config = serde_json::to_value(&read.config).ok()?;
        config["dataset_id"] = json!(read.dataset_id);
        config["max_attempts"] = json!(read.max_attempts);
        Some(config)
    };
    Ok(sparse(&filled, &fill))
}

/// How the job is to differ: first by what findings ask for, then by patches, one after another.
#[derive(Debug, PartialEq)]
struct Changes<'a> {
    patches: Vec<&'a Value>,
    findings: Vec<Code>,
}

fn read_changes(body: &Value) -> Result<Changes<'_>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut reader = ObjectReader::new(body, "", &mut errors);
    let patches = match reader.present("patch") {
        Some(Value::Array(_)) => reader.array("patch", MAX_PATCHES, &mut errors),
        Some(patch) => vec![("/patch".to_owned(), patch)],
        None => Vec::new(),
    };
    let listed = reader.array("findings", MAX_PATCHES, &mut errors);
    if body.is_object() && patches.is_empty() && listed.is_empty() && errors.is_empty() {
        let detail = "expected a JSON merge patch of the configuration, a list of them, or codes of findings";
        reader.error("patch", detail, &mut errors);
    }
    let findings = listed.into_iter().filter_map(|(pointer, code)| read_code(pointer, code, &mut errors)).collect();
    for (pointer, _) in patches.iter().filter(|(_, patch)| !patch.is_object()) {
        let detail = "expected an object, a JSON merge patch of the configuration".to_owned();
        errors.push(FieldError { pointer: pointer.clone(), detail });
    }
    reader.finish(&mut errors);
    let patches = patches.into_iter().map(|(_, patch)| patch).collect();
    if errors.is_empty() { Ok(Changes { patches, findings }) } else { Err(errors) }
}

fn read_code(pointer: String, code: &Value, errors: &mut Vec<FieldError>) -> Option<Code> {
    let known = Code::ALL.iter().find(|known| code.as_str() == Some(known.as_str())).copied();
    if known.is_none() {
        let detail = format!("expected the code of a finding of this job's diagnosis, found {code}");
        errors.push(FieldError { pointer, detail });
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_an_object_or_a_list_of_them() {
        assert_eq!(read_changes(&json!({"patch": {"seed": 1}})).unwrap().patches, [&json!({"seed": 1})]);
        assert_eq!(read_changes(&json!({"patch": [{"seed": 1}, {}]})).unwrap().patches.len(), 2);
        let by_code = json!({"findings": ["double-correction"]});
        assert_eq!(read_changes(&by_code).unwrap().findings, [Code::DoubleCorrection]);
        for (wrong, pointer) in [
            (json!({}), "/patch"),
            (json!({"patch": 7}), "/patch"),
            (json!({"patch": [{}, "x"]}), "/patch/1"),
            (json!({"patch": {}, "further": 1}), "/further"),
            (json!({"findings": []}), "/patch"),
            (json!({"findings": ["bad-luck"]}), "/findings/0"),
            (json!({"patch": {}, "findings": [1]}), "/findings/0"),
            (json!([]), ""),
        ] {
            let errors = read_changes(&wrong).unwrap_err();
            assert_eq!(errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), [pointer], "{wrong}");
        }
    }
}
