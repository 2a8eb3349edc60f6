//! What stands before every route that is not for everybody: a limit for each client address, then an API key.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use infra::client_ip;
use infra::limit::{Bucket, WithoutRedis};

use crate::{Auth, Error};

/// The address of the person on whose behalf the request is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientIp(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

/// Lets a request pass that bears one valid `X-API-Key`, while its client's bucket holds a token. The answer tells how
/// full the bucket is, whatever else it says.
///
/// Whoever has a valid key vouches for the `X-Real-IP` it sends: it is a back end, and its users log in through it. A
/// key that is not valid vouches for nothing, and guessing keys fills the bucket of the one who guesses.
pub(crate) async fn guard(
    State(auth): State<Arc<Auth>>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = authz::api_key::of(request.headers());
    let is_valid = match key {
        Some(key) if auth.bootstrap.holds(key) => Ok(true),
        Some(key) => auth.keys.find(key).await.map(|found| found.is_some()),
        None => Ok(false),
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    let seen = peer.map(|peer| auth.trusted_proxies.client(peer, request.headers()));
    let named = client_ip::real_ip(request.headers()).filter(|_| matches!(is_valid, Ok(true)));
    let client = named.or(seen);
    let bucket = client.and_then(|client| {
        let name = format!("auth:ip:{}", client_ip::rate_limit_key(client));
        Bucket::new(name, auth.ip_per_minute)
    });
    let buckets: Vec<_> = bucket.into_iter().collect();
    let decision = auth
        .limiter
        .take(&buckets, WithoutRedis::CountInProcess)
        .await;
    request.extensions_mut().insert(ClientIp(client));
    let mut response = match (&decision, is_valid) {
        (Some(decision), _) if !decision.allowed => {
            Error::RateLimited(decision.retry_after_seconds()).into_response()
        }
        (_, Ok(true)) => next.run(request).await,
        (_, Ok(false)) => Error::NoKey.into_response(),
        (_, Err(error)) => Error::Database(error).into_response(),
    };
    if let Some(decision) = decision {
        decision.write_headers(response.headers_mut());
    }
    response
}
