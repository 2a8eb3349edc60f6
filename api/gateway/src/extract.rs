//! What handlers ask for: who calls, which thing, and a body that may be trusted.

use std::convert::Infallible;

use authz::Caller;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use engine::Idempotency;
use infra::http::problem::Code;
use infra::id::{Id, Tag};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::body::{Checked, FieldError};
use crate::error::Error;
use crate::prefer::Wait;
use crate::{Gateway, body, idempotency};

/// The account that a request acts for, proven by a token or an API key.
pub(crate) struct Account(pub(crate) Uuid);

impl FromRequestParts<Gateway> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Error> {
        Ok(Self(caller(parts)?.account))
    }
}

/// Who calls, as the limits found out; a route that stands outside of them knows no caller.
pub(crate) fn caller(parts: &Parts) -> Result<Caller, Error> {
    let caller = parts.extensions.get::<Caller>().copied();
    Ok(caller.ok_or(authz::Error::Unauthenticated)?)
}

/// The id in the path. One that cannot be an id is unknown, like any other that nobody has.
pub(crate) struct Named<T>(pub(crate) Id<T>);

impl<T: Tag> FromRequestParts<Gateway> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        let Path(id) = Path::<String>::from_request_parts(parts, gateway)
            .await
            .map_err(|_| Error::not_found())?;
        id.parse().map(Self).map_err(|_| Error::not_found())
    }
}

/// A POST that moves money: its body, checked, and what makes it the same as an earlier one.
pub(crate) struct Posted<T> {
    /// The body.
    pub(crate) body: T,
    /// How long the client would wait for a result.
    pub(crate) wait: Option<Wait>,
    key: String,
    raw: Bytes,
}

impl<T> Posted<T> {
    /// What makes this request the same as an earlier one on `path`, where ids are written in their one form.
    pub(crate) fn idempotency(&self, account: Uuid, path: String) -> Idempotency {
        Idempotency {
            account,
            method: "POST".to_owned(),
            key: self.key.clone(),
            body_hash: idempotency::body_hash("POST", &path, &self.raw),
            path,
        }
    }
}

impl<T: DeserializeOwned + Checked> FromRequest<Gateway> for Posted<T> {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let key = idempotency::key(request.headers())?;
        let wait = Wait::of(request.headers());
        let (body, raw) = read(request, gateway).await?;
        Ok(Self {
            body,
            wait,
            key,
            raw,
        })
    }
}

/// A body that moves no money, checked: it needs no key, for what it does is seen and can be done again.
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned + Checked> FromRequest<Gateway> for Sent<T> {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let (body, _) = read(request, gateway).await?;
        Ok(Self(body))
    }
}

/// The body as what the route takes, checked, and as it was sent.
async fn read<T: DeserializeOwned + Checked>(
    request: Request,
    gateway: &Gateway,
) -> Result<(T, Bytes), Error> {
    let typed = content_type(request.headers());
    let Raw(mut raw) = Raw::from_request(request, gateway).await?;
    if raw.is_empty() {
        // What needs no field needs no body, and then no content type either.
        raw = Bytes::from_static(b"{}");
    } else if !typed {
        let detail = "Send the body as application/json.";
        return Err(FieldError::new(Code::UnsupportedMediaType, "Content-Type", detail).into());
    }
    let body: T = body::parse(&raw)?;
    body.check()?;
    Ok((body, raw))
}

/// `If-None-Match`: the version that the client has. (The map of all headers would be copied.)
pub(crate) struct IfNoneMatch(pub(crate) Option<HeaderValue>);

impl FromRequestParts<Gateway> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get(header::IF_NONE_MATCH).cloned()))
    }
}

/// `Stripe-Signature`: who sent a webhook.
pub(crate) struct StripeSignature(pub(crate) Option<HeaderValue>);

impl FromRequestParts<Gateway> for StripeSignature {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get("stripe-signature").cloned()))
    }
}

/// A body as it was sent, up to the limit of the server.
pub(crate) struct Raw(pub(crate) Bytes);

impl FromRequest<Gateway> for Raw {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let read = Bytes::from_request(request, gateway).await;
        read.map(Self).map_err(|rejection| {
            let (code, detail) = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                (Code::BodyTooLarge, "The body is over 64 KiB.")
            } else {
                (Code::RequestTimeout, "The body did not arrive.")
            };
            FieldError::new(code, "", detail).into()
        })
    }
}

/// Whether a body is said to be JSON.
fn content_type(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
