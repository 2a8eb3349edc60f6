//! The cached view of the payment that a request reads, asked for together with the request's token: both questions go to
//! Redis in one round trip. Whether the caller may see it is decided by the handler.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::Method;
use axum::http::request::Parts;
use contracts::id::PaymentId;
use engine::cache::Cached;
use uuid::Uuid;

use crate::Gateway;

/// The route that reads one payment.
const ROUTE: &str = "/api/v1/payments/{id}";

/// What the cache holds of a payment, found before the handler ran.
#[derive(Clone)]
pub(crate) struct EarlyView {
    /// The payment.
    pub(crate) id: Uuid,
    /// Its view, if it is cached.
    pub(crate) cached: Option<Cached>,
}

impl EarlyView {
    /// The payment that this request reads, if it reads one by its id.
    pub(crate) fn wanted_by(request: &Request) -> Option<Uuid> {
        let route = request.extensions().get::<MatchedPath>()?;
        if request.method() != Method::GET || route.as_str() != ROUTE {
            return None;
        }
        let id = request.uri().path().rsplit('/').next()?;
        id.parse::<PaymentId>().ok().map(|id| id.uuid())
    }
}

/// The view that was found early, of whatever payment.
pub(crate) struct FoundEarly(pub(crate) Option<EarlyView>);

impl FromRequestParts<Gateway> for FoundEarly {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.remove()))
    }
}
