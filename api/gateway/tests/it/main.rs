//! The gateway over HTTP with real tokens, Postgres and Redis, each test on a database and ports of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod accounts;
mod bad_input;
mod cached;
mod codes;
mod compatibility;
mod concepts;
mod configuration;
mod deliveries;
mod disputes;
mod idempotency;
mod intake_switch;
mod limits;
mod limits_of_types;
mod lists;
mod moving;
mod openapi;
mod outage;
mod payments;
mod stage;
mod texts;
mod webhook_endpoints;
mod webhooks;
