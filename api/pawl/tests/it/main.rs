//! The commands of `pawl` as a person calls them: real processes and servers, each test in an empty directory.

#![cfg(feature = "dev")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod adopt;
mod bench_console;
mod browser;
mod collector;
mod command_line;
mod configuration;
mod console;
mod dev;
mod failover;
mod fleet;
mod haproxy;
mod id;
mod load_balancer;
mod machines;
mod manage;
mod metrics;
mod operate;
mod program;
mod proxied;
mod secrets;
mod seed;
mod seed_many;
mod services;
mod traces;
