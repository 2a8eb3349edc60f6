//! Request bodies: one JSON object, read as exactly the type that a route takes, or refused with the field at fault.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::code::{
    BODY_TOO_LARGE, DUPLICATE_FIELD, INVALID_TYPE, MALFORMED_JSON, MISSING_FIELD, REQUEST_TIMEOUT,
    UNKNOWN_FIELD, UNSUPPORTED_MEDIA_TYPE,
};
use super::request_error::RequestError;

/// The largest request body that is read; a longer one is answered 413.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The body as `T`. A request without a body is refused.
#[derive(Clone, Copy, Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = RequestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RequestError> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        let RawBody(body) = RawBody::from_request(request, state).await?;
        parse(&body).map(Self)
    }
}

/// The body as `T`; a request without a body counts as an empty object. For routes that require no field.
#[derive(Clone, Copy, Debug)]
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = RequestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RequestError> {
        parse(&json_or_empty(request, state).await?).map(Self)
    }
}

/// The body's bytes as they were sent, up to the limit of the server.
#[derive(Clone, Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = RequestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RequestError> {
        let body = Bytes::from_request(request, state).await;
        body.map(Self).map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                RequestError::new(BODY_TOO_LARGE, "", "The body is over 64 KiB.")
            } else {
                RequestError::new(REQUEST_TIMEOUT, "", "The body did not arrive.")
            }
        })
    }
}

/// The bytes of a JSON body. Those of an empty object if there is no body, which then needs no content type.
///
/// # Errors
/// If the body is too large, does not arrive, or is sent with another content type.
pub async fn json_or_empty<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Bytes, RequestError> {
    let is_json = is_json(request.headers());
    let RawBody(body) = RawBody::from_request(request, state).await?;
    bytes_of_json(is_json, body)
}

/// As [`json_or_empty`], of a body that was read already and the headers of its request.
///
/// # Errors
/// If there is a body and it was sent with another content type.
pub fn read_json_or_empty(headers: &HeaderMap, body: Bytes) -> Result<Bytes, RequestError> {
    bytes_of_json(is_json(headers), body)
}

fn bytes_of_json(is_json: bool, body: Bytes) -> Result<Bytes, RequestError> {
    match (body.is_empty(), is_json) {
        (true, _) => Ok(Bytes::from_static(b"{}")),
        (false, true) => Ok(body),
        (false, false) => Err(not_json()),
    }
}

/// Reads one JSON object as `T`.
///
/// A valid body costs one pass; only an invalid one is read again, to find its first fault.
///
/// # Errors
/// The first fault: broken JSON, a key twice, or a field that is unknown, missing, of another type or not allowed.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    // serde also reads an array as a struct, by position. No client means that.
    if body.trim_ascii_start().starts_with(b"{")
        && let Ok(request) = serde_json::from_slice(body)
    {
        return Ok(request);
    }
    Err(first_fault::<T>(body))
}

fn first_fault<T: DeserializeOwned>(body: &[u8]) -> RequestError {
    match serde_json::from_slice::<Value>(body) {
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return RequestError::new(
                MALFORMED_JSON,
                "",
                format!(
                    "The body is no valid JSON; reading stopped at line {line}, column {column}."
                ),
            );
        }
        Ok(Value::Object(_)) => {}
        Ok(_) => return RequestError::new(INVALID_TYPE, "", "The body must be a JSON object."),
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut input) {
        Ok(_) => RequestError::new(MALFORMED_JSON, "", "The body is no valid JSON."),
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { "" } else { &path };
            explain(path, &error.inner().to_string())
        }
    }
}

/// Turns serde's message into a code. The message may quote the value, so only names of fields and types are taken from it.
fn explain(path: &str, message: &str) -> RequestError {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    // The path of an unknown field or of one given twice ends in its name, that of a missing one does not.
    let field = || match path.rsplit('.').next() {
        Some(last) if last == quoted => path.to_owned(),
        Some("") | None => quoted.to_owned(),
        Some(_) => format!("{path}.{quoted}"),
    };
    if message.starts_with("unknown field") {
        return RequestError::new(UNKNOWN_FIELD, field(), "There is no such field here.");
    }
    if message.starts_with("missing field") {
        return RequestError::new(MISSING_FIELD, field(), "This field must be given.");
    }
    if message.starts_with("duplicate field") {
        return RequestError::new(DUPLICATE_FIELD, field(), "This field is given twice.");
    }
    let expected = message.rsplit_once(", expected ");
    let expected = expected.map_or("", |(_, end)| end);
    let expected = expected.split(" at line ").next().unwrap_or_default();
    if message.starts_with("invalid type") {
        let expected = match expected {
            "i64" | "i32" | "u32" | "u64" => "an integer",
            "" => "of another type",
            other => other,
        };
        return RequestError::new(INVALID_TYPE, path, format!("This must be {expected}."));
    }
    if message.starts_with("unknown variant") {
        return RequestError::field(path, format!("This must be {expected}."));
    }
    RequestError::field(path, "This value is not possible here.")
}

/// Whether the body is declared to be JSON.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn not_json() -> RequestError {
    RequestError::new(
        UNSUPPORTED_MEDIA_TYPE,
        "Content-Type",
        "Send the body as application/json.",
    )
}
