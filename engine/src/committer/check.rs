//! When Stripe is asked about a payment that nobody tells anything about.

use workflows::payment::{Payment, Status};

/// Seconds after which Stripe is asked about a payment that waits and of which nothing was heard.
const ACTION: f64 = 15.0 * 60.0;
const PROCESSING: f64 = 60.0 * 60.0;
const CLIENT: f64 = 60.0 * 60.0;
const CAPTURE: f64 = 24.0 * 60.0 * 60.0;

/// How long a payment may wait for a word from outside before Stripe is asked. None while a job of ours drives it, and
/// at its end.
pub(super) fn after(payment: &Payment) -> Option<f64> {
    if payment.open_call.is_some() {
        return None;
    }
    match payment.status {
        Status::RequiresAction => Some(ACTION),
        Status::Processing => Some(PROCESSING),
        Status::RequiresPaymentMethod | Status::RequiresConfirmation => Some(CLIENT),
        Status::RequiresCapture => Some(CAPTURE),
        Status::LocalCreated | Status::Succeeded | Status::Canceled | Status::LocalRejected => None,
    }
}
