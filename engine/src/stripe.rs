//! Stripe, as far as Pawl uses it: typed calls whose every outcome has a class that says what follows.
//!
//! A call is made with a key that was committed before; nothing here retries, remembers or decides. The concurrency limit
//! and the circuit breaker keep a storm from being fed; jobs with their own tries do the rest.

mod answer;
mod backoff;
pub mod breaker;
mod calls;
mod class;
mod client;
mod failure;
mod params;
mod reads;
mod watch;

pub use backoff::backoff;
pub use class::{Class, Refusal, classify};
pub use client::{Client, ClientConfig, ClientError, VERSION};
pub use failure::{Answered, Failure};
pub use params::{ConfirmIntent, CreateIntent, CreateRefund, Created, IdempotencyKey, InvalidKey};
pub use reads::Events;
