//! What a request says of itself besides its rows: the query and the headers.

use axum::http::HeaderMap;

use super::json_body::{PREVALENCE, THRESHOLD};
use super::score::Instead;
use crate::http::datasets::parameters::delimiter;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Query, media_type};

/// How rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Json,
    Csv { delimiter: char },
}

/// What the query and the headers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::http) struct Call {
    /// Of the rows.
    pub(in crate::http) format: Format,
    /// From the query; JSON has it in its body.
    pub(in crate::http) instead: Instead,
    /// Whether predictions are explained.
    pub(in crate::http) explain: bool,
}

impl Call {
    /// # Errors
    /// 415 for another media type, 422 for parameters that are wrong or that the format does not have.
    pub(in crate::http) fn read(mut query: Query, headers: &HeaderMap) -> Result<Self, ApiError> {
        let explain = query.parsed::<bool>("explain", "true or false").unwrap_or(false);
        let delimiter = delimiter(&mut query);
        let instead = Instead { threshold: threshold(&mut query), prevalence: prevalence(&mut query) };
        let format = match media_type(headers).as_deref() {
            Some("application/json") => {
                for (name, given) in given(delimiter, instead) {
                    if given {
                        query.error(name, "only CSV has it; in JSON, threshold and prevalence are members of the body");
                    }
                }
                Format::Json
            }
            Some("text/csv") => Format::Csv { delimiter: delimiter.unwrap_or(',') },
            _ => return Err(ApiError::new(Code::UnsupportedMediaType, "send application/json or text/csv")),
        };
        query.finish()?;
        Ok(Self { format, instead, explain })
    }
}

fn threshold(query: &mut Query) -> Option<f64> {
    let expected = format!("a number {THRESHOLD}");
    let number = query.parsed::<f64>("threshold", &expected)?;
    if !(0.0..=1.0).contains(&number) {
        query.error("threshold", format!("expected {expected}, found {number}"));
        return None;
    }
    Some(number)
}

fn prevalence(query: &mut Query) -> Option<f64> {
    let expected = format!("a number {PREVALENCE}");
    let number = query.parsed::<f64>("prevalence", &expected)?;
    if !(number > 0.0 && number < 1.0) {
        query.error("prevalence", format!("expected {expected}, found {number}"));
        return None;
    }
    Some(number)
}

/// Which parameters were given that only CSV has.
fn given(delimiter: Option<char>, instead: Instead) -> [(&'static str, bool); 3] {
    let Instead { threshold, prevalence } = instead;
    [("delimiter", delimiter.is_some()), ("threshold", threshold.is_some()), ("prevalence", prevalence.is_some())]
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    fn read(query: &str, media_type: &'static str) -> Result<Call, ApiError> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Call::read(Query::new(query), &headers)
    }

    #[test]
    fn csv_takes_its_parameters_from_the_query() {
        let parameters = read("threshold=0.25&prevalence=0.01&delimiter=%3B", "text/csv; charset=utf-8").unwrap();
        let instead = Instead { threshold: Some(0.25), prevalence: Some(0.01) };
        assert_eq!(parameters, Call { format: Format::Csv { delimiter: ';' }, instead, explain: false });
        assert_eq!(read("", "text/csv").unwrap().format, Format::Csv { delimiter: ',' });
        assert_eq!(read("", "application/json").unwrap().format, Format::Json);
    }

    #[test]
    fn a_threshold_is_a_probability() {
        for wrong in ["NaN", "-0.1", "1.1", "inf", "half", ""] {
            let error = read(&format!("threshold={wrong}"), "text/csv").unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("threshold"), "{wrong}");
        }
    }

    #[test]
    fn a_prevalence_lies_between_0_and_1() {
        for wrong in ["NaN", "0", "1", "-0.1", "some"] {
            let error = read(&format!("prevalence={wrong}"), "text/csv").unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("prevalence"), "{wrong}");
        }
    }

    #[test]
    fn json_has_its_threshold_in_the_body() {
        let error = read("threshold=0.5&delimiter=tab&rows=1", "application/json").unwrap_err();
        let names: Vec<&str> = error.errors().iter().filter_map(|error| error.parameter.as_deref()).collect();
        assert_eq!(names, ["delimiter", "threshold", "rows"]);
    }

    #[test]
    fn other_media_types_are_refused() {
        assert_eq!(read("", "application/xml").unwrap_err().code(), Code::UnsupportedMediaType);
        assert_eq!(Call::read(Query::new(""), &HeaderMap::new()).unwrap_err().code(), Code::UnsupportedMediaType);
    }
}
