//! A simulator of Stripe: a server for development and tests that a client reaches instead of `api.stripe.com`.
//!
//! It keeps objects, idempotency keys and events as Stripe does, signs webhooks and retries them, injects the faults
//! that are requested over `/_sim/faults`, and keeps its own ledger of all money at `/_sim/ledger`.

mod admin;
mod bank;
mod clock;
mod config;
pub mod currency;
mod effects;
mod faults;
mod form;
mod healthcheck;
mod http;
mod id;
mod json;
mod ledger;
mod objects;
mod refusal;
mod routes;
mod server;
mod shop;
mod simulator;
mod state_file;
mod store;
mod table;
mod timers;
mod validate;
mod webhooks;

pub use config::{Config, Settings, Shop, WebhookEndpoint};
pub use healthcheck::check_health;
pub use server::{serve, stop_signal};
