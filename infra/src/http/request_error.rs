//! Requests that a service cannot take, and the part of the request that is at fault.

use axum::response::{IntoResponse, Response};

use super::code::{Code, INVALID_FIELD, INVALID_PARAMETER};
use super::problem::Problem;

/// The fault in one field, header or parameter. It names the part and never repeats its value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct RequestError {
    /// The kind of fault.
    pub code: Code,
    /// The name of the part: for a field its path, such as `customer.email`; empty for the request as a whole.
    pub param: String,
    /// The fault as a sentence.
    pub detail: String,
}

impl RequestError {
    /// A fault of this kind.
    #[must_use]
    pub fn new(code: Code, param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            param: param.into(),
            detail: detail.into(),
        }
    }

    /// A field whose value is not allowed.
    #[must_use]
    pub fn field(param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(INVALID_FIELD, param, detail)
    }

    /// A parameter of the address that cannot be used.
    #[must_use]
    pub fn parameter(param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMETER, param, detail)
    }

    /// A parameter of the address that the route does not have.
    #[must_use]
    pub fn unknown_parameter(param: impl Into<String>) -> Self {
        Self::parameter(param, "There is no such parameter here.")
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let problem = Self::new(error.code, error.detail);
        if error.param.is_empty() {
            problem
        } else {
            problem.param(error.param)
        }
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
