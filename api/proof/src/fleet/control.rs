//! What a trial does to the processes of a fleet.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use super::layout::{Layout, url};
use super::process::Process;
use super::{Fleet, Proxy, auth, credentials};

/// The proxies between the processes and Postgres.
#[derive(Debug)]
pub(crate) struct Proxies {
    /// In front of the gateways' connections.
    pub(crate) gateways: Proxy,
    /// In front of the workers' connections.
    pub(crate) workers: Proxy,
}

impl Proxies {
    /// Starts them, and leads the gateways and workers of the layout there.
    pub(super) async fn start(database_url: &str, layout: &mut Layout) -> Result<Proxies> {
        let gateways = Proxy::start(database_url).await?;
        let workers = Proxy::start(database_url).await?;
        layout.gateway_database = Some(gateways.url.clone());
        layout.worker_database = Some(workers.url.clone());
        Ok(Proxies { gateways, workers })
    }
}

impl Fleet {
    /// The proxies of a fleet that was started behind them.
    pub(crate) fn proxies(&self) -> Result<&Proxies> {
        self.proxies.as_ref().context("this fleet has no proxies")
    }

    /// Stops a gateway as an operator would (SIGTERM), waits for its end, and returns when it runs again, with these variables
    /// besides its own.
    pub(crate) async fn restart_gateway(
        &mut self,
        address: SocketAddr,
        environment: &[(&'static str, String)],
    ) -> Result<()> {
        let health = format!("{}/health", url(address));
        let is_it = |process: &&mut Process| process.health() == health;
        let process = self.services.iter_mut().find(is_it);
        let process = process.with_context(|| format!("no gateway runs at {address}"))?;
        process.restart(environment).await?;
        process.ready(&self.http).await
    }

    /// The addresses of the workers' health.
    pub(crate) fn worker_addresses(&self) -> &[SocketAddr] {
        &self.layout.workers
    }

    /// What `/readyz` of a service says, and whether it is ready.
    pub(crate) async fn readiness(&self, address: SocketAddr) -> Result<(bool, Value)> {
        let answer = self.http.get(format!("{}/readyz", url(address))).send();
        let answer = answer.await?;
        let is_ready = answer.status().is_success();
        let body: Value = answer.json().await?;
        Ok((is_ready, body["checks"].clone()))
    }

    /// The account of the load's user.
    pub(crate) async fn account(&self) -> Result<Uuid> {
        let email = credentials()["email"].as_str().map(str::to_owned);
        self.account_of(&email.unwrap_or_default()).await
    }

    /// Registers another merchant; its account.
    pub(crate) async fn another_merchant(&self) -> Result<Uuid> {
        let email = "other@pawl.example";
        let body = json!({"email": email, "password": "correct horse battery staple"});
        auth(&self.http, &self.auth, "register", &body).await?;
        self.account_of(email).await
    }

    async fn account_of(&self, email: &str) -> Result<Uuid> {
        let query = "select m.account_id from membership m join app_user u on u.id = m.user_id where u.email = $1";
        let account = sqlx::query_scalar(query).bind(email);
        let account = account.fetch_one(&self.pool).await;
        account.with_context(|| format!("the account of {email}"))
    }
}
