//! `openapi.yaml`, read once at start: the one place that says which routes there are and who may call them.

use axum::http::Method;
use serde_json::Value;

use crate::records::Scope;

/// The document as it is served.
pub const OPENAPI_YAML: &str = include_str!("../../openapi.yaml");

/// The members of a path item that are operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// One operation of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With `{name}` for each parameter, as the router takes it.
    pub path: String,
    /// What a key must allow; `None` where no key is needed.
    pub scope: Option<Scope>,
    /// Whether it has query parameters at all.
    pub takes_query: bool,
}

/// The parsed document.
#[derive(Debug, Clone)]
pub struct Document {
    root: Value,
    operations: Vec<Operation>,
}

/// A document that no router can be built from.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("the document is not YAML")]
    Yaml(#[source] serde_yaml_ng::Error),
    #[error("the document has no {0}")]
    Missing(String),
    #[error("{place}: {detail}")]
    Wrong { place: String, detail: String },
    #[error("the operation {0} is in the document but has no handler")]
    NoHandler(String),
    #[error("the handler {0} is not in the document")]
    NoOperation(String),
    #[error("the operation {0} is there twice")]
    Twice(String),
}

impl Document {
    /// # Errors
    /// If the text is not YAML, or an operation lacks its `operationId` or, unless `security: []`, its `x-scope`.
    pub fn parse(yaml: &str) -> Result<Self, DocumentError> {
        let root: Value = serde_yaml_ng::from_str(yaml).map_err(DocumentError::Yaml)?;
        let paths = root.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or_else(|| DocumentError::Missing("paths".to_owned()))?;
        let mut operations: Vec<Operation> = Vec::new();
        for (path, item) in paths {
            for method in METHODS {
                let Some(value) = item.get(method) else { continue };
                let operation = operation(&root, path, method, item, value)?;
                if operations.iter().any(|other| other.id == operation.id) {
                    return Err(DocumentError::Twice(operation.id));
                }
                operations.push(operation);
            }
        }
        Ok(Self { root, operations })
    }

    /// In the order of the document.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The whole document.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// What the document says about one operation.
    pub fn describe(&self, operation: &Operation) -> Option<&Value> {
        self.root.get("paths")?.get(&operation.path)?.get(operation.method.as_str().to_ascii_lowercase())
    }

    /// `value`, or what it refers to within the document.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        resolve(&self.root, value)
    }

    /// The query and path parameters of an operation, those of its path first.
    pub fn parameters<'a>(&'a self, operation: &Operation) -> Vec<&'a Value> {
        let item = self.root.get("paths").and_then(|paths| paths.get(&operation.path));
        [item, self.describe(operation)].into_iter().flatten().flat_map(|value| parameters(&self.root, value)).collect()
    }
}

fn operation(root: &Value, path: &str, method: &str, item: &Value, value: &Value) -> Result<Operation, DocumentError> {
    let place = format!("{} {path}", method.to_ascii_uppercase());
    let wrong = |detail: &str| DocumentError::Wrong { place: place.clone(), detail: detail.to_owned() };
    let id = value.get("operationId").and_then(Value::as_str).ok_or_else(|| wrong("there is no operationId"))?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| wrong("no such method"))?;
    let public = value.get("security").and_then(Value::as_array).is_some_and(Vec::is_empty);
    let scope = value.get("x-scope").and_then(Value::as_str).map(str::parse::<Scope>).transpose();
    let scope = scope.map_err(|error| wrong(&error.to_string()))?;
    if scope.is_some() == public {
        return Err(wrong("an operation has either an x-scope or security: []"));
    }
    let takes_query = [item, value]
        .into_iter()
        .flat_map(|value| parameters(root, value))
        .any(|parameter| parameter.get("in").and_then(Value::as_str) == Some("query"));
    Ok(Operation { id: id.to_owned(), method, path: path.to_owned(), scope, takes_query })
}

fn parameters<'a>(root: &'a Value, value: &'a Value) -> impl Iterator<Item = &'a Value> {
    let listed = value.get("parameters").and_then(Value::as_array);
    listed.into_iter().flatten().map(move |parameter| resolve(root, parameter))
}

/// Follows `$ref` within the document, through a few steps at most, so that a circle ends.
fn resolve<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let mut found = value;
    for _ in 0..8 {
        let target = found.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        match target.and_then(|pointer| root.pointer(pointer)) {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::error::ALL_CODES;

    fn document() -> Document {
        Document::parse(OPENAPI_YAML).unwrap()
    }

    #[test]
    fn the_document_names_exactly_the_codes_that_there_are() {
        let document = document();
        let listed = document.root().pointer("/components/schemas/ProblemCode/enum").and_then(Value::as_array);
        let listed: BTreeSet<&str> = listed.unwrap().iter().filter_map(Value::as_str).collect();
        let known: BTreeSet<&str> = ALL_CODES.iter().map(|code| code.as_str()).collect();
        assert_eq!(listed, known);
    }

    #[test]
    fn every_example_of_a_problem_has_the_title_and_status_of_its_code() {
        let document = document();
        let examples = document.root().pointer("/components/examples").and_then(Value::as_object).unwrap();
        for code in ALL_CODES {
            let example = &examples[code.as_str()]["value"];
            assert_eq!(example["title"], code.title(), "{code:?}");
            assert_eq!(example["status"], code.status().as_u16(), "{code:?}");
            assert_eq!(example["type"], format!("/docs#{}", code.as_str()), "{code:?}");
        }
    }

    #[test]
    fn only_the_service_itself_is_open_to_all() {
        let open: Vec<String> =
            document().operations().iter().filter(|o| o.scope.is_none()).map(|o| o.id.clone()).collect();
        assert_eq!(open, ["livez", "readyz", "getOpenapi", "getDocs", "oipLive", "oipReady"]);
    }

    #[test]
    fn an_operation_without_a_scope_is_refused() {
        let yaml = "paths: {/a: {get: {operationId: a}}}";
        assert_eq!(
            Document::parse(yaml).unwrap_err().to_string(),
            "GET /a: an operation has either an x-scope or security: []"
        );
    }

    #[test]
    fn parameters_come_through_references_and_from_the_path() {
        let document = document();
        let list = document.operations().iter().find(|operation| operation.id == "listDatasets").unwrap();
        let names: Vec<&str> =
            document.parameters(list).iter().filter_map(|parameter| parameter["name"].as_str()).collect();
        assert_eq!(names, ["name", "page_size", "page_token"]);
        let get = document.operations().iter().find(|operation| operation.id == "getDataset").unwrap();
        assert!(!get.takes_query && list.takes_query);
    }
}
