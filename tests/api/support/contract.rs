//! `openapi.yaml` as a judge: is this answer one that the document allows?

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};

/// The document.
pub(crate) static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);
/// Operation, status and problem code of every answer that this process has checked.
static SEEN: Mutex<BTreeSet<(String, u16, String)>> = Mutex::new(BTreeSet::new());

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(crate) struct Contract {
    pub(crate) document: Value,
    pub(crate) operations: Vec<Operation>,
    validators: Mutex<HashMap<String, &'static jsonschema::Validator>>,
}

/// One operation, its references resolved as far as its responses.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// `None` for operations that need no key.
    pub(crate) scope: Option<String>,
    pub(crate) responses: BTreeMap<u16, Value>,
}

/// What an answer is judged by.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a reqwest::header::HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Contract {
    fn read() -> Self {
        let document: Value = serde_yaml_ng::from_str(include_str!("../../../openapi.yaml")).unwrap();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    operations.push(Operation::read(&document, path, method, operation));
                }
            }
        }
        Self { document, operations, validators: Mutex::default() }
    }

    /// The operation that a request is for.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.method == method && fits(&operation.path, path))
    }

    /// Everything about the answer that the contract does not allow.
    pub(crate) fn mistakes(&self, method: &str, path: &str, answer: &Answer<'_>) -> Vec<String> {
        let mut found = Vec::new();
        if answer.headers.get("x-request-id").is_none() {
            found.push("there is no X-Request-Id".to_owned());
        }
        match self.operation(method, path) {
            Some(operation) => self.judge(operation, answer, &mut found),
            None => self.judge_unrouted(answer, &mut found),
        }
        found
    }

    fn judge(&self, operation: &Operation, answer: &Answer<'_>, found: &mut Vec<String>) {
        let Some(response) = operation.responses.get(&answer.status) else {
            found.push(format!("{} does not document the status {}", operation.id, answer.status));
            return;
        };
        self.judge_headers(response, answer, found);
        let code = match response.get("content").and_then(Value::as_object) {
            None if answer.body.is_empty() => String::new(),
            None => {
                found.push(format!("{} {} has a body of {} bytes", operation.id, answer.status, answer.body.len()));
                String::new()
            }
            Some(content) => self.judge_content(operation, content, answer, found),
        };
        SEEN.lock().unwrap().insert((operation.id.clone(), answer.status, code));
    }

    fn judge_headers(&self, response: &Value, answer: &Answer<'_>, found: &mut Vec<String>) {
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = resolve(&self.document, header);
            let Some(value) = answer.headers.get(name) else {
                if header["required"] != false {
                    found.push(format!("the header {name} is missing"));
                }
                continue;
            };
            let text = value.to_str().unwrap_or_default();
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => text.parse::<i64>().map_or(json!(text), |number| json!(number)),
                _ => json!(text),
            };
            self.validate(&header["schema"], &value, &format!("header {name}"), found);
        }
    }

    /// Judges the body and returns its problem code, empty if it is none.
    fn judge_content(
        &self,
        operation: &Operation,
        content: &serde_json::Map<String, Value>,
        answer: &Answer<'_>,
        found: &mut Vec<String>,
    ) -> String {
        let media_type = media_type(answer.headers);
        let Some(documented) = content.get(&media_type) else {
            found.push(format!("{} {} is {media_type:?}", operation.id, answer.status));
            return String::new();
        };
        if !(media_type.ends_with("/json") || media_type.ends_with("+json")) {
            return String::new();
        }
        let Ok(body) = serde_json::from_slice::<Value>(answer.body) else {
            found.push("the body is not JSON".to_owned());
            return String::new();
        };
        self.validate(&documented["schema"], &body, &format!("{} {}", operation.id, answer.status), found);
        if media_type != "application/problem+json" {
            return String::new();
        }
        let code = body["code"].as_str().unwrap_or_default().to_owned();
        if documented["examples"].get(&code).is_none() {
            found.push(format!("{} {} does not document the code {code:?}", operation.id, answer.status));
        }
        judge_problem(&body, answer, found);
        code
    }

    /// What the contract says about paths and methods that it does not have.
    fn judge_unrouted(&self, answer: &Answer<'_>, found: &mut Vec<String>) {
        let Ok(body) = serde_json::from_slice::<Value>(answer.body) else {
            found.push(format!("an unrouted request is answered {} without a problem", answer.status));
            return;
        };
        self.validate(&json!({"$ref": "#/components/schemas/Problem"}), &body, "unrouted", found);
        judge_problem(&body, answer, found);
        if answer.status == 405 && answer.headers.get("allow").is_none() {
            found.push("405 without Allow".to_owned());
        }
    }

    fn validate(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        for error in self.validator(schema).iter_errors(value).take(5) {
            found.push(format!("{place}: at {:?}: {error}", error.instance_path.to_string()));
        }
    }

    /// Compiled once per schema; the document's components come along so that `$ref`s resolve.
    pub(crate) fn validator(&self, schema: &Value) -> &'static jsonschema::Validator {
        let mut validators = self.validators.lock().unwrap();
        validators.entry(schema.to_string()).or_insert_with(|| {
            let whole = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": self.document["components"],
                "allOf": [schema],
            });
            let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
            Box::leak(Box::new(options.should_validate_formats(true).build(&whole).unwrap()))
        })
    }
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let responses = operation["responses"].as_object().unwrap().iter();
        Self {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            scope: operation["x-scope"].as_str().map(str::to_owned),
            responses: responses
                .map(|(status, response)| (status.parse().unwrap(), resolve(document, response).clone()))
                .collect(),
        }
    }

    /// A path of this operation, with ids that nothing has.
    pub(crate) fn sample_path(&self) -> String {
        let id = "0199c3a0-5b1e-7c40-9d0e-3f6a1c2b4d5e";
        self.path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect::<Vec<_>>().join("/")
    }
}

/// The operations that this process has seen succeed.
pub(crate) fn operations_that_succeeded() -> BTreeSet<String> {
    SEEN.lock().unwrap().iter().filter(|(_, status, _)| *status < 400).map(|(id, _, _)| id.clone()).collect()
}

/// Follows a reference into the document, if there is one.
pub(crate) fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn judge_problem(body: &Value, answer: &Answer<'_>, found: &mut Vec<String>) {
    if body["status"] != json!(answer.status) {
        found.push(format!("the problem says {} and the response {}", body["status"], answer.status));
    }
    let request_id = answer.headers.get("x-request-id").and_then(|value| value.to_str().ok());
    if body["request_id"].as_str() != request_id {
        found.push(format!("request_id {} is not that of the header {request_id:?}", body["request_id"]));
    }
}

fn media_type(headers: &reqwest::header::HeaderMap) -> String {
    let value = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

/// Whether a path is one of a template's: `/v1/jobs/{job_id}`. A fixed path wins where both fit, as
/// `/v1/jobs/validate` is no job; no method has both.
fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(part, given)| part == given || (part.starts_with('{') && !given.is_empty()))
}
