//! Rate limits: of a user, of an API key, and of the address of a caller without valid credentials.

use std::collections::HashMap;
use std::net::SocketAddr;

use authz::Caller;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use infra::Env;
use infra::client_ip::{TrustedProxies, rate_limit_key};
use infra::env::variable::parts;
use infra::http::code::RATE_LIMITED;
use infra::http::problem::Problem;
use infra::limit::{Bucket, Decision, WithoutRedis};

use crate::early_view::EarlyView;
use crate::error::Error;
use crate::{Gateway, openapi};

/// Requests per minute; 0 is no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Of a user, with tokens: `RATE_LIMIT_USER_PER_MINUTE`, 10.
    pub user: u32,
    /// Of an API key that has no limit of its own: `RATE_LIMIT_KEY_PER_MINUTE`, 600.
    pub key: u32,
    /// Of an address, without valid credentials: `RATE_LIMIT_IP_PER_MINUTE`, 10.
    pub address: u32,
    /// Of each user on routes that have a limit and a bucket of their own: `RATE_LIMIT_ROUTES`.
    pub user_routes: Routes,
    /// The same of each key: the entries of `RATE_LIMIT_ROUTES` that begin with `key:`.
    pub key_routes: Routes,
    /// The proxies whose client addresses are believed: `TRUSTED_PROXIES`.
    pub proxies: TrustedProxies,
}

/// Limits of single routes.
#[derive(Debug, Clone, Default)]
pub struct Routes(HashMap<(Method, String), u32>);

impl Routes {
    fn limit(&self, method: &Method, path: &str) -> Option<u32> {
        // Nearly always empty; then nothing is copied to make a key.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(method.clone(), path.to_owned())).copied()
    }
}

impl Limits {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let mut limits = Self {
            user: env.number("RATE_LIMIT_USER_PER_MINUTE"),
            key: env.number("RATE_LIMIT_KEY_PER_MINUTE"),
            address: env.number("RATE_LIMIT_IP_PER_MINUTE"),
            proxies: TrustedProxies::from_env(env),
            ..Self::default()
        };
        let entries = env.optional("RATE_LIMIT_ROUTES").unwrap_or_default();
        for entry in parts(&entries) {
            if limits.add_route(entry).is_none() {
                env.fault(format!(
                    "RATE_LIMIT_ROUTES holds {entry:?}, which is no route of the gateway: give it a method and a path of /openapi.json such as POST /api/v1/payments/{{id}}/refunds"
                ));
            }
        }
        limits
    }

    fn add_route(&mut self, entry: &str) -> Option<()> {
        let (routes, entry) = match entry.strip_prefix("key:") {
            Some(entry) => (&mut self.key_routes, entry),
            None => (&mut self.user_routes, entry),
        };
        let (route, per_minute) = entry.rsplit_once('=')?;
        let (method, path) = route.trim().split_once(' ')?;
        let method: Method = method.to_ascii_uppercase().parse().ok()?;
        let path = path.trim();
        if !openapi::has_route(&method, path) {
            return None;
        }
        let per_minute = per_minute.trim().parse().ok()?;
        routes.0.insert((method, path.to_owned()), per_minute);
        Some(())
    }

    /// The bucket of a known caller on a route.
    fn bucket(&self, caller: &Caller, method: &Method, path: &str) -> Option<Bucket> {
        let (name, of_route, general) = match (caller.key, caller.user) {
            (Some(key), _) => (
                format!("key:{key}"),
                self.key_routes.limit(method, path),
                caller.per_minute.unwrap_or(self.key),
            ),
            (None, user) => (
                format!("user:{}", user.unwrap_or(caller.account)),
                self.user_routes.limit(method, path),
                self.user,
            ),
        };
        match of_route {
            Some(per_minute) => Bucket::new(format!("{name}:{method} {path}"), per_minute),
            None => Bucket::new(name, general),
        }
    }

    fn bucket_of_address(&self, peer: SocketAddr, headers: &HeaderMap) -> Option<Bucket> {
        let address = rate_limit_key(self.proxies.client(peer.ip(), headers));
        Bucket::new(format!("gateway:ip:{address}"), self.address)
    }
}

/// Verifies the caller, and lets the request pass while the caller's bucket holds a token. Handlers find the caller in the
/// request's extensions; the headers of every answer give the rest of the limit.
///
/// While Redis is away, verified callers pass, and failed credentials are counted in this process.
pub(crate) async fn limit(
    State(gateway): State<Gateway>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let limits = &gateway.limits;
    let (bucket, without, caller) = match gateway.verifier.caller(request.headers()).await {
        Ok(caller) => {
            let path = request.extensions().get::<MatchedPath>();
            let path = path.map_or("", MatchedPath::as_str);
            let bucket = limits.bucket(&caller, request.method(), path);
            (bucket, WithoutRedis::Pass, Ok(caller))
        }
        Err(error @ authz::Error::Unauthenticated) => {
            let bucket = limits.bucket_of_address(peer, request.headers());
            (bucket, WithoutRedis::CountInProcess, Err(error))
        }
        Err(error @ authz::Error::Unavailable) => return Error::from(error).into_response(),
    };
    let decision = match bucket {
        Some(bucket) => {
            let buckets = [bucket];
            let token = gateway.limiter.take(&buckets, without);
            match EarlyView::wanted_by(&request).filter(|_| caller.is_ok()) {
                Some(id) => {
                    let (decision, cached) = tokio::join!(token, gateway.engine.cached(id));
                    request.extensions_mut().insert(EarlyView { id, cached });
                    decision
                }
                None => token.await,
            }
        }
        None => None,
    };
    let mut response = match (decision, caller) {
        (Some(decision), _) if !decision.allowed => too_many(&decision),
        (_, Err(error)) => Error::from(error).into_response(),
        (_, Ok(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    if let Some(decision) = decision {
        decision.write_headers(response.headers_mut());
    }
    response
}

fn too_many(decision: &Decision) -> Response {
    let detail = format!(
        "{} requests a minute are allowed. Send this again after the seconds of Retry-After; nothing was done.",
        decision.limit
    );
    let problem = Problem::new(RATE_LIMITED, detail);
    problem
        .retry_after(decision.retry_after_seconds().max(1))
        .into_response()
}
