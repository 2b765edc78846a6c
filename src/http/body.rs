//! Request bodies as streams: bounded as sent and as decompressed, never waiting for ever.

use std::io;
use std::time::Duration;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::{ApiError, Code};

/// Bytes decoded at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// What is set aside for a body whose length is announced, before it comes.
const MAX_AHEAD_BYTES: u64 = 1 << 20;

/// How much of a body is taken, and how long it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// As sent.
    pub max_bytes: u64,
    /// After decompression.
    pub max_decompressed_bytes: u64,
    /// Between two pieces.
    pub idle: Duration,
}

/// Why a body cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("the body is larger than {limit_bytes} bytes once decompressed")]
    DecompressedTooLarge { limit_bytes: u64 },
    #[error("no byte of the body arrived for {seconds} seconds")]
    Idle { seconds: u64 },
    #[error("the body broke off")]
    Broken(#[source] axum::Error),
    #[error("the body is not valid {encoding}")]
    Undecodable {
        encoding: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the body is not well-formed multipart")]
    Multipart(#[source] axum::extract::multipart::MultipartError),
    #[error("the multipart body has more than {limit_bytes} bytes outside its file")]
    MultipartOverhead { limit_bytes: u64 },
}

impl From<BodyFault> for ApiError {
    fn from(fault: BodyFault) -> Self {
        let code = match &fault {
            BodyFault::TooLarge { .. } => Code::PayloadTooLarge,
            BodyFault::DecompressedTooLarge { .. } => Code::DecompressedTooLarge,
            BodyFault::Idle { .. }
            | BodyFault::Broken(_)
            | BodyFault::Undecodable { .. }
            | BodyFault::Multipart(_)
            | BodyFault::MultipartOverhead { .. } => Code::MalformedRequest,
        };
        ApiError::new(code, fault.to_string()).caused_by(fault)
    }
}

/// The pieces of a body after decompression.
pub type BodyStream = BoxStream<'static, Result<Bytes, BodyFault>>;

/// The body, decompressed as its `Content-Encoding` says, within the limits.
///
/// # Errors
/// 413 at once if `Content-Length` says so, 415 for an encoding other than gzip, zstd and identity. All else comes
/// out of the stream.
pub fn decoded(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<BodyStream, ApiError> {
    if content_length(headers).is_some_and(|length| length > limits.max_bytes) {
        return Err(BodyFault::TooLarge { limit_bytes: limits.max_bytes }.into());
    }
    let sent = as_sent(body, limits);
    match encoding(headers)? {
        Encoding::Identity => Ok(sent),
        Encoding::Gzip => {
            // Concatenated gzip members are one file to every tool that writes them, so they are one here.
            let mut decoder = GzipDecoder::new(buffered(sent));
            decoder.multiple_members(true);
            Ok(decompressed(decoder, "gzip", limits.max_decompressed_bytes))
        }
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::new(buffered(sent));
            decoder.multiple_members(true);
            Ok(decompressed(decoder, "zstd", limits.max_decompressed_bytes))
        }
    }
}

/// The whole body in memory; for bodies whose limit is small.
///
/// # Errors
/// As [`decoded`], and every [`BodyFault`].
pub async fn collected(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, ApiError> {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(whole(headers, body, limits).await?);
    }
    let mut stream = decoded(headers, body, limits)?;
    let mut bytes = BytesMut::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// A body as it was sent. Most come in one piece, which is not copied, and are here already, so that nobody waits.
async fn whole(headers: &HeaderMap, mut body: Body, limits: BodyLimits) -> Result<Bytes, BodyFault> {
    let too_large = || BodyFault::TooLarge { limit_bytes: limits.max_bytes };
    let length = content_length(headers);
    if length.is_some_and(|length| length > limits.max_bytes) {
        return Err(too_large());
    }
    let (mut first, mut all) = (None, BytesMut::new());
    loop {
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => {
                let frame = tokio::time::timeout(limits.idle, body.frame()).await;
                frame.map_err(|_| BodyFault::Idle { seconds: limits.idle.as_secs() })?
            }
        };
        let Some(frame) = frame.transpose().map_err(BodyFault::Broken)? else { break };
        let Ok(piece) = frame.into_data() else { continue };
        let taken = (first.as_ref().map_or(0, Bytes::len) + all.len()) as u64 + piece.len() as u64;
        if taken > limits.max_bytes {
            return Err(too_large());
        }
        match first.take() {
            None if all.is_empty() => first = Some(piece),
            first => {
                if let Some(first) = first {
                    // The length that is announced is within the limit; more is not set aside before it comes.
                    all.reserve(length.unwrap_or(0).min(MAX_AHEAD_BYTES) as usize);
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(ApiError::new(Code::UnsupportedContentEncoding, "send gzip, zstd or no encoding")),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The pieces as the client sends them, each within the idle time, all within the limit.
fn as_sent(body: Body, limits: BodyLimits) -> BodyStream {
    let state = (body.into_data_stream(), 0_u64);
    futures::stream::try_unfold(state, move |(mut pieces, taken)| async move {
        let Ok(next) = tokio::time::timeout(limits.idle, pieces.next()).await else {
            return Err(BodyFault::Idle { seconds: limits.idle.as_secs() });
        };
        let Some(piece) = next.transpose().map_err(BodyFault::Broken)? else { return Ok(None) };
        let taken = taken.saturating_add(piece.len() as u64);
        if taken > limits.max_bytes {
            return Err(BodyFault::TooLarge { limit_bytes: limits.max_bytes });
        }
        Ok(Some((piece, (pieces, taken))))
    })
    .boxed()
}

fn buffered(sent: BodyStream) -> BufReader<StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>> {
    BufReader::with_capacity(CHUNK_BYTES, StreamReader::new(sent.map_err(io::Error::other).boxed()))
}

fn decompressed(decoder: impl AsyncRead + Send + 'static, encoding: &'static str, limit_bytes: u64) -> BodyStream {
    let pieces = ReaderStream::with_capacity(decoder, CHUNK_BYTES).boxed();
    futures::stream::try_unfold((pieces, 0_u64), move |(mut pieces, taken)| async move {
        let Some(piece) = pieces.try_next().await.map_err(|error| fault(error, encoding))? else { return Ok(None) };
        let taken = taken.saturating_add(piece.len() as u64);
        if taken > limit_bytes {
            return Err(BodyFault::DecompressedTooLarge { limit_bytes });
        }
        Ok(Some((piece, (pieces, taken))))
    })
    .boxed()
}

/// Tells a fault of the body below the decoder from one that the decoder found.
fn fault(error: io::Error, encoding: &'static str) -> BodyFault {
    match error.downcast::<BodyFault>() {
        Ok(fault) => fault,
        Err(source) => BodyFault::Undecodable { encoding, source },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::HeaderValue;

    use super::*;

    const LIMITS: BodyLimits =
        BodyLimits { max_bytes: 1000, max_decompressed_bytes: 5000, idle: Duration::from_millis(50) };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(encoding: &'static str, body: impl Into<Body>) -> Result<Bytes, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        collected(&headers, body.into(), LIMITS).await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn every_encoding_gives_the_same_bytes() {
        let text = b"area,label\n".repeat(20);
        assert_eq!(read("identity", text.clone()).await.unwrap(), text);
        assert_eq!(read("gzip", gzip(&text)).await.unwrap(), text);
        assert_eq!(read("zstd", zstd::encode_all(text.as_slice(), 3).unwrap()).await.unwrap(), text);
        assert_eq!(read("gzip", [gzip(&text), gzip(&text)].concat()).await.unwrap(), [text.clone(), text].concat());
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_limit_and_says_which() {
        assert_eq!(read("gzip", gzip(&vec![0; 5001])).await, Err(Code::DecompressedTooLarge));
        assert_eq!(read("gzip", gzip(&vec![0; 5000])).await.map(|bytes| bytes.len()), Ok(5000));
        assert_eq!(read("identity", vec![0; 1001]).await, Err(Code::PayloadTooLarge));
    }

    #[tokio::test]
    async fn what_does_not_decompress_is_refused() {
        let whole = gzip(&b"area,label\n".repeat(20));
        assert_eq!(read("gzip", whole[..whole.len() - 4].to_vec()).await, Err(Code::MalformedRequest));
        assert_eq!(read("gzip", "area,label\n").await, Err(Code::MalformedRequest));
        for encoding in ["br", "", "gzip, zstd"] {
            assert_eq!(read(encoding, "x").await, Err(Code::UnsupportedContentEncoding), "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_is_given_up() {
        let stalled = Body::from_stream(futures::stream::pending::<Result<Bytes, io::Error>>());
        assert_eq!(read("identity", stalled).await, Err(Code::MalformedRequest));
    }
}
