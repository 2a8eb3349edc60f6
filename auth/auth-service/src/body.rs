//! JSON bodies: read as exactly the type a route takes, or refused with the name of the field at fault.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use infra::http::problem::{Code, Problem};
use serde::de::DeserializeOwned;

use crate::Error;

/// What is wrong with a body. It names the field and never repeats a value: the value may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    code: Code,
    param: String,
    detail: String,
}

impl Invalid {
    /// A field whose value is not allowed.
    pub(crate) fn field(param: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, param, detail)
    }

    /// Something else than a field's value.
    pub(crate) fn new(code: Code, param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            param: param.into(),
            detail: detail.into(),
        }
    }

    pub(crate) fn problem(&self) -> Problem {
        let problem = Problem::new(self.code, &self.detail);
        if self.param.is_empty() {
            problem
        } else {
            problem.param(&self.param)
        }
    }
}

/// The body of a request, read as `T`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok()?.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            let detail = "Send the body as application/json.";
            return Err(Invalid::new(Code::UnsupportedMediaType, "Content-Type", detail).into());
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    Invalid::new(Code::BodyTooLarge, "", "The body is over 64 KiB.")
                } else {
                    Invalid::new(Code::RequestTimeout, "", "The body did not arrive.")
                }
            })?;
        Ok(Self(parse(&bytes)?))
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    let malformed = || Invalid::new(Code::MalformedJson, "", "The body is no valid JSON.");
    // Depth and syntax first, and nothing may follow; serde would also read an array as a struct, by position.
    let shape: serde_json::Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    if !shape.is_object() {
        return Err(Invalid::new(
            Code::InvalidType,
            "",
            "The body must be a JSON object.",
        ));
    }
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body))
        .map_err(|error| explain(&error.path().to_string(), &error.inner().to_string()))
}

/// Turns serde's sentence into a code. The sentence may quote the value, so only names of ours are taken from it.
fn explain(path: &str, message: &str) -> Invalid {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("unknown field") {
        return Invalid::new(Code::UnknownField, quoted, "There is no such field here.");
    }
    if message.starts_with("missing field") {
        return Invalid::new(Code::MissingField, quoted, "This field must be given.");
    }
    if message.starts_with("duplicate field") {
        return Invalid::new(Code::DuplicateField, quoted, "This field is given twice.");
    }
    if message.starts_with("invalid type") {
        return Invalid::new(Code::InvalidType, path, "This is of another type.");
    }
    Invalid::field(path, "This value is not possible here.")
}
