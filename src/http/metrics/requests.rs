//! Requests by endpoint, format and class of status.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use axum::http::Method;

use super::Metrics;
use super::format::Format;
use super::latency::{Counted, Latency};
use crate::http::document::Operation;

/// Informational, success, redirection, client error, server error.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The endpoint of requests for what the document does not have.
const NO_ENDPOINT: &str = "none";

/// A cell for each combination of labels; it takes memory when it is first counted in.
pub(super) struct Requests {
    /// By their place in the cells; the last is [`NO_ENDPOINT`].
    endpoints: Vec<String>,
    /// By path, with the places of the methods that it has.
    places: HashMap<String, Vec<(Method, usize)>>,
    cells: Vec<OnceLock<Box<Latency>>>,
    in_progress: AtomicI64,
}

/// What was counted of one combination of labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) endpoint: String,
    pub(super) format: &'static str,
    pub(super) status: &'static str,
    pub(super) counted: Counted,
}

impl Requests {
    pub(super) fn new(operations: &[Operation]) -> Self {
        let mut places: HashMap<String, Vec<(Method, usize)>> = HashMap::new();
        for (place, operation) in operations.iter().enumerate() {
            places.entry(operation.path.clone()).or_default().push((operation.method.clone(), place));
        }
        let names = operations.iter().map(|operation| operation.id.clone());
        let endpoints: Vec<String> = names.chain([NO_ENDPOINT.to_owned()]).collect();
        let cells = endpoints.len() * Format::ALL.len() * CLASSES.len();
        Self {
            endpoints,
            places,
            cells: std::iter::repeat_with(OnceLock::new).take(cells).collect(),
            in_progress: AtomicI64::new(0),
        }
    }

    /// The place of an endpoint.
    pub(super) fn endpoint(&self, route: Option<&str>, method: &Method) -> usize {
        let methods = route.and_then(|route| self.places.get(route));
        // The framework answers HEAD by the handler of GET.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let known = methods.and_then(|methods| methods.iter().find(|(known, _)| known == method));
        known.map_or(self.endpoints.len().saturating_sub(1), |(_, place)| *place)
    }

    pub(super) fn in_progress(&self) -> i64 {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// Everything that was counted.
    pub(super) fn series(&self) -> Vec<Series> {
        let counted = |(place, cell): (usize, &OnceLock<Box<Latency>>)| {
            let (endpoint, format, class) = self.labels(place);
            Some(Series {
                endpoint: endpoint.to_owned(),
                format: format.as_str(),
                status: class,
                counted: cell.get()?.counted(),
            })
        };
        self.cells.iter().enumerate().filter_map(counted).collect()
    }

    fn cell(&self, endpoint: usize, format: Format, status: u16) -> Option<&Latency> {
        let class = usize::from(status / 100).saturating_sub(1).min(CLASSES.len() - 1);
        let place = (endpoint * Format::ALL.len() + format as usize) * CLASSES.len() + class;
        self.cells.get(place).map(|cell| &**cell.get_or_init(Box::default))
    }

    fn labels(&self, place: usize) -> (&str, Format, &'static str) {
        let (rest, class) = (place / CLASSES.len(), place % CLASSES.len());
        let (endpoint, format) = (rest / Format::ALL.len(), rest % Format::ALL.len());
        (
            self.endpoints.get(endpoint).map_or(NO_ENDPOINT, String::as_str),
            Format::ALL.get(format).copied().unwrap_or(Format::Other),
            CLASSES.get(class).copied().unwrap_or_default(),
        )
    }
}

/// A request at work. Counted when its answer has been sent; one whose client went away before is not.
pub(in crate::http) struct Seen {
    metrics: Metrics,
    endpoint: usize,
    format: Format,
}

impl Seen {
    pub(super) fn new(metrics: Metrics, endpoint: usize, format: Format) -> Self {
        metrics.requests().in_progress.fetch_add(1, Ordering::Relaxed);
        Self { metrics, endpoint, format }
    }

    pub(in crate::http) fn answered(&self, status: u16, started: Instant) {
        if let Some(cell) = self.metrics.requests().cell(self.endpoint, self.format, status) {
            cell.add(started.elapsed());
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.metrics.requests().in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn requests() -> Requests {
        let operation = |id: &str, method: Method| Operation {
            id: id.to_owned(),
            method,
            path: "/v1/jobs".to_owned(),
            scope: None,
            takes_query: false,
        };
        Requests::new(&[operation("listJobs", Method::GET), operation("createJob", Method::POST)])
    }

    #[test]
    fn a_cell_is_found_again_by_its_labels() {
        let requests = requests();
        let create = requests.endpoint(Some("/v1/jobs"), &Method::POST);
        for status in [202, 204, 422] {
            requests.cell(create, Format::Json, status).unwrap().add(Duration::from_millis(1));
        }
        let found: Vec<_> = requests
            .series()
            .into_iter()
            .map(|series| (series.endpoint, series.format, series.status, series.counted.count))
            .collect();
        let create = |status, count| ("createJob".to_owned(), "json", status, count);
        assert_eq!(found, [create("2xx", 2), create("4xx", 1)]);
    }

    #[test]
    fn what_is_unknown_is_one_endpoint() {
        let requests = requests();
        let none = requests.endpoint(None, &Method::GET);
        assert_eq!(requests.endpoint(Some("/v1/jobs"), &Method::DELETE), none);
        assert_eq!(requests.endpoint(Some("/v1/evil"), &Method::GET), none);
        assert_eq!(requests.endpoint(Some("/v1/jobs"), &Method::HEAD), 0);
        for status in [0, 99, 100, 999, u16::MAX] {
            requests.cell(none, Format::Other, status).unwrap().add(Duration::ZERO);
        }
        let classes: Vec<&str> = requests.series().iter().map(|series| series.status).collect();
        assert_eq!(classes, ["1xx", "5xx"], "no status is outside the classes");
    }
}
