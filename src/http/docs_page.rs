//! `GET /docs`: the document for reading, as one page that loads nothing from anywhere.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::document::{Document, Operation};
use super::error::ALL_CODES;
use super::html::escape;

const STYLE: &str = include_str!("docs_page.css");

/// The page, made once at start.
#[derive(Debug, Clone)]
pub struct DocsPage {
    html: Bytes,
    /// Allows the page its own style and nothing else.
    policy: String,
}

impl DocsPage {
    pub fn render(document: &Document) -> Self {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            STANDARD.encode(Sha256::digest(STYLE))
        );
        Self { html: page(document).into(), policy }
    }

    pub fn response(&self) -> Response {
        let mut response = self.html.clone().into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Ok(policy) = HeaderValue::from_str(&self.policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

fn page(document: &Document) -> String {
    let info = |name: &str| text(document.root().pointer(&format!("/info/{name}")));
    let mut html = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.push_str(&format!("<title>{} API</title><style>{STYLE}</style></head><body>", escape(info("title"))));
    html.push_str(&format!("<nav>{}</nav><main>", contents(document)));
    html.push_str(&format!("<h1>{} <small>{}</small></h1>", escape(info("title")), escape(info("version"))));
    html.push_str(&format!("<p class=\"lead\">{}</p>{}", escape(info("summary")), prose(info("description"))));
    html.push_str("<p>The same for machines: <a href=\"/openapi.yaml\">/openapi.yaml</a>.</p>");
    for operation in document.operations() {
        html.push_str(&section(document, operation));
    }
    html.push_str(&problems());
    html.push_str(&schemas(document));
    html.push_str("</main></body></html>");
    html
}

fn contents(document: &Document) -> String {
    let mut list = String::new();
    let mut tag = "";
    for operation in document.operations() {
        let described = document.describe(operation);
        let own = text(described.and_then(|value| value.pointer("/tags/0")));
        if own != tag {
            tag = own;
            list.push_str(&format!("<h2>{}</h2>", escape(tag)));
        }
        let summary = text(described.and_then(|value| value.get("summary")));
        list.push_str(&format!("<a href=\"#{}\">{}</a>", escape(&operation.id), escape(summary)));
    }
    list.push_str("<h2>reference</h2><a href=\"#problems\">Problem codes</a><a href=\"#schemas\">Schemas</a>");
    list
}

fn section(document: &Document, operation: &Operation) -> String {
    let Some(described) = document.describe(operation) else { return String::new() };
    let scope = operation.scope.map_or("no key needed".to_owned(), |scope| format!("scope {}", scope.as_str()));
    let mut html = format!(
        "<section id=\"{}\"><h2>{}</h2><p><code class=\"route\"><b>{}</b> {}</code> <span>{scope}</span></p>{}",
        escape(&operation.id),
        escape(text(described.get("summary"))),
        operation.method,
        escape(&operation.path),
        prose(text(described.get("description"))),
    );
    html.push_str(&parameters(document, operation));
    if let Some(body) = described.get("requestBody") {
        let body = document.resolve(body);
        html.push_str(&format!("<h3>Body</h3>{}{}", prose(text(body.get("description"))), media(document, body)));
    }
    html.push_str("<h3>Answers</h3>");
    for (status, response) in described.get("responses").and_then(Value::as_object).into_iter().flatten() {
        let response = document.resolve(response);
        let summary = format!("<b>{}</b> {}", escape(status), inline(text(response.get("description"))));
        html.push_str(&format!("<details><summary>{summary}</summary>{}</details>", media(document, response)));
    }
    html.push_str("</section>");
    html
}

fn parameters(document: &Document, operation: &Operation) -> String {
    let parameters = document.parameters(operation);
    if parameters.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h3>Parameters</h3><table><tr><th>Name<th>In<th>Type<th>Meaning</tr>");
    for parameter in parameters {
        let schema = parameter.get("schema").map(|schema| document.resolve(schema));
        html.push_str(&format!(
            "<tr><td><code>{}</code><td>{}<td>{}<td>{}</tr>",
            escape(text(parameter.get("name"))),
            escape(text(parameter.get("in"))),
            schema.map_or("JSON".to_owned(), brief),
            inline(text(parameter.get("description"))),
        ));
    }
    html.push_str("</table>");
    html
}

/// The type of a schema with its default and range, in a few words.
fn brief(schema: &Value) -> String {
    let mut words = vec![escape(text(schema.get("type")))];
    for (keyword, word) in [("default", "default"), ("minimum", "from"), ("maximum", "to")] {
        if let Some(value) = schema.get(keyword) {
            words.push(format!("{word} {}", escape(&value.to_string())));
        }
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<String> = choices.iter().map(|choice| escape(text(Some(choice)))).collect();
        words.push(format!("one of {}", choices.join(", ")));
    }
    words.join(" ")
}

/// Media types with their schemas' names and their examples.
fn media(document: &Document, holder: &Value) -> String {
    let mut html = String::new();
    for (media_type, content) in holder.get("content").and_then(Value::as_object).into_iter().flatten() {
        let schema = content.pointer("/schema/$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
        let link = schema.map(|name| format!(" <a href=\"#schema-{0}\">{0}</a>", escape(name))).unwrap_or_default();
        html.push_str(&format!("<p><code>{}</code>{link}</p>", escape(media_type)));
        let many = content.get("examples").and_then(Value::as_object).into_iter().flatten();
        let many = many.filter_map(|(_, example)| document.resolve(example).get("value"));
        for example in content.get("example").into_iter().chain(many) {
            html.push_str(&format!("<pre>{}</pre>", escape(&shown(example))));
        }
    }
    html
}

fn problems() -> String {
    let mut html = String::from("<section id=\"problems\"><h2>Problem codes</h2>");
    for code in ALL_CODES {
        html.push_str(&format!(
            "<h3 id=\"{0}\"><code>{0}</code> <small>{1}</small></h3><p><b>{2}.</b> {3}</p>",
            code.as_str(),
            code.status().as_u16(),
            escape(code.title()),
            inline(code.explanation()),
        ));
    }
    html.push_str("</section>");
    html
}

fn schemas(document: &Document) -> String {
    let mut html = String::from("<section id=\"schemas\"><h2>Schemas</h2>");
    let all = document.root().pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in all.into_iter().flatten() {
        let yaml = serde_yaml_ng::to_string(schema).unwrap_or_default();
        let name = escape(name);
        html.push_str(&format!(
            "<details id=\"schema-{name}\"><summary>{name}</summary><pre>{}</pre></details>",
            escape(&yaml)
        ));
    }
    html.push_str("</section>");
    html
}

fn shown(example: &Value) -> String {
    match example.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string_pretty(example).unwrap_or_default(),
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// Paragraphs of the document's Markdown.
fn prose(markdown: &str) -> String {
    let paragraphs = markdown.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", inline(paragraph))).collect()
}

/// The Markdown within a paragraph that the document uses: code and bold.
fn inline(markdown: &str) -> String {
    let mut html = String::new();
    for (index, part) in markdown.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str(&format!("<code>{}</code>", escape(part)));
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            let part = escape(part);
            html.push_str(&if index % 2 == 1 { format!("<b>{part}</b>") } else { part });
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::OPENAPI_YAML;

    fn html() -> String {
        let page = DocsPage::render(&Document::parse(OPENAPI_YAML).unwrap());
        String::from_utf8(page.html.to_vec()).unwrap()
    }

    #[test]
    fn every_operation_and_every_problem_code_has_its_anchor() {
        let html = html();
        for operation in Document::parse(OPENAPI_YAML).unwrap().operations() {
            assert!(html.contains(&format!("<section id=\"{}\">", operation.id)), "{}", operation.id);
        }
        for code in ALL_CODES {
            assert!(html.contains(&format!("<h3 id=\"{}\">", code.as_str())), "{code:?}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        let html = html();
        for loading in ["<script", "src=", "<link", "@import", "url("] {
            assert!(!html.contains(loading), "{loading}");
        }
    }

    #[test]
    fn every_link_within_the_page_leads_somewhere() {
        let html = html();
        for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(html.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        assert_eq!(inline("a < b, `<x>` and **c**"), "a &lt; b, <code>&lt;x&gt;</code> and <b>c</b>");
    }
}
