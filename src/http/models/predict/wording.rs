//! What answers say of a model, written once for all of them.

use std::borrow::Cow;

use axum::http::HeaderValue;

use crate::records::ModelRecord;

/// The parts of answers that are the same for every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::models) struct Wording {
    /// Members of a JSON object, from the id to the positive label.
    pub(super) model: String,
    /// Of a row, by its class: what comes before the probability.
    pub(super) json: ByClass,
    pub(super) csv: ByClass,
}

/// A text for each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ByClass {
    negative: String,
    positive: String,
}

impl ByClass {
    fn new(record: &ModelRecord, word: impl Fn(&str) -> String) -> Self {
        Self { negative: word(&record.classes.negative), positive: word(&record.classes.positive) }
    }

    pub(super) fn of(&self, is_positive: bool) -> &str {
        if is_positive { &self.positive } else { &self.negative }
    }
}

impl Wording {
    pub(in crate::http::models) fn new(record: &ModelRecord) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (id, name, version) = (record.id, text(&record.name), record.version);
        let positive = text(&record.classes.positive);
        Self {
            model: format!(r#""model_id":"{id}","model_name":{name},"version":{version},"positive_label":{positive}"#),
            json: ByClass::new(record, |label| format!(r#"{{"label":{},"probability":"#, text(label))),
            csv: ByClass::new(record, |label| format!("{},", field(label))),
        }
    }
}

impl Wording {
    /// The same where an alias was asked, whose name needs no escaping.
    pub(in crate::http::models) fn by_alias(&self, alias: &str) -> Self {
        Self { model: format!(r#""alias":"{alias}",{}"#, self.model), ..self.clone() }
    }
}

/// A field of CSV, in quotes where it needs them.
pub(super) fn field(text: &str) -> Cow<'_, str> {
    let is_plain = !text.contains(['"', ',', '\n', '\r']) && text.trim() == text && !text.is_empty();
    if is_plain { Cow::Borrowed(text) } else { Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))) }
}

/// A text as the value of a header: what is neither a visible ASCII character, nor a comma, nor a percent sign, stands as
/// it is, all else as the `%XX` of its bytes in UTF-8.
pub(super) fn header_text(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | b',' => written.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => written.push(char::from(byte)),
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

/// Texts with commas between them, as many as fit.
pub(super) fn header_list(texts: &[String], max_bytes: usize) -> Option<HeaderValue> {
    let mut list = String::new();
    for text in texts {
        let text = header_text(text);
        if list.len() + text.len() + 1 > max_bytes {
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&text);
    }
    HeaderValue::from_str(&list).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_any_text() {
        assert_eq!(header_text("mammography 2"), "mammography%202");
        assert_eq!(header_text("tr\u{fc}b, 5%\r\n"), "tr%C3%BCb%2C%205%25%0D%0A");
        let names = ["a,b", "c", "dddddd"].map(str::to_owned);
        assert_eq!(header_list(&names, 9).unwrap(), "a%2Cb,c");
        assert_eq!(header_list(&[], 9).unwrap(), "");
    }

    #[test]
    fn fields_are_quoted_where_they_need_it() {
        for (text, expected) in
            [("yes", "yes"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), (" a", "\" a\""), ("", "\"\"")]
        {
            assert_eq!(field(text), expected);
        }
    }
}
