//! The decisions about payments: the machines with their tables of rules, and the money that they count.
//!
//! This crate is pure. It reads no clock, no environment and no network, and it makes no random number: times and ids
//! arrive inside events. Given the same [`stream::Stream`] and the same [`stream::Event`], [`stream::step`] answers
//! the same for ever, so every decision can be replayed, tested in a table and drawn.
//!
//! Read it in this order: [`payment::RULES`], [`attempt::RULES`], [`capture::RULES`], [`refund::RULES`] and
//! [`dispute::RULES`] (the life of each subject, rule by rule), [`edges`] (the edges that the database shares), [`stream`]
//! (how an event moves a payment with all that belongs to it), [`money`].

// Money is counted here: arithmetic that could overflow must be checked.
#![warn(clippy::arithmetic_side_effects)]

pub mod attempt;
pub mod capture;
pub mod dispute;
pub mod drawing;
mod edge;
pub mod edges;
pub mod effect;
pub mod event_type;
pub mod hold;
pub mod job;
pub mod money;
mod names;
pub mod payment;
pub mod refund;
pub mod stream;
pub mod stripe;

pub use names::UnknownName;
