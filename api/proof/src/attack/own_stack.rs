//! A stack that is started to be attacked: real processes with every rate limit on, all of whose keys are known.

use anyhow::{Context as _, Result};
use auth_service::demo;
use authz::Role;
use infra::env::{ExposeSecret as _, SecretString};
use servers::Progress;

use super::forge;
use super::target::{Addresses, Admin, Target};
use super::visitor::random_text;
use crate::fleet::{Fleet, FleetOptions, Sharing, run_name};

/// The one address from which the stack trusts the headers of a proxy.
const PROXY: [u8; 4] = [127, 7, 7, 7];
const ADMIN: &str = "admin-of-the-attack@pawl.example";

/// The running stack.
pub(super) struct OwnStack {
    fleet: Fleet,
    password: SecretString,
}

impl OwnStack {
    /// Starts everything and creates an account with an admin.
    pub(super) async fn start() -> Result<OwnStack> {
        let mut progress = Progress::new();
        let options = FleetOptions {
            name: run_name("attack"),
            workers: 1,
            sharing: Sharing::Polite,
            log: "info",
            operations: true,
            environment: vec![
                ("RATE_LIMIT_USER_PER_MINUTE", "10".to_owned()),
                ("RATE_LIMIT_IP_PER_MINUTE", "10".to_owned()),
                ("RATE_LIMIT_KEY_PER_MINUTE", "600".to_owned()),
                (
                    "TRUSTED_PROXIES",
                    std::net::Ipv4Addr::from(PROXY).to_string(),
                ),
            ],
        };
        let fleet = Fleet::start(&options, &mut progress).await?;
        progress.end();
        let password = SecretString::from(random_text());
        let account = demo::account(&fleet.pool, "attack").await?;
        demo::user(&fleet.pool, account, ADMIN, &password, Role::Admin).await?;
        Ok(OwnStack { fleet, password })
    }

    /// The stack as a target, with all its keys.
    pub(super) fn target(&self) -> Result<Target> {
        let keys = &self.fleet.keys;
        let core = self
            .fleet
            .core
            .as_deref()
            .context("the stack has no core service")?;
        let mut target = Target::new(Addresses {
            gateway: format!("http://{}", self.fleet.gateway).parse()?,
            auth: self.fleet.auth.parse()?,
            core: Some(core.parse()?),
            api_key: keys.api_key.to_owned().into(),
        });
        target.signing_key = Some(forge::signing_key(keys.private.expose_secret())?);
        target.webhook_secret = Some(keys.webhook_secret.to_owned().into());
        target.admin = Some(Admin {
            email: ADMIN.to_owned(),
            password: self.password.clone(),
        });
        target.proxy = Some(PROXY.into());
        Ok(target)
    }

    /// Stops everything.
    pub(super) async fn stop(self) -> Result<()> {
        self.fleet.stop(true).await
    }
}
