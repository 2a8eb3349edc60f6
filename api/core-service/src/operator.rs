//! The two kinds of callers: those who may read, and those who may act.

use std::net::{IpAddr, SocketAddr};

use authz::audit::{Act, Outcome};
use authz::{Caller, Role};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::Core;
use crate::error::Error;

/// A caller who may read what belongs to the account.
pub(crate) struct Viewer {
    /// The account of the role: nothing of another account is shown.
    pub(crate) account: Uuid,
}

impl FromRequestParts<Core> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Error> {
        let caller = core.verifier.caller(&parts.headers).await?;
        if caller.role < Role::Viewer {
            return Err(Error::Forbidden);
        }
        Ok(Self {
            account: caller.account,
        })
    }
}

/// A caller whose role in the database, whatever the token says, allows actions at this moment. A refused attempt is
/// recorded in the audit.
pub(crate) struct Operator {
    pub(crate) caller: Caller,
    ip: Option<IpAddr>,
}

impl Operator {
    /// Records the action that is about to be done.
    pub(crate) async fn record(
        &self,
        core: &Core,
        action: &str,
        target: String,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        let act = Act {
            target: Some(target),
            outcome: Outcome::Requested,
            reason,
            ip: self.ip,
            ..Act::new(action).by(&self.caller)
        };
        Ok(core.verifier.record(act).await?)
    }
}

impl FromRequestParts<Core> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Error> {
        let caller = core.verifier.caller(&parts.headers).await?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ip =
            peer.map(|ConnectInfo(peer)| core.trusted_proxies.client(peer.ip(), &parts.headers));
        if core.verifier.current_role(&caller).await? < Role::Operator {
            let act = Act {
                target: Some(parts.uri.path().chars().take(200).collect()),
                outcome: Outcome::Refused,
                reason: Some("role"),
                ip,
                ..Act::new("operation").by(&caller)
            };
            core.verifier.record(act).await?;
            return Err(Error::Forbidden);
        }
        Ok(Self { caller, ip })
    }
}
