//! When a payment that waits is compared with Stripe's object. docs/reconciliation.md states the times.

use workflows::payment::{Payment, Status};

/// Seconds that a payment may wait before it is compared with Stripe's object for the first time. Later checks are rarer:
/// see `store::timer::fire`.
pub(super) const FIRST_CHECK: f64 = 100.0;

/// What a payment waits for. A new wait begins when this changes, and its first check is soon again.
#[derive(Debug, PartialEq)]
pub(super) struct Wait {
    status: Status,
    attempts: i32,
    /// The sums of captures, of refunds that ended, and of refunds that have not.
    sums: [i64; 3],
    open_disputes: i32,
}

/// What a payment waits for: a customer, a bank, a client's next command, or the end of its refunds and disputes. None while a call works
/// on it, and when all of it has ended.
pub(super) fn wait(payment: &Payment) -> Option<Wait> {
    let waits = match payment.status {
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::RequiresAction
        | Status::Processing
        | Status::RequiresCapture => payment.open_call.is_none(),
        Status::Succeeded => payment.reserved > 0 || payment.open_disputes > 0,
        // Stripe made the intent, in a status that this version does not know.
        Status::LocalCreated => payment.intent_id.is_some() && payment.open_call.is_none(),
        Status::Canceled | Status::LocalRejected => false,
    };
    waits.then_some(Wait {
        status: payment.status,
        attempts: payment.attempts,
        sums: [payment.captured, payment.refunded, payment.reserved],
        open_disputes: payment.open_disputes,
    })
}
