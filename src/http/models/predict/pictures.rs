//! Bodies that are pictures: one as it is, some as parts of multipart, many in an archive.

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderValue, header};
use bytes::Bytes;

use super::accept::Media;
use super::blocks::{invalid_rows, refusal};
use super::rows::check_count;
use crate::http::error::{ApiError, Code};
use crate::http::models::Served;
use crate::http::problem::FieldProblem;
use crate::ml::picture::{PictureSpec, Pictures};
use crate::ml::table::{
    CellError, Column, IMAGE_COLUMN, InputRows, Parsed, PictureArchive, ReadError, Table, TableLimits, Values,
    read_pictures,
};

/// Bytes of the pixels of one request: pictures of a few bytes each may become many.
pub(super) const MAX_PIXEL_BYTES: usize = 256 << 20;
/// Characters of the name of a part.
const MAX_NAME_CHARS: usize = 1000;

/// The pictures of a body as rows, with their names where they have some.
pub(super) struct PictureRows {
    pub(super) rows: InputRows,
    pub(super) paths: Option<Vec<String>>,
}

/// Reads the pictures of a body.
///
/// # Errors
/// 413 for too many, 415 if the model reads no pictures, 422 if it reads other columns too, or for every picture that cannot be
/// read.
pub(super) fn picture_rows(
    media: Media,
    content_type: Option<&HeaderValue>,
    bytes: &Bytes,
    served: &Served,
    limits: &TableLimits,
) -> Result<PictureRows, ApiError> {
    let spec = spec_alone(served)?;
    let (paths, pictures) = match media {
        Media::Zip => archive(bytes, &spec, limits)?,
        Media::Multipart => {
            let (names, files): (Vec<String>, Vec<Bytes>) = parts(bytes, content_type)?.into_iter().unzip();
            check_count(files.len(), most(limits, &spec))?;
            let pictures =
                read_pictures(&files, &spec, &limits.pictures).map_err(|errors| unreadable(errors, &names))?;
            (Some(names), pictures)
        }
        _ => {
            let pictures = read_pictures(std::slice::from_ref(bytes), &spec, &limits.pictures);
            (None, pictures.map_err(|errors| unreadable(errors, &[]))?)
        }
    };
    let column = Column { name: IMAGE_COLUMN.to_owned(), values: Values::Pictures(pictures) };
    let table = Table::new(vec![column]).map_err(ApiError::internal)?;
    Ok(PictureRows { rows: InputRows::from(Parsed { table, ignored_columns: Vec::new() }), paths })
}

/// Pictures that a request may have.
pub(super) fn most(limits: &TableLimits, spec: &PictureSpec) -> usize {
    let by_pixels = MAX_PIXEL_BYTES / spec.shape.values().max(1);
    usize::try_from(limits.max_rows).unwrap_or(usize::MAX).min(by_pixels.max(1))
}

/// What the model turns pictures into, if they are all that it reads.
fn spec_alone(served: &Served) -> Result<PictureSpec, ApiError> {
    let Some(spec) = served.model.picture_spec() else {
        let detail = "this model reads no pictures; send its columns as JSON, CSV, NDJSON, Arrow or Parquet";
        return Err(ApiError::new(Code::UnsupportedMediaType, detail));
    };
    let others = served.inputs.iter().filter(|input| input.name != IMAGE_COLUMN);
    let missing = |name: &str| {
        let detail = "the model reads this column beside the pictures; send rows as JSON, with the picture in base64";
        FieldProblem::in_table(None, Some(name.to_owned()), detail)
    };
    let missing: Vec<FieldProblem> = others.map(|input| missing(&input.name)).collect();
    if missing.is_empty() { Ok(spec) } else { Err(ApiError::listing(Code::InvalidRows, missing)) }
}

fn archive(
    bytes: &Bytes,
    spec: &PictureSpec,
    limits: &TableLimits,
) -> Result<(Option<Vec<String>>, Pictures), ApiError> {
    let archive = PictureArchive::open(bytes.clone(), limits).map_err(|error| refused(&error))?;
    check_count(archive.count(), most(limits, spec))?;
    let pictures = archive.read(spec, limits).map_err(|error| refused(&error))?;
    Ok((Some(archive.paths()), pictures))
}

fn refused(error: &ReadError) -> ApiError {
    match error {
        ReadError::Malformed { problems, more } => {
            let problem = |problem: &crate::ml::table::RowProblem| {
                let row = Some(problem.row).filter(|row| *row > 0);
                FieldProblem::in_table(row, problem.column.clone(), problem.detail.clone())
            };
            ApiError::listing(Code::InvalidRows, problems.iter().map(problem).collect()).truncated(*more)
        }
        ReadError::ArchiveTooLarge { .. } => ApiError::new(Code::DecompressedTooLarge, error.to_string()),
        error => refusal(error),
    }
}

fn unreadable(errors: Vec<(usize, String)>, names: &[String]) -> ApiError {
    let error = |(index, reason): (usize, String)| {
        let detail = names.get(index).map_or_else(|| reason.clone(), |name| format!("{name:?}: {reason}"));
        CellError { row: Some(index as u64), column: Some(IMAGE_COLUMN.to_owned()), detail }
    };
    invalid_rows(errors.into_iter().map(error).collect(), 0)
}

/// The parts of a multipart body, each with the name of its file, or else its own.
///
/// # Errors
/// 400 for what is no multipart, 422 if there is no part.
pub(super) fn parts(bytes: &Bytes, content_type: Option<&HeaderValue>) -> Result<Vec<(String, Bytes)>, ApiError> {
    let mut request = Request::new(Body::from(bytes.clone()));
    if let Some(content_type) = content_type {
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    // All of the body is here, so that this never waits.
    futures::executor::block_on(async {
        let malformed = |detail: String| ApiError::new(Code::MalformedRequest, detail);
        let multipart = Multipart::from_request(request, &()).await;
        let mut multipart = multipart.map_err(|_| malformed("the multipart body names no boundary".to_owned()))?;
        let mut parts = Vec::new();
        let broken = |_| malformed("the body is not well-formed multipart".to_owned());
        while let Some(part) = multipart.next_field().await.map_err(broken)? {
            let name = part.file_name().or(part.name()).unwrap_or_default();
            let name = name.chars().take(MAX_NAME_CHARS).collect();
            parts.push((name, part.bytes().await.map_err(broken)?));
        }
        if parts.is_empty() {
            let detail = "there is no part; each is a picture".to_owned();
            return Err(invalid_rows(vec![CellError { row: None, column: None, detail }], 0));
        }
        Ok(parts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_names_of_their_files() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"a.png\"\r\n\r\none\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\ntwo\r\n--b--\r\n";
        let multipart = HeaderValue::from_static("multipart/form-data; boundary=b");
        let found = parts(&Bytes::from(body), Some(&multipart)).unwrap();
        let found: Vec<_> = found.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        assert_eq!(found, [("a.png", &b"one"[..]), ("y", b"two")]);
        for (body, content_type) in [("x", "multipart/form-data; boundary=b"), ("x", "multipart/form-data")] {
            let content_type = HeaderValue::from_static(content_type);
            assert_eq!(parts(&Bytes::from(body), Some(&content_type)).unwrap_err().code(), Code::MalformedRequest);
        }
        let nothing = parts(&Bytes::from("--b--\r\n"), Some(&multipart)).unwrap_err();
        assert_eq!(nothing.code(), Code::InvalidRows);
    }
}
