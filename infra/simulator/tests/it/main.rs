//! The simulator over real HTTP: each rule of Stripe by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod clock;
mod dashboard;
mod disputes;
mod events;
mod faults;
mod holds;
mod idempotency;
mod intents;
mod ledger;
mod lists;
mod outcomes;
mod refunds;
mod refusals;
mod requests;
mod settings;
mod shop;
mod state;
mod stripe_python;
mod support;
mod webhooks;
