//! The fields of a form that a page of this service sent.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};

use super::error::PageError;
use super::session::Browser;
use crate::Core;

/// The field that proves that this service gave the form to this browser.
const TOKEN: &str = "form_token";

/// The fields of a form, in order. A request of another site is refused before a handler runs.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The text of a field without the spaces around it; none if it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The text of a field as it was typed.
    pub(super) fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

impl FromRequest<Core> for Fields {
    type Rejection = PageError;

    async fn from_request(request: Request, core: &Core) -> Result<Self, PageError> {
        let browser = request.extensions().get::<Browser>().cloned();
        let from_here = is_from_here(request.headers());
        let body = Bytes::from_request(request, core)
            .await
            .map_err(|_| PageError::Field("The form could not be read.".to_owned()))?;
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&body)
            .map_err(|_| PageError::Field("The form could not be read.".to_owned()))?;
        let fields = Self(fields);
        let known = browser.is_some_and(|browser| browser.form_token == fields.raw(TOKEN));
        if !known || !from_here {
            return Err(PageError::ForeignForm);
        }
        Ok(fields)
    }
}

/// Whether the browser says that a page of this service sent the request. Old browsers say nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    if let Some(site) = site.and_then(|site| site.to_str().ok()) {
        return site == "same-origin";
    }
    let origin = headers.get(header::ORIGIN).and_then(|it| it.to_str().ok());
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    match (origin, host) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, it)| it == host),
        (Some(_), None) => false,
        (None, _) => true,
    }
}
