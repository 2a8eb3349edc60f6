//! The two kinds of callers: those who may read, and those who may act.
//!
//! Staff of the house reach all accounts, everybody else their own. A role of the house is read from the database for each
//! request, so that it ends at the moment at which it is taken away.

use std::net::{IpAddr, SocketAddr};

use authz::audit::{Act, Outcome};
use authz::id::{KeyId, UserId};
use authz::{Caller, Role, StaffRole};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use engine::Scope;
use serde_json::Value;
use uuid::Uuid;

use crate::Core;
use crate::error::Error;

/// A caller who may read.
pub(crate) struct Viewer {
    /// What is outside is not shown.
    pub(crate) scope: Scope,
    /// The role of the house, where the scope comes from one.
    pub(crate) staff: Option<StaffRole>,
    /// The role in the caller's own account.
    pub(crate) role: Role,
}

impl FromRequestParts<Core> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Error> {
        let caller = core.verifier.caller(&parts.headers).await?;
        let staff = core.verifier.current_staff(&caller).await?;
        let scope = match staff {
            Some(_) => Scope::All,
            None if caller.role >= Role::Viewer => Scope::Account(caller.account),
            None => return Err(Error::Forbidden),
        };
        Ok(Self {
            scope,
            staff,
            role: caller.role,
        })
    }
}

/// A caller whose role in the database, whatever the token says, allows actions at this moment. A refused attempt is
/// recorded in the audit.
pub(crate) struct Operator {
    /// What is outside cannot be acted on.
    pub(crate) scope: Scope,
    /// Whether the role is one of the house.
    is_staff: bool,
    caller: Caller,
    ip: Option<IpAddr>,
}

impl Operator {
    /// Checks that the caller may act on what belongs to no account, such as a queue.
    pub(crate) fn check_staff(&self) -> Result<(), Error> {
        self.is_staff.then_some(()).ok_or(Error::Forbidden)
    }

    /// The id of the person or the key.
    pub(crate) fn name(&self) -> String {
        let user = self.caller.user.map(|user| UserId::from(user).to_string());
        let key = || self.caller.key.map(|key| KeyId::from(key).to_string());
        user.or_else(key).unwrap_or_default()
    }

    /// This operator's action on a thing, for the audit: what is done in the past tense (`job_retried`), the thing's id as
    /// clients know it, and its account; the operator's own where it has none.
    pub(crate) fn act<'a>(
        &self,
        action: &'a str,
        target: String,
        account: Option<Uuid>,
        reason: Option<&'a str>,
    ) -> Act<'a> {
        let own = Act::new(action).by(&self.caller);
        Act {
            account: account.or(own.account),
            target: Some(target),
            reason,
            ip: self.ip,
            ..own
        }
    }
}

impl Core {
    /// Records an action that is about to be done. If that fails, the action must not be done.
    pub(crate) async fn record_request(&self, act: &Act<'_>, before: Value) -> Result<(), Error> {
        Ok(self.verifier.record(act.requested(before)).await?)
    }

    /// Records what came of an action: what the thing is like now, or why nothing was done. The action cannot be undone if the
    /// record cannot be written; the one before it says that it was requested.
    pub(crate) async fn record_end(&self, act: &Act<'_>, end: Result<Value, &engine::Error>) {
        let refusal = end.as_ref().err().map(ToString::to_string);
        let end = end.map_err(|_| refusal.as_deref().unwrap_or_default());
        if self.verifier.record(act.ended(end)).await.is_err() {
            tracing::error!(
                action = act.action,
                target = act.target,
                "the audit lacks the end of an action; the record of its request is there"
            );
        }
    }
}

impl FromRequestParts<Core> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Error> {
        let caller = core.verifier.caller(&parts.headers).await?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ip =
            peer.map(|ConnectInfo(peer)| core.trusted_proxies.client(peer.ip(), &parts.headers));
        let staff = core.verifier.current_staff(&caller).await?;
        let is_staff = staff >= Some(StaffRole::Operator);
        let scope = if is_staff {
            Scope::All
        } else if core.verifier.current_role(&caller).await? >= Role::Operator {
            Scope::Account(caller.account)
        } else {
            let act = Act {
                target: Some(parts.uri.path().chars().take(200).collect()),
                outcome: Outcome::Refused,
                reason: Some("role"),
                ip,
                ..Act::new("operation").by(&caller)
            };
            core.verifier.record(act).await?;
            return Err(Error::Forbidden);
        };
        Ok(Self {
            scope,
            is_staff,
            caller,
            ip,
        })
    }
}
