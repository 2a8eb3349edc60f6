//! The operator console: HTML pages of what the operations API also gives.
//!
//! A person logs in through the auth service; the tokens stand in cookies that scripts cannot read. Every form carries a
//! value that only a page of this service can know, so that no other site can make a browser act.

mod actions;
mod assets;
mod audit;
mod auth_client;
mod bulk;
mod cookies;
mod error;
mod fields;
mod format;
mod jobs;
mod layout;
mod live;
mod login;
mod machines;
mod overview;
mod pager;
mod payments;
mod picture;
mod session;
mod timeline;
mod visit;
mod webhooks;

use std::sync::Arc;

use auth_client::AuthClient;
use axum::routing::{get, post};
use axum::{Router, middleware};
use infra::Env;
use infra::env::SecretString;
use session::Sessions;
use tokio_util::sync::CancellationToken;

use crate::Core;

/// How the console reaches the auth service.
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// `http://host:port` of the auth service: `AUTH_URL`.
    pub auth_url: String,
    /// The API key with which the console logs people in: `CONSOLE_API_KEY`. Without one nobody can log in.
    pub api_key: Option<SecretString>,
}

impl ConsoleConfig {
    /// Reads the environment; faults are collected in `env`.
    #[must_use]
    pub fn from_env(env: &Env) -> Self {
        Self {
            auth_url: env.text("AUTH_URL").trim_end_matches('/').to_owned(),
            api_key: env
                .optional("CONSOLE_API_KEY")
                .and_then(|keys| keys.split(',').next().map(|key| key.trim().into())),
        }
    }
}

/// What the pages share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    auth: AuthClient,
    sessions: Arc<Sessions>,
    changes: live::Changes,
    /// Ends the streams of open pages when the service is to stop.
    stopping: CancellationToken,
}

impl Console {
    /// Prepares the console; nothing is connected before a page is asked for.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub(crate) fn new(config: ConsoleConfig, stopping: CancellationToken) -> anyhow::Result<Self> {
        Ok(Self {
            auth: AuthClient::new(config)?,
            sessions: Arc::default(),
            changes: live::Changes::default(),
            stopping,
        })
    }
}

/// The routes of the pages.
pub(crate) fn routes(core: &Core) -> Router<Core> {
    let pages = Router::new()
        .route("/", get(overview::show))
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/payments", get(payments::list))
        .route("/payments/{id}", get(payments::show))
        .route("/payments/{id}/resync", post(actions::resync))
        .route("/payments/{id}/force", post(actions::force))
        .route("/jobs", get(jobs::list))
        .route("/jobs/bulk", get(bulk::preview).post(bulk::act_on_portion))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/retry", post(actions::retry))
        .route("/jobs/{id}/cancel", post(actions::cancel))
        .route("/jobs/{id}/snooze", post(actions::snooze))
        .route("/queues/{kind}/{change}", post(actions::switch_queue))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/{event}", get(webhooks::show))
        .route("/webhooks/{event}/replay", post(actions::replay))
        .route("/deliveries/{id}/resend", post(actions::resend))
        .route("/machines", get(machines::list))
        .route("/audit", get(audit::list))
        .route("/live", get(live::stream))
        .layer(middleware::from_fn_with_state(core.clone(), session::open));
    pages.merge(assets::routes())
}
