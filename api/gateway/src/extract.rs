//! What handlers take from a request: the account that it acts for, and a body that is checked.

use std::convert::Infallible;

use authz::Caller;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use engine::body::Checked;
use engine::{Idempotency, body};
use infra::http::LongBody;
use infra::http::body::{json_or_empty, read_json_or_empty};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::Error;
use crate::prefer::Wait;
use crate::{Gateway, idempotency};

/// The account that a request acts for, proven by a token or an API key.
pub(crate) struct Account(pub(crate) Uuid);

impl FromRequestParts<Gateway> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Error> {
        Ok(Self(caller(parts)?.account))
    }
}

/// The caller that [`limits`](crate::limits) verified; a route without limits has none.
pub(crate) fn caller(parts: &Parts) -> Result<Caller, Error> {
    let caller = parts.extensions.get::<Caller>().copied();
    Ok(caller.ok_or(authz::Error::Unauthenticated)?)
}

/// The body of a POST that moves money, checked, with its `Idempotency-Key`.
pub(crate) struct IdempotentBody<T> {
    /// The body.
    pub(crate) body: T,
    /// How long the client waits for a result.
    pub(crate) wait: Option<Wait>,
    key: String,
    raw: Bytes,
}

impl<T> IdempotentBody<T> {
    /// The identity of this request on `path`: an equal request has an equal one. The path holds ids in their one form.
    pub(crate) fn idempotency(&self, account: Uuid, path: String) -> Idempotency {
        Idempotency {
            account,
            method: "POST".to_owned(),
            key: self.key.clone(),
            body_hash: body::body_hash("POST", &path, &self.raw),
            path,
        }
    }
}

impl<T: DeserializeOwned + Checked> FromRequest<Gateway> for IdempotentBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let key = idempotency::key(request.headers())?;
        let wait = Wait::from_headers(request.headers());
        let (body, raw) = read(request, gateway).await?;
        Ok(Self {
            body,
            wait,
            key,
            raw,
        })
    }
}

/// As [`IdempotentBody`], of up to 1 MiB. While this value lives, a body over 64 KiB counts as one of those in memory.
pub(crate) struct LongIdempotentBody<T> {
    pub(crate) sent: IdempotentBody<T>,
    _place: LongBody,
}

impl<T: DeserializeOwned + Checked> FromRequest<Gateway> for LongIdempotentBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let (head, body) = request.into_parts();
        let key = idempotency::key(&head.headers)?;
        let wait = Wait::from_headers(&head.headers);
        let place = gateway.long_bodies.read(body).await?;
        let raw = read_json_or_empty(&head.headers, place.bytes.clone())?;
        let body: T = body::parse(&raw)?;
        body.check()?;
        Ok(Self {
            sent: IdempotentBody {
                body,
                wait,
                key,
                raw,
            },
            _place: place,
        })
    }
}

/// A body that moves no money, checked. It needs no `Idempotency-Key`: the client sees the effect and can repeat it.
pub(crate) struct CheckedBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Checked> FromRequest<Gateway> for CheckedBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Error> {
        let (body, _) = read(request, gateway).await?;
        Ok(Self(body))
    }
}

/// The body as the type that the route takes, checked, and the bytes that were sent.
async fn read<T: DeserializeOwned + Checked>(
    request: Request,
    gateway: &Gateway,
) -> Result<(T, Bytes), Error> {
    let raw = json_or_empty(request, gateway).await?;
    let body: T = body::parse(&raw)?;
    body.check()?;
    Ok((body, raw))
}

/// `Stripe-Signature`: the signature of a webhook.
pub(crate) struct StripeSignature(pub(crate) Option<HeaderValue>);

impl FromRequestParts<Gateway> for StripeSignature {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.get("stripe-signature").cloned()))
    }
}
