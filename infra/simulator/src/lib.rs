//! A stateful, misbehaving Stripe: a server for development and tests that differs from Stripe only by its address.
//!
//! It keeps objects, idempotency keys and events as Stripe does, signs and retries webhooks, goes wrong in the ways
//! it is asked to over `/_sim/faults`, and keeps books of its own at `/_sim/ledger`.

mod admin;
mod authentication;
mod charge;
mod charges;
mod clock;
mod config;
mod currency;
mod endpoint;
mod event;
mod events;
mod execution;
mod faults;
mod form;
mod http;
mod id;
mod idempotency;
mod intent;
mod intents;
mod ledger;
mod lock;
mod payment_method;
mod refund;
mod refunds;
mod refusal;
mod routes;
mod server;
mod shop;
mod simulator;
mod snapshot;
mod store;
mod table;
mod v1;
mod webhooks;

pub use config::{Config, Settings, Shop, WebhookEndpoint};
pub use server::{serve, stop_signal};
