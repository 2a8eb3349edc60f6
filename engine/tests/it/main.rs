//! The engine against what it stands on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod stripe;
mod webhook;
mod edges;
mod lifecycle;
mod world;
