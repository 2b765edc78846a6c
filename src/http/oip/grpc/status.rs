//! Refusals as gRPC has them: the same codes and the same words, with a status of its own for each of HTTP's.

use axum::http::StatusCode;
use tonic::metadata::MetadataValue;
use tonic::{Code as Grpc, Status};

use crate::http::error::{ApiError, Code};
use crate::http::problem;

/// The status of a refusal: its message says every mistake, `evenkeel-code` has the stable code of the problem, and
/// `retry-after` the seconds to wait where waiting helps.
pub(super) fn status(error: &ApiError) -> Status {
    let code = error.code();
    let mut status = Status::new(status_code(code), problem::sentence(error));
    let metadata = status.metadata_mut();
    metadata.insert("evenkeel-code", MetadataValue::from_static(code.as_str()));
    if let Some(seconds) = code.retry_after_seconds() {
        metadata.insert("retry-after", MetadataValue::from(seconds));
    }
    status
}

fn status_code(code: Code) -> Grpc {
    match code.status() {
        _ if code == Code::Timeout => Grpc::DeadlineExceeded,
        StatusCode::UNAUTHORIZED => Grpc::Unauthenticated,
        StatusCode::FORBIDDEN => Grpc::PermissionDenied,
        StatusCode::NOT_FOUND => Grpc::NotFound,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => Grpc::Unimplemented,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::PRECONDITION_REQUIRED => {
            Grpc::FailedPrecondition
        }
        // What gRPC itself says of a message that is too large.
        StatusCode::PAYLOAD_TOO_LARGE => Grpc::OutOfRange,
        StatusCode::TOO_MANY_REQUESTS => Grpc::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Grpc::Unavailable,
        status if status.is_client_error() => Grpc::InvalidArgument,
        _ => Grpc::Internal,
    }
}

/// The status that metrics and traces count a call under.
pub(super) fn over_http(code: Grpc) -> u16 {
    let status = match code {
        Grpc::Ok => StatusCode::OK,
        Grpc::Unauthenticated => StatusCode::UNAUTHORIZED,
        Grpc::PermissionDenied => StatusCode::FORBIDDEN,
        Grpc::NotFound => StatusCode::NOT_FOUND,
        Grpc::OutOfRange => StatusCode::PAYLOAD_TOO_LARGE,
        Grpc::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Grpc::Unavailable | Grpc::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
        Grpc::Internal | Grpc::Unknown | Grpc::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    status.as_u16()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::ALL_CODES;
    use crate::http::problem::FieldProblem;

    #[test]
    fn a_fault_of_the_client_is_never_called_one_of_the_server() {
        for &code in ALL_CODES {
            let blames_server = matches!(
                status_code(code),
                Grpc::Internal | Grpc::Unavailable | Grpc::DeadlineExceeded | Grpc::Unknown | Grpc::DataLoss
            );
            assert_eq!(blames_server, code.status().is_server_error(), "{code:?}");
            assert_eq!(blames_server, over_http(status_code(code)) >= 500, "{code:?}");
        }
        assert_eq!(status_code(Code::InvalidInference), Grpc::InvalidArgument);
        assert_eq!(status_code(Code::NotReady), Grpc::Unavailable);
    }

    #[test]
    fn a_status_says_what_a_problem_says() {
        let mistakes = vec![FieldProblem::at_pointer("/inputs/0/shape", "expected one")];
        let status = status(&ApiError::listing(Code::InvalidInference, mistakes));
        assert_eq!(status.message(), "/inputs/0/shape: expected one");
        assert_eq!(status.metadata().get("evenkeel-code").unwrap(), "invalid-inference");
        assert!(status.metadata().get("retry-after").is_none());
        let status = super::status(&ApiError::unavailable("the disk is full"));
        assert_eq!(status.metadata().get("retry-after").unwrap(), "5");
        assert!(!status.message().contains("disk"));
    }
}
