//! Lists by pages: an opaque token says where the next page begins and which filters it belongs to.

use std::fmt::Display;

use axum::Json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::ApiError;
use super::extract::Query;
use super::limits::HttpConfig;
use crate::store::Page;

/// Bytes of the filters' hash in a token: enough to tell filters apart, which is no secret.
const FILTER_BYTES: usize = 8;

/// Which page of a list a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    size: u32,
    before: Option<Uuid>,
    filter: [u8; FILTER_BYTES],
}

/// One page of a list, as it is sent.
#[derive(Debug, Serialize)]
pub struct PageBody {
    pub items: Vec<Value>,
    pub next_page_token: Option<String>,
}

impl PageRequest {
    /// Reads `page_size` and `page_token`. `filters` are the other parameters of the list with their values; a token
    /// of a list with other filters is a mistake, since it would skip or repeat rows.
    pub fn read(query: &mut Query, config: &HttpConfig, filters: &[(&str, Option<&str>)]) -> Self {
        let default = u64::from(config.default_page_size.min(config.max_page_size));
        let size = query.integer("page_size", default, 1, u64::from(config.max_page_size)) as u32;
        let filter = fingerprint(filters);
        let before = query.raw("page_token").and_then(|token| {
            let before = decode(&token, filter);
            if before.is_none() {
                query.error("page_token", "expected the next_page_token of a page with the same filters");
            }
            before
        });
        Self { size, before, filter }
    }

    /// What to ask the store for: one row more than the page has, which tells whether there is a next one.
    pub fn probe(&self) -> Page {
        Page { size: self.size.saturating_add(1), before: self.before }
    }

    /// The page made of the probed rows, each shown as JSON.
    ///
    /// # Errors
    /// 500 if a row cannot be written as JSON.
    pub fn answer<R, I: Display>(
        &self,
        mut rows: Vec<R>,
        id: impl Fn(&R) -> I,
        show: impl Fn(&R) -> serde_json::Result<Value>,
    ) -> Result<Json<PageBody>, ApiError> {
        let more = rows.len() > self.size as usize;
        rows.truncate(self.size as usize);
        let last = rows.last().filter(|_| more).and_then(|row| Uuid::parse_str(&id(row).to_string()).ok());
        let next_page_token = last.map(|last| encode(last, self.filter));
        let items = rows.iter().map(show).collect::<Result<_, _>>().map_err(ApiError::internal)?;
        Ok(Json(PageBody { items, next_page_token }))
    }
}

fn fingerprint(filters: &[(&str, Option<&str>)]) -> [u8; FILTER_BYTES] {
    let mut hash = Sha256::new();
    for (name, value) in filters {
        // Lengths keep ("a", "bc") apart from ("ab", "c"), and 0 or 1 an absent filter from an empty one.
        let value_length = value.map_or(0, |value| value.len() as u64 + 1);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update(value_length.to_be_bytes());
        hash.update(value.unwrap_or_default().as_bytes());
    }
    let mut first = [0; FILTER_BYTES];
    for (to, from) in first.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    first
}

fn encode(last: Uuid, filter: [u8; FILTER_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode([last.as_bytes().as_slice(), &filter].concat())
}

fn decode(token: &str, filter: [u8; FILTER_BYTES]) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, found) = bytes.split_at_checked(16)?;
    (found == filter).then(|| Uuid::from_slice(id).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, filters: &[(&str, Option<&str>)]) -> (PageRequest, Result<(), String>) {
        let mut query = Query::new(query);
        let page = PageRequest::read(&mut query, &HttpConfig::default(), filters);
        (page, query.finish().map_err(|error| error.errors()[0].detail.clone()))
    }

    #[test]
    fn a_full_page_leads_to_the_one_after_its_last_row() {
        let (page, _) = read("page_size=2", &[]);
        assert_eq!(page.probe(), Page { size: 3, before: None });
        let ids: Vec<Uuid> = (0..3).map(Uuid::from_u128).rev().collect();
        let Json(body) = page.answer(ids.clone(), |id| *id, |id| serde_json::to_value(id)).unwrap();
        assert_eq!(body.items, ids[..2].iter().map(|id| id.to_string()).collect::<Vec<_>>());
        let (next, finished) = read(&format!("page_token={}", body.next_page_token.unwrap()), &[]);
        assert_eq!((next.probe().before, finished), (Some(ids[1]), Ok(())));
    }

    #[test]
    fn the_last_page_leads_nowhere() {
        let (page, _) = read("page_size=2", &[]);
        let Json(body) = page.answer(vec![Uuid::nil(); 2], |id| *id, |id| serde_json::to_value(id)).unwrap();
        assert_eq!((body.items.len(), body.next_page_token), (2, None));
    }

    #[test]
    fn a_token_belongs_to_its_filters() {
        let (page, _) = read("page_size=1", &[("name", Some("a"))]);
        let Json(body) = page.answer(vec![Uuid::max(), Uuid::nil()], |id| *id, |id| serde_json::to_value(id)).unwrap();
        let query = format!("page_token={}", body.next_page_token.unwrap());
        assert_eq!(read(&query, &[("name", Some("a"))]).1, Ok(()));
        let refused = Err("expected the next_page_token of a page with the same filters".to_owned());
        assert_eq!(read(&query, &[("name", Some("b"))]).1, refused);
        assert_eq!(read(&query, &[("name", None)]).1, refused);
        assert_eq!(read("page_token=x", &[]).1, refused);
        assert_eq!(read("page_token=", &[]).1, refused);
    }

    #[test]
    fn a_size_beyond_the_limit_is_a_mistake() {
        let expected = "expected a whole number from 1 to 200, found 201";
        assert_eq!(read("page_size=201", &[]).1, Err(expected.to_owned()));
    }
}
