//! `openapi.yaml` itself: complete, and its examples true to its schemas.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::contract::{CONTRACT, resolve};

#[test]
fn every_operation_is_described_and_says_who_may_call_it() {
    for (path, item) in CONTRACT.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let place = format!("{method} {path}");
            for member in ["operationId", "summary", "description"] {
                assert!(operation[member].as_str().is_some_and(|text| !text.is_empty()), "{place}: {member}");
            }
            let public = operation["security"] == serde_json::json!([]);
            let scope = operation["x-scope"].as_str();
            assert!(
                public != scope.is_some_and(|scope| ["read", "predict", "train", "admin"].contains(&scope)),
                "{place}"
            );
        }
    }
}

#[test]
fn every_json_body_has_an_example_that_fits_its_schema() {
    let mut checked = 0;
    for (path, item) in CONTRACT.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let place = format!("{method} {path}");
            checked += check_examples(&operation["requestBody"], &place);
            for (status, response) in operation["responses"].as_object().unwrap() {
                checked += check_examples(resolve(&CONTRACT.document, response), &format!("{place} {status}"));
            }
        }
    }
    assert!(checked > 200, "only {checked} examples were found");
}

fn check_examples(holder: &Value, place: &str) -> usize {
    let mut checked = 0;
    for (media_type, content) in holder["content"].as_object().into_iter().flatten() {
        let named = content["examples"].as_object().into_iter().flatten();
        let mut examples: Vec<&Value> =
            named.map(|(_, example)| &resolve(&CONTRACT.document, example)["value"]).collect();
        examples.extend(content.get("example"));
        assert!(!media_type.ends_with("json") || !examples.is_empty(), "{place} {media_type} has no example");
        let validator = CONTRACT.validator(&content["schema"]);
        for example in examples {
            let errors: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{place} {media_type}: {errors:?}");
            checked += 1;
        }
    }
    checked
}

#[test]
fn the_list_of_codes_is_the_programs() {
    let listed = CONTRACT.document["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
    let listed: BTreeSet<&str> = listed.iter().filter_map(Value::as_str).collect();
    let sent: BTreeSet<&str> = evenkeel::http::ALL_CODES.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, sent);
    let examples = CONTRACT.document["components"]["examples"].as_object().unwrap().values();
    for problem in examples.map(|example| &example["value"]) {
        let code = evenkeel::http::ALL_CODES.iter().find(|code| problem["code"] == code.as_str()).unwrap();
        assert_eq!(problem["status"], code.status().as_u16(), "{}", code.as_str());
        assert_eq!(problem["title"], code.title(), "{}", code.as_str());
    }
}

#[test]
fn every_object_in_a_schema_is_closed() {
    fn walk(value: &Value, place: &str, open: &mut Vec<String>) {
        if let Some(members) = value.as_object() {
            let is_object = members.get("properties").is_some_and(Value::is_object);
            if is_object && members.get("additionalProperties").is_none() {
                open.push(place.to_owned());
            }
            members.iter().for_each(|(name, member)| walk(member, &format!("{place}/{name}"), open));
        } else if let Some(items) = value.as_array() {
            items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{place}/{index}"), open));
        }
    }
    let mut open = Vec::new();
    walk(&CONTRACT.document["components"]["schemas"], "", &mut open);
    walk(&CONTRACT.document["paths"], "", &mut open);
    assert!(open.is_empty(), "objects that allow unknown members: {open:#?}");
}
