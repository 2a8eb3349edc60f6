//! The session of a browser: from its cookies to the token that the routes verify.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::auth_client::{AuthError, Tokens};
use super::cookies;
use super::error::PageError;
use crate::Core;

/// How many refreshes are remembered at most.
const REMEMBERED: usize = 1024;

/// How long the answer to a refresh token also answers the other requests of the browser that were sent with it. Later, the
/// auth service takes a second use for theft, and ends the session.
const SHARED: Duration = Duration::from_secs(20);

/// What a page may run and load: nothing but what this service serves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The refreshes of a moment ago. Two tabs send the same token at the same time; it works once.
pub(crate) struct Sessions(Cache<authz::Digest, (Instant, Result<Tokens, AuthError>)>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Sessions {
    /// The next tokens of the session, asked for once.
    async fn refresh(
        &self,
        core: &Core,
        token: &str,
        ip: Option<IpAddr>,
    ) -> Result<Tokens, AuthError> {
        let name = authz::digest(token);
        if let Some((at, _)) = self.0.get(&name)
            && at.elapsed() > SHARED
        {
            self.0.remove(&name);
        }
        let asked = async {
            let answer = core.console.auth.refresh(token, ip).await;
            match answer {
                // Not remembered: the next request asks again.
                Err(error @ (AuthError::Unavailable(_) | AuthError::TooMany)) => Err(error),
                answer => Ok((Instant::now(), answer)),
            }
        };
        let (_, answer) = self.0.get_or_insert_async(&name, asked).await?;
        answer
    }
}

/// What the handlers of a page know of the browser.
#[derive(Clone)]
pub(super) struct Browser {
    /// What each form of this browser must send.
    pub(super) form_token: String,
    pub(super) ip: Option<IpAddr>,
    pub(super) over_tls: bool,
    /// The latest refresh token.
    pub(super) refresh: Option<String>,
}

/// Puts the token of the browser's session where routes look for one, continues the session when the token has ended, and
/// restricts what the answer may do in the browser.
pub(super) async fn open(State(core): State<Core>, mut request: Request, next: Next) -> Response {
    // The console has no other callers than people with a session.
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().remove("x-api-key");
    let over_tls = request
        .headers()
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let ip =
        peer.map(|ConnectInfo(peer)| core.trusted_proxies.client(peer.ip(), request.headers()));
    let mut set = Vec::new();
    let forms = if let Some(secret) = cookies::read(request.headers(), cookies::FORMS) {
        secret.to_owned()
    } else {
        let secret = Uuid::new_v4().simple().to_string();
        set.push((cookies::FORMS, secret.clone(), cookies::FORMS_SECONDS));
        secret
    };
    let continued = authorize(&core, request.headers_mut(), ip, &mut set).await;
    let refresh = set
        .iter()
        .find(|(name, value, _)| *name == cookies::REFRESH && !value.is_empty())
        .map(|(_, value, _)| value.clone());
    let refresh =
        refresh.or_else(|| cookies::read(request.headers(), cookies::REFRESH).map(str::to_owned));
    request.extensions_mut().insert(Browser {
        form_token: form_token(&forms),
        ip,
        over_tls,
        refresh,
    });
    let mut response = match continued {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    finish(response.headers_mut(), &set, over_tls);
    response
}

/// Writes `Authorization` from the cookies. Without a session there is none, and the page asks to log in.
async fn authorize(
    core: &Core,
    headers: &mut HeaderMap,
    ip: Option<IpAddr>,
    set: &mut Vec<(&'static str, String, i64)>,
) -> Result<(), PageError> {
    let access = cookies::read(headers, cookies::ACCESS).map(str::to_owned);
    if let Some(access) = access {
        authorization(headers, &access);
        match core.verifier.caller(headers).await {
            Ok(_) => return Ok(()),
            Err(authz::Error::Unauthenticated) => {
                headers.remove(header::AUTHORIZATION);
            }
            Err(error) => return Err(crate::error::Error::Caller(error).into()),
        }
    }
    let Some(refresh) = cookies::read(headers, cookies::REFRESH).map(str::to_owned) else {
        return Ok(());
    };
    match core.console.sessions.refresh(core, &refresh, ip).await {
        Ok(tokens) => {
            authorization(headers, &tokens.token);
            set.extend(session_cookies(&tokens));
            Ok(())
        }
        Err(AuthError::Refused(_)) => {
            set.extend(ended());
            Ok(())
        }
        Err(error) => Err(PageError::Unavailable(error.to_string())),
    }
}

fn authorization(headers: &mut HeaderMap, token: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// The cookies of a session that was opened or continued.
pub(super) fn session_cookies(tokens: &Tokens) -> [(&'static str, String, i64); 2] {
    [
        (cookies::ACCESS, tokens.token.clone(), tokens.expires_in),
        (
            cookies::REFRESH,
            tokens.refresh_token.clone(),
            tokens.refresh_expires_in,
        ),
    ]
}

/// The cookies of a session that is over.
pub(super) fn ended() -> [(&'static str, String, i64); 2] {
    [
        (cookies::ACCESS, String::new(), 0),
        (cookies::REFRESH, String::new(), 0),
    ]
}

/// Writes cookies into an answer.
pub(super) fn set_cookies(
    headers: &mut HeaderMap,
    set: &[(&'static str, String, i64)],
    over_tls: bool,
) {
    for (name, value, seconds) in set {
        if let Some(cookie) = cookies::write(name, value, *seconds, over_tls) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

fn finish(headers: &mut HeaderMap, set: &[(&'static str, String, i64)], over_tls: bool) {
    // What the handler itself set, such as the cookies of a new session, is newer.
    if !headers.contains_key(header::SET_COOKIE) {
        set_cookies(headers, set, over_tls);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
}

/// What a form must send: it can be made from the cookie, and the cookie cannot be made from it.
pub(super) fn form_token(secret: &str) -> String {
    hex::encode(authz::digest(&format!("form:{secret}")))
}
