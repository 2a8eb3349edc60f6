//! Stripe's API: everything under `/v1`.

pub(crate) mod charges;
pub(crate) mod disputes;
pub(crate) mod events;
pub(crate) mod execution;
pub(crate) mod fraud_warnings;
pub(crate) mod idempotency;
pub(crate) mod intents;
pub(crate) mod list;
pub(crate) mod refunds;
pub(crate) mod reply;
pub(crate) mod reviews;
pub(crate) mod v1;
pub(crate) mod webhook_endpoints;
