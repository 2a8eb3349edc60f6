//! The rate limit of each client address, and the check of the API key, in front of every route of `/api`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use infra::client_ip;
use infra::limit::{Bucket, WithoutRedis};

use crate::client_ip::ClientIp;
use crate::{Auth, Error};

/// Passes a request with one valid `X-API-Key` while its client's bucket holds a token. The headers of every answer give the
/// rest of the limit.
///
/// The `X-Real-IP` of a request with a valid key is believed: it comes from a back end, and users log in through it. The
/// header of a request without one is ignored, so that guessing keys empties the bucket of the client that guesses.
pub(crate) async fn limit(
    State(auth): State<Arc<Auth>>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = authz::api_key::from_headers(request.headers());
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
