//! The addresses and credentials that people and programs need to use the running services.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use servers::Servers;

use super::services::{Addresses, Settings};
use crate::demo::{Person, Secrets, write_private};
use crate::output;

/// The content of `.pawl/dev.json`.
#[derive(Serialize)]
pub(super) struct Facts {
    gateway: String,
    auth: String,
    core: String,
    worker: String,
    simulator: String,
    database_url: String,
    redis_url: String,
    kafka_brokers: String,
    api_key: String,
    webhook_secret: String,
    user: Person,
    operator: Person,
}

impl Facts {
    pub(super) fn new(
        secrets: &Secrets,
        addresses: Addresses,
        settings: &Settings,
        servers: &Servers,
    ) -> Facts {
        Facts {
            gateway: addresses.gateway,
            auth: addresses.auth,
            core: addresses.core,
            worker: addresses.worker,
            simulator: addresses.stripe,
            database_url: servers.database_url.clone(),
            redis_url: servers.redis_url.clone(),
            kafka_brokers: servers.kafka_brokers.clone(),
            api_key: secrets.api_key.clone(),
            webhook_secret: settings.webhook_secret(),
            user: secrets.user.clone(),
            operator: secrets.operator.clone(),
        }
    }

    /// Returns when every service answers and the gateway accepts the API key.
    pub(super) async fn until_all_answer(&self) -> Result<()> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(2))
            .build()?;
        let addresses = [
            format!("{}/health", self.auth),
            format!("{}/api/health", self.core),
            format!("{}/health", self.worker),
            format!("{}/readyz", self.gateway),
            format!("{}/api/v1/payments?limit=1", self.gateway),
        ];
        for address in addresses {
            loop {
                let answer = http
                    .get(&address)
                    .header("X-API-Key", &self.api_key)
                    .send()
                    .await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Writes the file for programs; only its owner may read it.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }

    /// Prints them for people.
    pub(super) fn print(&self) {
        let Facts {
            gateway,
            auth,
            core,
            simulator,
            api_key,
            user,
            operator,
            ..
        } = self;
        let login = |person: &Person| format!("{}, password {}", person.email, person.password);
        output::line("");
        for (name, what) in [
            (
                "shop",
                format!("{simulator}/shop  (buy a mug with a test card)"),
            ),
            ("gateway", format!("{gateway}  ({gateway}/openapi.json)")),
            ("auth", auth.clone()),
            (
                "console",
                format!("{core}  (for operators: every payment, job and webhook)"),
            ),
            (
                "stripe",
                format!("{simulator}  (the simulator; its ledger: {simulator}/_sim/ledger)"),
            ),
            ("postgres", self.database_url.clone()),
            ("API key", api_key.clone()),
            ("user", login(user)),
            ("operator", login(operator)),
        ] {
            output::line(format!("  {name:<10} {what}"));
        }
        let json = "-H 'Content-Type: application/json'";
        let key = format!("-H 'X-API-Key: {api_key}'");
        output::line(format!(
            r#"
Create a payment, list it, and log in:

  curl -s {gateway}/api/v1/payments {key} -H "Idempotency-Key: $(date +%s%N)" -H 'Prefer: wait=5' {json} -d '{{"amount":1200,"currency":"eur","payment_method":"pm_card_visa","confirm":true}}'
  curl -s '{gateway}/api/v1/payments?limit=1' {key}
  curl -s {auth}/api/v1/auth/login {key} {json} -d '{{"email":"{email}","password":"{password}"}}'

ready: Ctrl-C stops all of it; the payments stay in .pawl until `make reset`"#,
            email = user.email,
            password = user.password,
        ));
    }
}
