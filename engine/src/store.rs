//! The engine's tables, one file each: all SQL on a table stands in its file.
//!
//! A function here is one statement. Whether it stands in a transaction, and in which order, is the committer's matter.

pub(crate) mod attempt;
pub(crate) mod delivery;
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod job;
pub(crate) mod outbox;
pub(crate) mod payment;
pub(crate) mod refund;
pub(crate) mod switch;
pub(crate) mod timer;
pub(crate) mod transition;
pub(crate) mod webhook_endpoint;
