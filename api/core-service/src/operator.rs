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
use infra::id::AccountId;
use serde_json::Value;

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

/// An action of an operator, for the audit.
pub(crate) struct Deed<'a> {
    /// The action in the past tense: `job_retried`.
    pub(crate) action: &'a str,
    /// The id of the thing, as clients know it.
    pub(crate) target: String,
    /// The account of the thing; the caller's own where it has none.
    pub(crate) account: Option<AccountId>,
    /// Why it is done.
    pub(crate) reason: Option<&'a str>,
    /// What the thing was like before.
    pub(crate) before: Option<Value>,
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

    /// Records the action that is about to be done. If that fails, the action must not be done.
    pub(crate) async fn record(&self, core: &Core, deed: &Deed<'_>) -> Result<(), Error> {
        let act = Act {
            outcome: Outcome::Requested,
            before: deed.before.clone(),
            ..self.act(deed)
        };
        Ok(core.verifier.record(act).await?)
    }

    /// Records what came of it: what the thing is like now, or why nothing was done. The action cannot be undone if the
    /// record cannot be written; the one before it says that it was requested.
    pub(crate) async fn record_end(
        &self,
        core: &Core,
        deed: &Deed<'_>,
        end: Result<Value, &engine::Error>,
    ) {
        let refusal = end.as_ref().err().map(ToString::to_string);
        let mut act = self.act(deed);
        if let Ok(after) = end {
            act.after = Some(after);
        } else {
            act.outcome = Outcome::Refused;
            act.reason = refusal.as_deref();
        }
        if core.verifier.record(act).await.is_err() {
            tracing::error!(
                action = deed.action,
                target = deed.target,
                "the audit lacks the end of an action; the record of its request is there"
            );
        }
    }

    fn act<'a>(&self, deed: &Deed<'a>) -> Act<'a> {
        let own = Act::new(deed.action).by(&self.caller);
        Act {
            account: deed.account.map(|account| account.uuid()).or(own.account),
            target: Some(deed.target.clone()),
            reason: deed.reason,
            ip: self.ip,
            ..own
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
