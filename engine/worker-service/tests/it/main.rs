//! The worker as a process that aborts at each crash point.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod commands;
mod crash;
mod process;
#[path = "../../../tests/it/receiver.rs"]
mod receiver;
#[path = "../../../tests/it/world.rs"]
mod world;
