//! What a payment may become, and nothing else: the machines, their money and their one table of edges.
//!
//! This crate is pure. It reads no clock, no environment and no network, and it makes no random number: times and ids
//! arrive inside events. Given the same [`stream::Stream`] and the same [`stream::Event`], [`stream::step`] answers
//! the same for ever, so every decision can be replayed, tested in a table and drawn.
//!
//! Read it in this order: [`payment`], [`attempt`] and [`refund`] (the three machines), [`edges`] (the table that the
//! database shares), [`stream`] (how an event moves a payment with its attempts and refunds), [`money`].

// Money is counted here: whatever could overflow says so.
#![warn(clippy::arithmetic_side_effects)]

pub mod attempt;
pub mod drawing;
pub mod edges;
pub mod money;
pub mod payment;
pub mod refund;
pub mod stream;
pub mod stripe;
mod words;

pub use words::UnknownWord;
