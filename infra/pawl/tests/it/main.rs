//! The commands of `pawl` as a person calls them: real processes, real servers, an empty directory each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod dev;
mod manage;
mod program;
mod services;
