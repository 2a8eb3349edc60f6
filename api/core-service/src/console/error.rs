//! The pages that say why there is no other page.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::layout::{Frame, html};
use crate::error::Error;

/// Why a page cannot be shown, or a form was not carried out.
#[derive(Debug)]
pub(super) enum PageError {
    /// Nobody is logged in. The browser goes to the login and comes back to this address.
    LoggedOut(String),
    /// What the operations API answers too.
    Api(Error),
    /// The same, for a person who is logged in: the page has the navigation.
    Framed(Box<Frame>, Error),
    /// The form is not one that this browser was given.
    ForeignForm,
    /// A field of a form cannot be used.
    Field(String),
    /// A service that this one needs does not answer.
    Unavailable(String),
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Api(error)
    }
}

impl From<engine::Error> for PageError {
    fn from(error: engine::Error) -> Self {
        Self::Api(Error::Engine(error))
    }
}

impl From<infra::http::RequestError> for PageError {
    fn from(error: infra::http::RequestError) -> Self {
        Self::Field(error.detail)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
}

#[derive(Template)]
#[template(path = "error_framed.html")]
struct FramedErrorPage {
    frame: Frame,
    detail: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self {
            Self::LoggedOut(address) => {
                let next = serde_urlencoded::to_string([("next", address)]).unwrap_or_default();
                return Redirect::to(&format!("/login?{next}")).into_response();
            }
            Self::Framed(frame, error) => {
                let (status, title, detail) = of_api(error);
                let mut frame = *frame;
                title.clone_into(&mut frame.title);
                return html(status, &FramedErrorPage { frame, detail });
            }
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                "This form is too old",
                "Nothing was done. Go back, reload the page and send it again.".to_owned(),
            ),
            Self::Field(detail) => (StatusCode::BAD_REQUEST, "This cannot be used", detail),
            Self::Unavailable(detail) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not available now", detail)
            }
            Self::Api(error) => of_api(error),
        };
        let detail = &detail;
        html(status, &ErrorPage { title, detail })
    }
}

fn of_api(error: Error) -> (StatusCode, &'static str, String) {
    let told = match &error {
        Error::Request(error) => Some(("This cannot be used", error.detail.clone())),
        Error::Engine(engine::Error::Refused(refusal)) => {
            Some(("The payment does not allow this", refusal.to_string()))
        }
        Error::Engine(engine::Error::NotRetried(why) | engine::Error::NotCanceled(why)) => {
            Some(("Nothing was done", why.clone()))
        }
        _ => None,
    };
    // Logs the cause, as for the API, and knows the status.
    let status = error.into_response().status();
    if let Some((title, detail)) = told {
        return (status, title, detail);
    }
    let (title, detail) = match status {
        StatusCode::FORBIDDEN => (
            "Not with your role",
            "This takes another role. Ask an admin of the account; nothing was done.",
        ),
        StatusCode::NOT_FOUND => (
            "Nothing here",
            "There is no such thing in your account, or it was deleted after its time.",
        ),
        StatusCode::CONFLICT => (
            "It has changed",
            "It is no longer as the page showed it; nothing was done. Go back and reload.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Not available now",
            "The database does not answer, or the payment is being changed. Try again in a moment.",
        ),
        _ => (
            "Something failed",
            "The cause is in the service's log, with the request id of this answer's X-Request-Id.",
        ),
    };
    (status, title, detail.to_owned())
}
