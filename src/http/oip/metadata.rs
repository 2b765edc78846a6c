//! What the server and its models say of themselves.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::datatype::Datatype;
use super::request::OutputKind;
use super::resolve::{Named, resolve};
use crate::http::AppState;
use crate::http::error::ApiError;
use crate::http::models::Served;
use crate::ml::picture::{PictureShape, PictureSpec};
use crate::ml::table::{ColumnType, ExpectedColumn};

/// Versions of a name that its metadata lists, the newest.
const MAX_VERSIONS: u32 = 10_000;
/// Made up of a project and a format, as the protocol wants it.
const PLATFORM: &str = "evenkeel_safetensors";

/// `GET /v2`
#[derive(Debug, Serialize)]
pub(super) struct ServerMetadata {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) extensions: [&'static str; 1],
}

/// `GET /v2/models/{model_name}`
#[derive(Debug, Serialize)]
pub(super) struct ModelMetadata {
    pub(super) name: String,
    pub(super) versions: Vec<String>,
    pub(super) platform: &'static str,
    pub(super) inputs: Vec<TensorMetadata>,
    pub(super) outputs: Vec<TensorMetadata>,
}

/// A tensor of any number of rows; pictures of other sizes are resized to the one that is said.
#[derive(Debug, Serialize)]
pub(super) struct TensorMetadata {
    pub(super) name: String,
    pub(super) datatype: &'static str,
    pub(super) shape: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct ModelReady {
    name: String,
    ready: bool,
}

pub(super) fn server_metadata() -> ServerMetadata {
    ServerMetadata { name: "evenkeel", version: env!("CARGO_PKG_VERSION"), extensions: ["binary_tensor_data"] }
}

/// # Errors
/// As [`resolve`].
pub(super) async fn model_metadata(
    state: &AppState,
    named: Named,
    headers: &HeaderMap,
) -> Result<ModelMetadata, ApiError> {
    let served = resolve(state, &named, headers).await?;
    let versions = match &named.version {
        Some(version) => vec![version.clone()],
        None => {
            let mut versions = state.store.model_versions(&named.name, MAX_VERSIONS).await?;
            if versions.is_empty() {
                // An alias has the version of whatever it points at.
                versions.push(served.record.version);
            }
            versions.iter().map(u32::to_string).collect()
        }
    };
    Ok(describe(named.name, versions, &served))
}

fn describe(name: String, versions: Vec<String>, served: &Served) -> ModelMetadata {
    let tensor = |name: &str, datatype: Datatype| TensorMetadata {
        name: name.to_owned(),
        datatype: datatype.name(),
        shape: vec![-1],
    };
    let picture = |name: &str, spec: PictureSpec| {
        let PictureShape { height, width, channels } = spec.shape;
        let sides = [height, width, channels].map(|side| side as i64);
        let shape = std::iter::once(-1).chain(sides).collect();
        TensorMetadata { name: name.to_owned(), datatype: Datatype::Uint8.name(), shape }
    };
    let input = |column_type: ColumnType| match column_type {
        ColumnType::Numeric => Datatype::Fp64,
        ColumnType::Categorical | ColumnType::Image => Datatype::Bytes,
        ColumnType::Boolean => Datatype::Bool,
    };
    let column = |column: &ExpectedColumn| match served.model.picture_spec() {
        Some(spec) if column.column_type == ColumnType::Image => picture(&column.name, spec),
        _ => tensor(&column.name, input(column.column_type)),
    };
    ModelMetadata {
        name,
        versions,
        platform: PLATFORM,
        inputs: served.inputs.iter().map(column).collect(),
        outputs: OutputKind::ALL.map(|kind| tensor(kind.name(), kind.datatype())).into(),
    }
}

/// `GET /v2` and `GET /v2/`
pub(super) async fn of_server() -> Response {
    Json(server_metadata()).into_response()
}

/// `GET /v2/models/{model_name}`, with a version or without.
pub(super) async fn of_model(
    State(state): State<AppState>,
    named: Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(Json(model_metadata(&state, named, &headers).await?).into_response())
}

/// `GET /v2/models/{model_name}/ready`, with a version or without: it is once it has been loaded, which this does.
pub(super) async fn ready(
    State(state): State<AppState>,
    named: Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    resolve(&state, &named, &headers).await?;
    Ok(Json(ModelReady { name: named.name, ready: true }).into_response())
}
