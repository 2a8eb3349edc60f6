//! The client for Stripe's API: typed calls, and a class for every unsuccessful answer that decides what follows.
//!
//! A call is sent with an idempotency key that was committed before. This module does not retry and stores nothing: jobs are
//! retried by the queue. The concurrency limit and the circuit breaker spare Stripe while it fails.

mod answer;
mod audit_list;
mod backoff;
pub mod breaker;
mod call_log;
mod call_metrics;
mod calls;
mod class;
mod client;
mod connections;
mod event_list;
mod failure;
mod made_list;
mod params;
mod reads;

pub use audit_list::IntentSums;
pub use backoff::backoff;
pub use call_log::StripeCall;
pub(crate) use call_log::recorded;
pub use class::{Class, Refusal, classify};
pub use client::{Client, ClientConfig, ClientError, VERSION};
pub use event_list::EventRange;
pub use failure::{Answered, Failure};
pub(crate) use made_list::MadeIntent;
pub use params::{ConfirmIntent, CreateIntent, CreateRefund, Created, IdempotencyKey, InvalidKey};
