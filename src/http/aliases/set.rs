//! `PUT /v1/aliases/{alias}`: creates an alias or moves it, in one step.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::name::AliasName;
use super::representation::AliasView;
use super::request::{Wanted, WantedModel};
use super::warm::warm_up_model;
use crate::http::AppState;
use crate::http::auth::Principal;
use crate::http::error::{ApiError, Code};
use crate::http::extract::JsonBody;
use crate::http::problem::FieldProblem;
use crate::http::respond;
use crate::records::AliasRecord;
use crate::store::SetAlias;

pub(super) async fn handle(
    State(state): State<AppState>,
    AliasName(name): AliasName,
    principal: Principal,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let wanted = Wanted::read(&body).map_err(ApiError::invalid)?;
    let present = state.store.alias(&name).await?;
    if let Err(refusal) = check_preconditions(present.as_ref(), &headers) {
        // An answer that was lost and is asked for again: what the request is for has been done (RFC 9110, 13.1.1).
        let repeated = refusal.code() == Code::PreconditionFailed && headers.contains_key(header::IF_MATCH);
        return match present.filter(|present| repeated && wanted.is_met_by(present)) {
            Some(done) => answer(StatusCode::OK, &done),
            None => Err(refusal),
        };
    }
    // Before anything changes: whatever the alias names answers until its successors can.
    make_ready(&state, &wanted).await?;
    let new = wanted.new_alias(name, principal.name());
    match state.store.set_alias(present.as_ref(), new, state.config.max_aliases).await? {
        SetAlias::Created(alias) => {
            state.aliases.book.learn((*alias).clone());
            answer(StatusCode::CREATED, &alias)
        }
        SetAlias::Moved(alias) => {
            state.aliases.book.learn((*alias).clone());
            answer(StatusCode::OK, &alias)
        }
        SetAlias::Changed => Err(respond::changed()),
        SetAlias::NoModel(id) => {
            let missing: Vec<&WantedModel> = wanted.models().filter(|model| model.id == id).collect();
            Err(ApiError::invalid(missing.into_iter().map(no_model)))
        }
        SetAlias::TooMany => {
            let detail = format!("there are {} aliases, as many as are allowed", state.config.max_aliases);
            Err(ApiError::new(Code::TooManyAliases, detail))
        }
    }
}

/// A change needs the tag of what it changes; a creation may say that it is one.
fn check_preconditions(present: Option<&AliasRecord>, headers: &HeaderMap) -> Result<(), ApiError> {
    let failed = |detail: &'static str| Err(ApiError::new(Code::PreconditionFailed, detail));
    let Some(present) = present else {
        return match headers.contains_key(header::IF_MATCH) {
            true => failed("there is no such alias that could be as If-Match says"),
            false => Ok(()),
        };
    };
    let (_, tag) = respond::tagged(&AliasView::from(present))?;
    if respond::has_match(headers, &tag) {
        return failed("the alias is there, and If-None-Match says that it must not be");
    }
    respond::check_match(headers, &[&tag])
}

/// Loads every model and asks it once; all that cannot be used are named at once.
async fn make_ready(state: &AppState, wanted: &Wanted) -> Result<(), ApiError> {
    let mut mistakes = Vec::new();
    for model in wanted.models() {
        match warm_up_model(state, model.id, wanted.prevalence).await {
            Ok(()) => {}
            Err(error) if error.code() == Code::NotFound => mistakes.push(no_model(model)),
            Err(error) if error.code() == Code::InvalidRequest => {
                let detail =
                    format!("the model {} does not know the prevalence of its own rows; train it again", model.id);
                mistakes.push(FieldProblem::at_pointer("/prevalence".to_owned(), detail));
            }
            Err(error) => return Err(error),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(ApiError::invalid(mistakes)) }
}

fn no_model(model: &WantedModel) -> FieldProblem {
    FieldProblem::at_pointer(model.pointer.clone(), "there is no model with this id")
}

fn answer(status: StatusCode, alias: &AliasRecord) -> Result<Response, ApiError> {
    let (body, tag) = respond::tagged(&AliasView::from(alias))?;
    let location = (status == StatusCode::CREATED).then(|| format!("/v1/aliases/{}", alias.name));
    Ok(respond::json(status, body, &tag, location.as_deref()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::http::aliases::representation::tests::sample_alias;

    fn refused(present: Option<&AliasRecord>, given: &[(header::HeaderName, &str)]) -> Option<Code> {
        let given = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        check_preconditions(present, &given.collect()).err().map(|error| error.code())
    }

    #[test]
    fn a_creation_may_say_so_and_a_change_must_say_of_what() {
        let alias = sample_alias();
        let tag = respond::tagged(&AliasView::from(&alias)).unwrap().1;
        let (create, change) = (header::IF_NONE_MATCH, header::IF_MATCH);
        assert_eq!(refused(None, &[]), None);
        assert_eq!(refused(None, &[(create.clone(), "*")]), None);
        assert_eq!(refused(None, &[(change.clone(), "*")]), Some(Code::PreconditionFailed));
        assert_eq!(refused(Some(&alias), &[]), Some(Code::PreconditionRequired));
        assert_eq!(refused(Some(&alias), &[(create, "*")]), Some(Code::PreconditionFailed));
        assert_eq!(refused(Some(&alias), &[(change.clone(), &tag)]), None);
        assert_eq!(refused(Some(&alias), &[(change.clone(), "*")]), None);
        assert_eq!(refused(Some(&alias), &[(change, "\"other\"")]), Some(Code::PreconditionFailed));
    }
}
