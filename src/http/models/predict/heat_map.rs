//! Which part of a picture a network went by, as a picture or in numbers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;

use super::accept::{Media, preferred};
use super::answer::{About, HEAT_MAP_LABEL, LABEL, PROBABILITY, member, set_headers};
use super::blocks::{invalid_rows, with_pictures};
use super::call::{Call, instead_of_own};
use super::pictures::{parts, picture_rows};
use super::rows::{RowLimits, check_not_empty, json_rows};
use super::score::{Instead, Scale, score_rows};
use super::turn::{Size, at_turn};
use super::wording::header_text;
use crate::draw::{Heat, Raster, heat_over};
use crate::http::AppState;
use crate::http::body;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Id, Query, media_type, small_body_limits};
use crate::http::models::{Served, find_served};
use crate::http::picture::png;
use crate::ml::model::Seen;
use crate::ml::nn::Evidence;
use crate::ml::table::{CellError, ColumnRef, InputRows};
use crate::records::ModelId;

/// The longer side of an answer, in pixels, at least.
const SIDE: u64 = 224;
const MAX_SIDE: u64 = 1024;
/// How much of the picture the heat covers.
const OPACITY: f64 = 0.6;
/// Characters of a label.
const MAX_LABEL_CHARS: usize = 500;
/// What the answer may be; the first if the client does not say.
const ANSWERS: [&str; 2] = ["image/png", "application/json"];
const SEND: &str =
    "send one picture: as image/*, as the one part of multipart/form-data, or in base64 in application/json";

/// `POST /v1/models/{model_id}/heat-map`.
pub(in crate::http::models) async fn handle(
    State(state): State<AppState>,
    Id(id): Id<ModelId>,
    request: Request,
) -> Result<Response, ApiError> {
    let served = find_served(&state, id).await?;
    heat_map(&state, served, request).await
}

/// What is asked besides the picture.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    media: Media,
    instead: Instead,
    /// Whether the heat is what speaks for the positive class; `None`: for the predicted one.
    is_positive: Option<bool>,
    opacity: f32,
    side: usize,
    as_json: bool,
}

/// Answers which part of a picture a model goes by.
///
/// # Errors
/// 400, 406, 413, 415, 422 for what is wrong with the request or where the model does not look at pictures part by part, 429 if too
/// much is being computed.
pub(in crate::http) async fn heat_map(
    state: &AppState,
    served: Arc<Served>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let wish = Wish::read(&parts, &served)?;
    if !served.model.has_heat_map() {
        let detail = "the model does not look at pictures part by part: heat maps are of `cnn` models whose last layers of \
                      convolution leave more than one pixel";
        return Err(ApiError::new(Code::InvalidRequest, detail));
    }
    let bytes = body::collected(&parts.headers, sent, small_body_limits(state)).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).cloned();
    let (call, model) = (wish.call(), served.clone());
    let limits = RowLimits::new(&state.config, &call);
    // There and back again, through networks of any size.
    let size = Size::LARGE;
    let answer = move || {
        let (rows, instead) = one_picture(wish.media, content_type.as_ref(), &bytes, &served, limits)?;
        let instead = if wish.media == Media::Json { instead } else { wish.instead };
        Found::of(&rows, &served, instead, &wish)?.response(&served, &rows, &wish)
    };
    at_turn(state, &model, size, answer).await
}

impl Wish {
    fn read(parts: &Parts, served: &Served) -> Result<Self, ApiError> {
        let media = media_type(&parts.headers).and_then(|name| Media::of(&name));
        let media = media.filter(|media| matches!(media, Media::Picture | Media::Multipart | Media::Json));
        let media = media.ok_or_else(|| ApiError::new(Code::UnsupportedMediaType, SEND))?;
        let answer = preferred(&parts.headers, ANSWERS.into_iter());
        let answer = answer
            .ok_or_else(|| ApiError::new(Code::NotAcceptable, "heat maps come as image/png or application/json"))?;
        let mut query = Query::new(parts.uri.query().unwrap_or_default());
        let wish = Self {
            media,
            instead: instead_of_own(&mut query, media),
            is_positive: class(&mut query, served),
            opacity: query.number("opacity", OPACITY, 0.0, 1.0) as f32,
            side: query.integer("side", SIDE, 1, MAX_SIDE) as usize,
            as_json: answer > 0,
        };
        query.finish()?;
        Ok(wish)
    }

    /// The same as a question for predictions, which has the same limits.
    fn call(&self) -> Call {
        let Self { media, instead, .. } = *self;
        Call { rows: media, delimiter: ',', instead, explain: false, answer: Media::Json }
    }
}

/// The class whose label the query names.
fn class(query: &mut Query, served: &Served) -> Option<bool> {
    let label = query.text("label", MAX_LABEL_CHARS)?;
    let classes = &served.record.classes;
    let found = [false, true].into_iter().find(|&is_positive| classes.name(is_positive) == label);
    if found.is_none() {
        let (negative, positive) = (classes.name(false), classes.name(true));
        query.error("label", format!("expected a label of the model, {negative:?} or {positive:?}"));
    }
    found
}

/// The picture of a body, and what a JSON body has instead of the model's own.
fn one_picture(
    media: Media,
    content_type: Option<&HeaderValue>,
    bytes: &Bytes,
    served: &Served,
    limits: RowLimits,
) -> Result<(InputRows, Instead), ApiError> {
    let table_limits = limits.table(served);
    let picture = match media {
        Media::Json => {
            // Told before any of them is decoded.
            let (rows, instead) = json_rows(bytes, served, limits, &table_limits)?;
            check_not_empty(rows.rows)?;
            check_one(rows.rows)?;
            let rows = with_pictures(rows, served, &table_limits).map_err(|errors| invalid_rows(errors, 0))?;
            return Ok((rows, instead));
        }
        Media::Multipart => {
            let mut files = parts(bytes, content_type)?;
            check_one(files.len())?;
            files.pop().map(|(_, file)| file).unwrap_or_default()
        }
        _ => bytes.clone(),
    };
    let rows = picture_rows(Media::Picture, None, &picture, served, &table_limits)?.rows;
    Ok((rows, Instead::default()))
}

fn check_one(pictures: usize) -> Result<(), ApiError> {
    if pictures == 1 {
        return Ok(());
    }
    let detail = format!("{pictures} pictures; a heat map is of one");
    Err(invalid_rows(vec![CellError { row: None, column: None, detail }], 0))
}

/// All that is told.
struct Found {
    scale: Scale,
    probability: f64,
    is_positive: bool,
    /// Whether the evidence is that for the positive class.
    for_positive: bool,
    seen: Seen,
    evidence: Evidence,
}

/// The map as JSON has it.
#[derive(Debug, Serialize)]
struct MapView<'a> {
    label: &'a str,
    height: usize,
    width: usize,
    /// Line by line.
    values: Vec<&'a [f32]>,
    peak: f32,
}

impl Found {
    fn of(rows: &InputRows, served: &Served, instead: Instead, wish: &Wish) -> Result<Self, ApiError> {
        let scale = Scale::new(served, instead)?;
        let probability = score_rows(served, rows, &scale)?.first().copied().unwrap_or_default();
        let inputs: Vec<ColumnRef<'_>> = rows.columns().collect();
        let seen = served.model.heat_map(&inputs).map_err(ApiError::internal)?;
        let seen = seen.ok_or_else(|| ApiError::internal("a model with heat maps has none of a picture"))?;
        let is_positive = probability >= scale.threshold;
        let for_positive = wish.is_positive.unwrap_or(is_positive);
        let evidence = seen.map.evidence(for_positive);
        if !evidence.peak.is_finite() || evidence.shares.iter().any(|share| !share.is_finite()) {
            return Err(ApiError::internal("the heat of a picture is not finite"));
        }
        Ok(Self { scale, probability, is_positive, for_positive, seen, evidence })
    }

    fn response(&self, served: &Served, rows: &InputRows, wish: &Wish) -> Result<Response, ApiError> {
        let about = About { served, scale: &self.scale, ignored_columns: &rows.ignored_columns };
        let body = if wish.as_json { self.json(&about)? } else { self.picture(wish)? };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        let media = ANSWERS.map(HeaderValue::from_static);
        let [picture, json] = media;
        headers.insert(header::CONTENT_TYPE, if wish.as_json { json } else { picture });
        if !wish.as_json {
            self.set_headers(headers, &about);
        }
        Ok(response)
    }

    fn json(&self, about: &About<'_>) -> Result<Vec<u8>, ApiError> {
        let (classes, Evidence { sides: [height, width], shares, peak }) =
            (&about.served.record.classes, &self.evidence);
        let map = MapView {
            label: classes.name(self.for_positive),
            height: *height,
            width: *width,
            values: shares.chunks((*width).max(1)).collect(),
            peak: *peak,
        };
        let mut out = Vec::with_capacity(512 + shares.len() * 12);
        out.push(b'{');
        out.extend_from_slice(about.served.wording.model.as_bytes());
        member(&mut out, ",\"threshold\":", &self.scale.threshold)?;
        member(&mut out, ",\"prevalence\":", &self.scale.prevalence())?;
        member(&mut out, ",\"ignored_columns\":", &about.ignored_columns)?;
        member(&mut out, ",\"label\":", &classes.name(self.is_positive))?;
        member(&mut out, ",\"probability\":", &self.probability)?;
        member(&mut out, ",\"heat_map\":", &map)?;
        out.push(b'}');
        Ok(out)
    }

    fn picture(&self, wish: &Wish) -> Result<Vec<u8>, ApiError> {
        let pictures = &self.seen.pictures.pictures;
        let shape = pictures.shape();
        let raster =
            Raster { height: shape.height, width: shape.width, channels: shape.channels, pixels: pictures.get(0) };
        let heat = Heat { sides: self.evidence.sides, values: &self.evidence.shares };
        let drawn = heat_over(raster, heat, wish.opacity, wish.side);
        png(drawn.width, drawn.height, &drawn.pixels)
    }

    fn set_headers(&self, headers: &mut HeaderMap, about: &About<'_>) {
        set_headers(headers, about);
        let classes = &about.served.record.classes;
        let texts: [(HeaderName, String); 3] = [
            (LABEL, header_text(classes.name(self.is_positive))),
            (PROBABILITY, self.probability.to_string()),
            (HEAT_MAP_LABEL, header_text(classes.name(self.for_positive))),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}
