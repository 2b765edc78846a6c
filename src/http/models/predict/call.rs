//! What a request says of itself besides its rows: the query and the headers.

use axum::http::HeaderMap;

use super::accept::{Media, accepted};
use super::json_body::{PREVALENCE, THRESHOLD};
use super::score::Instead;
use crate::http::datasets::parameters::delimiter;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Query, media_type};
use crate::ml::picture::Views;

/// What the query and the headers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::http) struct Call {
    /// What the rows come as.
    pub(in crate::http) rows: Media,
    /// Between the fields of CSV.
    pub(in crate::http) delimiter: char,
    /// From the query; JSON has it in its body.
    pub(in crate::http) instead: Instead,
    /// Whether predictions are explained.
    pub(in crate::http) explain: bool,
    /// What the predictions are to be.
    pub(in crate::http) answer: Media,
}

impl Call {
    /// # Errors
    /// 415 for another media type, 406 if none that is accepted can be given, 422 for parameters that are wrong or that
    /// the format does not have.
    pub(in crate::http) fn read(query: &str, headers: &HeaderMap) -> Result<Self, ApiError> {
        let rows = media_type(headers).and_then(|name| Media::of(&name));
        let rows = rows.ok_or_else(|| ApiError::new(Code::UnsupportedMediaType, Media::SEND))?;
        let answer = accepted(headers, rows.usual_answer())?;
        let mut call = Self { rows, delimiter: ',', instead: Instead::default(), explain: false, answer };
        if !query.is_empty() {
            call.read_query(Query::new(query))?;
        }
        Ok(call)
    }

    fn read_query(&mut self, mut query: Query) -> Result<(), ApiError> {
        self.explain = query.parsed::<bool>("explain", "true or false").unwrap_or(false);
        if self.explain && self.answer != Media::Json {
            query.error("explain", "only answers in JSON have explanations; accept application/json");
        }
        let delimiter = delimiter(&mut query);
        if delimiter.is_some() && self.rows != Media::Csv {
            query.error("delimiter", "only CSV has it");
        }
        self.delimiter = delimiter.unwrap_or(',');
        self.instead = Instead { views: views(&mut query), ..instead_of_own(&mut query, self.rows) };
        if self.explain && self.instead.views.is_some() {
            query.error("tta", "explanations are those of pictures as they are; ask for one or the other");
        }
        query.finish()
    }

    /// Whether the answer may begin before the rows have ended: both sides come row by row.
    pub(super) fn can_stream(&self) -> bool {
        matches!(self.rows, Media::Csv | Media::Ndjson | Media::Arrow) && self.answer != Media::Json
    }
}

/// What the query has instead of the model's own; for rows in JSON the body has it.
pub(super) fn instead_of_own(query: &mut Query, rows: Media) -> Instead {
    let instead = Instead { threshold: threshold(query), prevalence: prevalence(query), views: None };
    let given = [("threshold", instead.threshold), ("prevalence", instead.prevalence)];
    for (name, _) in given.into_iter().filter(|(_, given)| given.is_some() && rows == Media::Json) {
        query.error(name, "in JSON it is a member of the body");
    }
    instead
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

fn views(query: &mut Query) -> Option<Views> {
    let name = query.raw("tta")?;
    let views = Views::named(&name);
    if views.is_none() {
        let names = Views::ALL.map(|(name, _)| name).join(", ");
        query.error("tta", format!("expected one of {names}"));
    }
    views
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    fn read(query: &str, media_type: &'static str) -> Result<Call, ApiError> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Call::read(query, &headers)
    }

    #[test]
    fn csv_takes_its_parameters_from_the_query() {
        let call = read("threshold=0.25&prevalence=0.01&delimiter=%3B", "text/csv; charset=utf-8").unwrap();
        let instead = Instead { threshold: Some(0.25), prevalence: Some(0.01), views: None };
        assert_eq!((call.rows, call.delimiter, call.instead), (Media::Csv, ';', instead));
        assert_eq!(read("", "text/csv").unwrap().delimiter, ',');
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
            let error = read(&format!("prevalence={wrong}"), "application/x-ndjson").unwrap_err();
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
        assert_eq!(Call::read("", &HeaderMap::new()).unwrap_err().code(), Code::UnsupportedMediaType);
    }

    #[test]
    fn views_are_asked_for_by_name_whatever_the_rows_come_as() {
        assert_eq!(read("tta=flips", "application/json").unwrap().instead.views, Some(Views::Flips));
        assert_eq!(read("tta=turns", "text/csv").unwrap().instead.views, Some(Views::Turns));
        for wrong in ["tta=", "tta=8", "tta=flips&explain=true"] {
            let error = read(wrong, "application/json").unwrap_err();
            assert_eq!(error.errors()[0].parameter.as_deref(), Some("tta"), "{wrong}");
        }
    }

    #[test]
    fn only_json_explains() {
        let error = read("explain=true", "application/x-ndjson").unwrap_err();
        assert_eq!(error.errors()[0].parameter.as_deref(), Some("explain"));
        assert!(read("explain=true", "text/csv").unwrap().explain);
    }
}
