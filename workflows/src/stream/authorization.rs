//! The end of an authorization: what the engine does before the bank releases the money.

use uuid::Uuid;

use super::draft::Draft;
use super::{CaptureRequest, Refusal, commands};
use crate::payment::{Kind, OnExpiry};

/// The reason of a cancel that nobody asked for, one of Stripe's.
const REASON: &str = "abandoned";

/// Tells that the authorization ends, once for each of its deadlines, and asks for what the payment's policy says. Nothing
/// happens before its time, and while a call is under way: the payment moves by its answer, or the timer fires again.
pub(super) fn expiring(draft: &mut Draft, now: i64, capture: Uuid) -> Result<(), Refusal> {
    let payment = &mut draft.stream.payment;
    if payment.open_call.is_some() || payment.acts_at().is_none_or(|at| now < at) {
        return Ok(());
    }
    payment.expiry_noted = payment.capture_before;
    let (status, policy) = (payment.status, payment.authorization_expiry);
    draft.payment(Kind::AuthorizationExpiring, status)?;
    match policy {
        OnExpiry::Alert => Ok(()),
        OnExpiry::Cancel => commands::cancel(draft, Some(&REASON.to_owned())),
        OnExpiry::Capture => CaptureRequest {
            capture,
            amount: None,
            is_final: true,
        }
        .apply(draft),
    }
}
