//! The tests of the pure crate: tables, orders of arrival, and walks through a small world with a Stripe in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod calls;
mod captures;
mod dispute_orders;
mod disputes;
mod documents;
mod event_types;
mod histories;
mod holds;
mod intents;
mod machines;
mod model;
mod money;
mod orders;
mod other_refunds;
mod played;
mod processor;
mod refunds;
mod samples;
mod snapshots;
mod steps;
mod walks;
mod world;
