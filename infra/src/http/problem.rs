//! Problems: how every refusal and failure looks on the wire (RFC 9457, `application/problem+json`).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, as a word that programs act on. docs/errors.md has an anchor for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is no JSON, or something follows it.
    MalformedJson,
    /// A key occurs twice.
    DuplicateField,
    /// A parameter of the address is wrong.
    InvalidParameter,
    /// A POST that moves money came without `Idempotency-Key`.
    IdempotencyKeyMissing,
    /// The key is empty, longer than 255 or holds control characters.
    IdempotencyKeyInvalid,
    /// The webhook's signature or body is not Stripe's.
    WebhookInvalid,
    /// No valid token or key.
    Unauthenticated,
    /// The caller's role does not allow it.
    Forbidden,
    /// No such thing, or not the caller's.
    NotFound,
    /// No such route.
    RouteNotFound,
    /// The route exists, this method on it does not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// An equal request is still being answered.
    IdempotencyInFlight,
    /// The payment's status does not allow it.
    UnexpectedState,
    /// Another call to Stripe for this payment has no known outcome yet.
    CallInFlight,
    /// The account has a payment with this reference.
    ReferenceTaken,
    /// A user with this e-mail address exists.
    EmailTaken,
    /// An account keeps at least one admin.
    LastAdmin,
    /// The body is larger than 64 KiB.
    BodyTooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// A field that does not exist.
    UnknownField,
    /// A field that must be there is not.
    MissingField,
    /// A field of another JSON type.
    InvalidType,
    /// A field whose value is not allowed.
    InvalidField,
    /// An amount outside what the currency or the payment allows.
    InvalidAmount,
    /// A currency that Stripe does not take.
    UnknownCurrency,
    /// Something that looks like a card number or a security code.
    CardData,
    /// The key was used for another body.
    IdempotencyKeyReused,
    /// Too many requests.
    RateLimited,
    /// A fault of ours.
    InternalError,
    /// A part that is needed is away.
    Unavailable,
    /// No new payments are taken for the moment, on purpose.
    IntakePaused,
    /// The answer took too long; whether the work was done is not known.
    Timeout,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 33] = [
        Self::MalformedJson,
        Self::DuplicateField,
        Self::InvalidParameter,
        Self::IdempotencyKeyMissing,
        Self::IdempotencyKeyInvalid,
        Self::WebhookInvalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::IdempotencyInFlight,
        Self::UnexpectedState,
        Self::CallInFlight,
        Self::ReferenceTaken,
        Self::EmailTaken,
        Self::LastAdmin,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::UnknownField,
        Self::MissingField,
        Self::InvalidType,
        Self::InvalidField,
        Self::InvalidAmount,
        Self::UnknownCurrency,
        Self::CardData,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::InternalError,
        Self::Unavailable,
        Self::IntakePaused,
        Self::Timeout,
    ];

    /// The word, the HTTP status and the title.
    const fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedJson => ("malformed_json", 400, "The body is no valid JSON"),
            Self::DuplicateField => ("duplicate_field", 400, "A field is given twice"),
            Self::InvalidParameter => ("invalid_parameter", 400, "A parameter is wrong"),
            Self::IdempotencyKeyMissing => {
                ("idempotency_key_missing", 400, "Idempotency-Key is missing")
            }
            Self::IdempotencyKeyInvalid => (
                "idempotency_key_invalid",
                400,
                "Idempotency-Key is unusable",
            ),
            Self::WebhookInvalid => ("webhook_invalid", 400, "The webhook is not genuine"),
            Self::Unauthenticated => ("unauthenticated", 401, "Authentication is needed"),
            Self::Forbidden => ("forbidden", 403, "The role does not allow this"),
            Self::NotFound => ("not_found", 404, "There is no such thing"),
            Self::RouteNotFound => ("route_not_found", 404, "There is no such route"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "The method is not allowed here"),
            Self::RequestTimeout => (
                "request_timeout",
                408,
                "The request took too long to arrive",
            ),
            Self::IdempotencyInFlight => (
                "idempotency_in_flight",
                409,
                "An equal request is in flight",
            ),
            Self::UnexpectedState => ("unexpected_state", 409, "The status does not allow this"),
            Self::CallInFlight => ("call_in_flight", 409, "Another call is still open"),
            Self::ReferenceTaken => ("reference_taken", 409, "The reference is taken"),
            Self::EmailTaken => ("email_taken", 409, "The e-mail address is taken"),
            Self::LastAdmin => ("last_admin", 409, "An account keeps an admin"),
            Self::BodyTooLarge => ("body_too_large", 413, "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                "The content type is not supported",
            ),
            Self::UnknownField => ("unknown_field", 422, "A field is unknown"),
            Self::MissingField => ("missing_field", 422, "A field is missing"),
            Self::InvalidType => ("invalid_type", 422, "A field has the wrong type"),
            Self::InvalidField => ("invalid_field", 422, "A field is not valid"),
            Self::InvalidAmount => ("invalid_amount", 422, "The amount is not valid"),
            Self::UnknownCurrency => ("unknown_currency", 422, "The currency is unknown"),
            Self::CardData => ("card_data", 422, "Card data does not belong here"),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                422,
                "Idempotency-Key was used for another body",
            ),
            Self::RateLimited => ("rate_limited", 429, "Too many requests"),
            Self::InternalError => ("internal_error", 500, "Something went wrong here"),
            Self::Unavailable => ("unavailable", 503, "Not available for the moment"),
            Self::IntakePaused => ("intake_paused", 503, "No new payments are taken"),
            Self::Timeout => ("timeout", 503, "The answer took too long"),
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same sentence for every problem of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same request, sent again later, may succeed.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::IdempotencyInFlight
                | Self::CallInFlight
                | Self::RateLimited
                | Self::InternalError
                | Self::Unavailable
                | Self::IntakePaused
                | Self::Timeout
        )
    }
}

/// A refusal or failure. It names what the client can act on and nothing of the inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[schema(example = "/docs/errors.md#invalid_amount")]
    pub r#type: String,
    /// The code as a sentence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// What programs act on.
    pub code: Code,
    /// The field, header or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The id of the request, also in the header `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether the same request, sent again later, may succeed.
    pub retryable: bool,
    /// Seconds to wait before that: the header `Retry-After`.
    #[serde(skip)]
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of this code; `detail` says what is wrong with this one request.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("/docs/errors.md#{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            detail: detail.into(),
            code,
            param: None,
            request_id: None,
            retryable: code.retryable(),
            retry_after_seconds: None,
        }
    }

    /// Names the field, header or parameter at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sends `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Names the request it answers.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(
            // Strings, a number and a bool: there is nothing in a problem that has no JSON.
            serde_json::to_vec(&self).unwrap_or_default(),
        ));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
