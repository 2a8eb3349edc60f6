//! The engine against what it stands on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod adoption;
mod audit;
mod authorizations;
mod cache;
mod captures;
mod commands;
mod deliveries;
mod disputes;
mod edges;
mod events;
mod explain;
mod gap_check;
mod isolation;
mod lifecycle;
mod messages;
mod operating;
mod operations;
mod permutations;
mod plans;
mod poison;
mod queue;
mod races;
mod receiver;
mod reconciliation;
mod redis_server;
mod refused_key;
mod relay;
mod retention;
mod roles;
mod stripe;
mod timers;
mod wait;
mod webhook;
mod world;
