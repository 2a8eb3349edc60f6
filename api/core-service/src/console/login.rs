//! The login and the logout.

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::auth_client::AuthError;
use super::cookies;
use super::error::PageError;
use super::fields::Fields;
use super::layout::html;
use super::session::{Browser, ended, session_cookies, set_cookies};
use crate::Core;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    form_token: &'a str,
    next: &'a str,
    email: &'a str,
    error: Option<&'a str>,
}

/// Where the person wanted to go.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// Shows the form.
pub(super) async fn page(
    Extension(browser): Extension<Browser>,
    Query(Next { next }): Query<Next>,
) -> Response {
    let page = LoginPage {
        form_token: &browser.form_token,
        next: local(&next),
        email: "",
        error: None,
    };
    html(StatusCode::OK, &page)
}

/// Opens a session and goes to the page that was asked for.
pub(super) async fn log_in(
    State(core): State<Core>,
    Extension(browser): Extension<Browser>,
    fields: Fields,
) -> Result<Response, PageError> {
    let (email, next) = (
        fields.text("email").unwrap_or_default(),
        local(fields.raw("next")),
    );
    let auth = &core.console.auth;
    let opened = auth.log_in(email, fields.raw("password"), browser.ip).await;
    let tokens = match opened {
        Ok(tokens) => tokens,
        Err(error) => return Ok(refused(&error, &browser, email, next)),
    };
    // The forms of the session are none that were known before it.
    let secret = Uuid::new_v4().simple().to_string();
    let mut set = vec![(cookies::FORMS, secret, cookies::FORMS_SECONDS)];
    set.extend(session_cookies(&tokens));
    let mut response = Redirect::to(next).into_response();
    set_cookies(response.headers_mut(), &set, browser.over_tls);
    Ok(response)
}

fn refused(error: &AuthError, browser: &Browser, email: &str, next: &str) -> Response {
    let (status, text) = match error {
        AuthError::Refused(_) => (
            StatusCode::UNAUTHORIZED,
            "The e-mail address or the password is wrong.".to_owned(),
        ),
        AuthError::TooMany => (StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        AuthError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    let page = LoginPage {
        form_token: &browser.form_token,
        next,
        email,
        error: Some(&text),
    };
    html(status, &page)
}

/// Ends the session. The browser forgets it even if the auth service does not answer.
pub(super) async fn log_out(
    State(core): State<Core>,
    Extension(browser): Extension<Browser>,
    _: Fields,
) -> Response {
    if let Some(refresh) = &browser.refresh
        && let Err(error) = core.console.auth.log_out(refresh, browser.ip).await
    {
        tracing::warn!(%error, "failed to end a session at the auth service; its cookies are removed, and it ends by itself");
    }
    let mut response = Redirect::to("/login").into_response();
    set_cookies(response.headers_mut(), &ended(), browser.over_tls);
    response
}

/// The address, if it is one of this service: nobody may send a person elsewhere with it.
fn local(next: &str) -> &str {
    let inside = next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if inside { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (next, expected) in [
            ("/jobs?state=dead", "/jobs?state=dead"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\nb", "/"),
        ] {
            assert_eq!(local(next), expected, "{next:?}");
        }
    }
}
