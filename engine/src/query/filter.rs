//! The filters of lists, and the ids between which a page of a list is.

use std::collections::BTreeMap;

use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::payment::Status;
use workflows::refund::Status as RefundStatus;

use crate::store::{payment, refund};
use crate::{Page, store};

/// The payments that a list shows: those that meet every condition that is set.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Only those in this status.
    pub status: Option<Status>,
    /// Only the one with this order id of the merchant.
    pub reference: Option<String>,
    /// Only those of at least, and at most, this amount.
    pub amount: (Option<i64>, Option<i64>),
    /// Only those accepted at or after the first moment, and before the second.
    pub created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
    /// Only those whose metadata holds all of this.
    pub metadata: BTreeMap<String, String>,
}

/// The refunds that a list shows: those that meet every condition that is set.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    /// Only those of this payment.
    pub payment: Option<Uuid>,
    /// Only those in this status.
    pub status: Option<RefundStatus>,
    /// Only those accepted at or after the first moment, and before the second.
    pub created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
}

/// A process whose clock was set back goes on with the time of its last id. The time in an id may be this far ahead of
/// the payment's `created_at`.
const CLOCK_STEPS: time::Duration = time::Duration::hours(1);

/// A time after every payment.
const FAR_FUTURE: OffsetDateTime = time::macros::datetime!(9999-01-01 0:00 UTC);

impl PaymentFilter {
    pub(super) fn criteria(&self, account: Uuid, page: &Page<Uuid>) -> payment::Criteria<'_> {
        let (from, to) = self.created;
        let (above, below) = range(page, self.created);
        payment::Criteria {
            account,
            above,
            below,
            oldest_first: page.ending_before.is_some(),
            status: self.status.map(Status::as_str),
            reference: self.reference.as_deref(),
            amount: (
                self.amount.0.unwrap_or(0),
                self.amount.1.unwrap_or(i64::MAX),
            ),
            created: (
                from.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                to.unwrap_or(FAR_FUTURE),
            ),
            metadata: (!self.metadata.is_empty()).then(|| json!(self.metadata)),
            limit: page.rows(),
        }
    }
}

impl RefundFilter {
    pub(super) fn criteria(&self, account: Uuid, page: &Page<Uuid>) -> refund::Criteria<'_> {
        let (from, to) = self.created;
        let (above, below) = range(page, self.created);
        refund::Criteria {
            account,
            above,
            below,
            oldest_first: page.ending_before.is_some(),
            payment: self.payment,
            status: self.status.map(RefundStatus::as_str),
            created: (
                from.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                to.unwrap_or(FAR_FUTURE),
            ),
            limit: page.rows(),
        }
    }
}

/// The ids between which those of the page are.
fn range(
    page: &Page<Uuid>,
    created: (Option<OffsetDateTime>, Option<OffsetDateTime>),
) -> (Uuid, Uuid) {
    let above = created.0.map_or(Uuid::nil(), |from| {
        store::earliest_id(from.saturating_sub(CLOCK_STEPS))
    });
    let below = created.1.map_or(Uuid::max(), |to| {
        store::earliest_id(to.saturating_add(CLOCK_STEPS))
    });
    (
        page.ending_before.unwrap_or_default().max(above),
        page.starting_after.unwrap_or(Uuid::max()).min(below),
    )
}
