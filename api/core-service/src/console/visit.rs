//! A person who looks at a page.

use authz::{Role, StaffRole};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engine::Scope;

use super::error::PageError;
use super::layout::Frame;
use super::session::Browser;
use crate::Core;
use crate::error::Error;
use crate::operator::{Operator, Viewer};
use crate::ops::audit::visible_to;

/// A person who may read, for a page.
pub(super) struct Visit {
    /// What is outside is not shown.
    pub(super) scope: Scope,
    pub(super) role: Role,
    pub(super) staff: Option<StaffRole>,
    form_token: String,
}

impl Visit {
    /// The frame of a page of this person.
    pub(super) fn frame(&self, section: &'static str, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            section,
            form_token: self.form_token.clone(),
            role: match self.staff {
                Some(role) => format!("{role} of the house"),
                None => self.role.to_string(),
            },
            may_act: self.may_act(),
            may_audit: visible_to(self.scope, self.staff, self.role).is_ok(),
        }
    }
}

impl Visit {
    /// Whether the person may act, as far as the page knows; each form is checked again.
    fn may_act(&self) -> bool {
        self.role >= Role::Operator || self.staff >= Some(StaffRole::Operator)
    }
}

impl FromRequestParts<Core> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, PageError> {
        let viewer = Viewer::from_request_parts(parts, core).await;
        let viewer = viewer.map_err(|error| refusal(parts, error))?;
        let browser = parts.extensions.get::<Browser>();
        Ok(Self {
            scope: viewer.scope,
            role: viewer.role,
            staff: viewer.staff,
            form_token: browser.map_or_else(String::new, |it| it.form_token.clone()),
        })
    }
}

/// A person who may act, for a form.
pub(super) struct Actor(pub(super) Operator);

impl FromRequestParts<Core> for Actor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, PageError> {
        let operator = Operator::from_request_parts(parts, core).await;
        operator.map(Self).map_err(|error| refusal(parts, error))
    }
}

/// Who is not logged in goes to the login, and comes back.
fn refusal(parts: &Parts, error: Error) -> PageError {
    let logged_out = matches!(error, Error::Caller(authz::Error::Unauthenticated));
    if !logged_out {
        return error.into();
    }
    let address = parts.uri.path_and_query().map(ToString::to_string);
    let reads = parts.method.is_safe() && parts.uri.path() != "/live";
    PageError::LoggedOut(address.filter(|_| reads).unwrap_or_else(|| "/".to_owned()))
}
