//! The parts that every service uses, tried against real servers; and the rules that the repository keeps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod api;
mod configuration;
mod env;
mod house;
mod http;
mod kafka;
mod limit;
mod long_bodies;
mod metrics;
mod pooler;
mod postgres;
mod redis;
mod slow;
