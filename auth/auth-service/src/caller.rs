//! The two kinds of callers for whom an API key is not enough: a person, and an admin.

use std::sync::Arc;

use authz::{Caller, Role};
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::{Auth, Error};

/// A person, proven by an access token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) caller: Caller,
    pub(crate) user: Uuid,
}

impl FromRequestParts<Arc<Auth>> for Person {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, auth: &Arc<Auth>) -> Result<Self, Error> {
        // Without a token the verifier would accept the API key, which names no person.
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(authz::Error::Unauthenticated.into());
        }
        let caller = auth.verifier.caller(&parts.headers).await?;
        let user = caller.user.ok_or(authz::Error::Unauthenticated)?;
        Ok(Self { caller, user })
    }
}

/// A person who is an admin of the account at this moment: the role in the database counts, not the one in the token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin {
    pub(crate) caller: Caller,
}

impl FromRequestParts<Arc<Auth>> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, auth: &Arc<Auth>) -> Result<Self, Error> {
        let Person { caller, .. } = Person::from_request_parts(parts, auth).await?;
        if auth.verifier.current_role(&caller).await? < Role::Admin {
            return Err(Error::Forbidden);
        }
        Ok(Self { caller })
    }
}
