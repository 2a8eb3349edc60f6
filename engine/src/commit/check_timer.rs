//! When Stripe is asked about a payment of which nothing is heard.

use workflows::payment::{Payment, Status};

/// Seconds that a payment may wait in a status before Stripe is asked how it stands.
const ACTION: f64 = 15.0 * 60.0;
const PROCESSING: f64 = 60.0 * 60.0;
const CLIENT: f64 = 60.0 * 60.0;
const CAPTURE: f64 = 24.0 * 60.0 * 60.0;

/// How many seconds a payment may wait for an event before it is resynced. None while a job works on it, and when it has
/// ended.
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
