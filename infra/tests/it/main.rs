//! What every service leans on, tried against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod env;
mod http;
mod kafka;
mod limit;
mod metrics;
mod postgres;
mod redis;
mod slow;
