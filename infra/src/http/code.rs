//! Error codes: the part of a problem that programs read.
//!
//! Each code is a constant with one HTTP status and one title. The codes that every service may answer with stand here;
//! each crate declares its own with [`codes!`](crate::codes). docs/errors.md explains them all.

use axum::http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::docs::ERRORS;

/// One kind of failure: its name on the wire, its HTTP status and its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    name: &'static str,
    status: u16,
    title: &'static str,
    retryable: bool,
}

impl Code {
    /// A code whose request fails again when it is sent again.
    #[must_use]
    pub const fn new(name: &'static str, status: u16, title: &'static str) -> Self {
        Self {
            name,
            status,
            title,
            retryable: false,
        }
    }

    /// The same code, for a request that may succeed when it is sent again later.
    #[must_use]
    pub const fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same sentence for every problem of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.title
    }

    /// Whether the same request, sent again later, may succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        self.retryable
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.name)
    }
}

/// The schema lists the codes of all services, as docs/errors.md does: a client handles them in one place.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let names = ERRORS.lines().filter_map(|line| line.strip_prefix("### "));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "What went wrong, as a word that programs act on. docs/errors.md has an anchor for each.",
            ))
            .enum_values(Some(names))
            .build()
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
}

/// Declares the codes of a crate, and `ALL`, which lists them.
///
/// Each line gives the constant, the HTTP status, the name on the wire and the title; `retryable` at its end marks a
/// request that may succeed when it is sent again later.
#[macro_export]
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $status:literal $name:literal, $title:literal $(, $retryable:ident)?;)*) => {
        $(
            $(#[$doc])*
            pub const $code: $crate::http::code::Code =
                $crate::http::code::Code::new($name, $status, $title)$(.$retryable())?;
        )*

        /// Every code that is declared here.
        pub const ALL: &[$crate::http::code::Code] = &[$($code),*];
    };
}

codes! {
    /// The body is not JSON, or something follows the JSON.
    MALFORMED_JSON = 400 "malformed_json", "The body is no valid JSON";
    /// A key occurs twice.
    DUPLICATE_FIELD = 400 "duplicate_field", "A field is given twice";
    /// A parameter of the address is wrong.
    INVALID_PARAMETER = 400 "invalid_parameter", "A parameter is wrong";
    /// The thing does not exist, or belongs to another account.
    NOT_FOUND = 404 "not_found", "There is no such thing";
    /// The route does not exist.
    ROUTE_NOT_FOUND = 404 "route_not_found", "There is no such route";
    /// The route exists, this method on it does not.
    METHOD_NOT_ALLOWED = 405 "method_not_allowed", "The method is not allowed here";
    /// The thing has another version than the request names.
    VERSION_CONFLICT = 409 "version_conflict", "The version is not the current one";
    /// The status of the thing does not allow the request.
    UNEXPECTED_STATE = 409 "unexpected_state", "The status does not allow this";
    /// The body did not arrive in time.
    REQUEST_TIMEOUT = 408 "request_timeout", "The request took too long to arrive", retryable;
    /// The body is larger than 64 KiB, or a webhook of Stripe larger than 1 MiB.
    BODY_TOO_LARGE = 413 "body_too_large", "The body is too large";
    /// The body is not `application/json`.
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type", "The content type is not supported";
    /// A field that does not exist.
    UNKNOWN_FIELD = 422 "unknown_field", "A field is unknown";
    /// A required field is missing.
    MISSING_FIELD = 422 "missing_field", "A field is missing";
    /// A field of another JSON type.
    INVALID_TYPE = 422 "invalid_type", "A field has the wrong type";
    /// A field whose value is not allowed.
    INVALID_FIELD = 422 "invalid_field", "A field is not valid";
    /// Too many requests.
    RATE_LIMITED = 429 "rate_limited", "Too many requests", retryable;
    /// A fault of Pawl.
    INTERNAL_ERROR = 500 "internal_error", "Something went wrong here", retryable;
    /// A dependency that the request needs does not answer.
    UNAVAILABLE = 503 "unavailable", "Not available for the moment", retryable;
    /// The answer took too long; whether the work was done is not known.
    TIMEOUT = 503 "timeout", "The answer took too long", retryable;
}
