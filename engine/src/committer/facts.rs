//! What is kept of a move beside its edge.

use serde_json::{Value, json};
use workflows::edges::Machine;
use workflows::stream::{Stream, Transition};

/// The facts of a move, for the history and for Kafka: the payment's money after it, and what is known of what moved.
/// Never a client secret.
pub(super) fn data(transition: &Transition, after: &Stream) -> Value {
    let payment = &after.payment;
    let moved = match transition.machine {
        Machine::Payment => json!({ "error": payment.last_error }),
        Machine::Attempt => {
            let attempt = after.attempts.iter().find(|it| it.id == transition.subject);
            json!({
                "number": attempt.map(|it| it.number),
                "charge_id": attempt.and_then(|it| it.charge_id.as_deref()),
                "error": attempt.and_then(|it| it.error.as_ref()),
            })
        }
        Machine::Refund => {
            let refund = after.refunds.iter().find(|it| it.id == transition.subject);
            json!({
                "amount": refund.map(|it| it.amount),
                "stripe_id": refund.and_then(|it| it.stripe_id.as_deref()),
                "reason": refund.and_then(|it| it.reason.as_deref()),
                "error": refund.and_then(|it| it.error.as_ref()),
            })
        }
    };
    json!({
        "amount_capturable": payment.capturable,
        "amount_captured": payment.captured,
        "amount_refunded": payment.refunded,
        "amount_reserved": payment.reserved,
        "moved": moved,
    })
}
