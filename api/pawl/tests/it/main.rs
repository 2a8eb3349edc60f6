//! The commands of `pawl` as a person calls them: real processes, real servers, an empty directory each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod collector;
mod dev;
mod fleet;
mod manage;
mod metrics;
mod program;
mod secrets;
mod services;
mod traces;
