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

use time::OffsetDateTime;
use uuid::Uuid;

/// The smallest id (`UUIDv7`) of a row that is made at that moment.
pub(crate) fn earliest_id(moment: OffsetDateTime) -> Uuid {
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    let millis = u64::try_from(millis).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
