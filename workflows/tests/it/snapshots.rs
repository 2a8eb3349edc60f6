//! Stripe's objects as Stripe sends them.

use serde_json::json;
use workflows::payment;
use workflows::stripe::{Charge, Intent, IntentStatus, Refund, RefundStatus, id_of};

#[test]
fn an_intent_is_read_whatever_else_is_in_it() {
    let intent: Intent = serde_json::from_value(json!({
        "id": "pi_1", "object": "payment_intent", "amount": 1000, "amount_capturable": 1000,
        "amount_received": 0, "currency": "eur", "status": "requires_capture", "livemode": false,
        "client_secret": "pi_1_secret", "created": 5, "metadata": {"payment_id": "x"},
        "next_action": null, "last_payment_error": null, "cancellation_reason": null,
        "payment_method": {"id": "pm_1", "object": "payment_method", "type": "card"},
        "latest_charge": {"id": "ch_1", "object": "charge", "payment_method_details":
            {"card": {"capture_before": 77, "brand": "visa"}}},
        "brand_new_field": [1, 2, 3],
    }))
    .unwrap();
    assert_eq!(intent.status, IntentStatus::RequiresCapture);
    assert_eq!(intent.payment_method.as_deref(), Some("pm_1"));
    assert_eq!(
        (intent.charge_id(), intent.capture_before()),
        (Some("ch_1"), Some(77))
    );
    let again: Intent = serde_json::from_value(serde_json::to_value(&intent).unwrap()).unwrap();
    assert_eq!(again, intent);
}

#[test]
fn what_may_be_expanded_may_also_be_an_id() {
    let intent: Intent = serde_json::from_value(json!({
        "id": "pi_1", "amount": 1000, "currency": "eur", "status": "processing",
        "latest_charge": "ch_1", "payment_method": "pm_1",
    }))
    .unwrap();
    assert_eq!(
        (intent.charge_id(), intent.capture_before()),
        (Some("ch_1"), None)
    );
    let charge: Charge = serde_json::from_value(json!({
        "id": "ch_1", "amount": 1000, "status": "pending", "payment_intent": {"id": "pi_1"},
    }))
    .unwrap();
    assert_eq!(charge.payment_intent.as_deref(), Some("pi_1"));
}

#[test]
fn a_status_that_is_not_known_is_read_and_means_nothing() {
    let intent: Intent = serde_json::from_value(json!({
        "id": "pi_1", "amount": 1000, "currency": "eur", "status": "requires_prayer",
    }))
    .unwrap();
    assert_eq!(payment::Status::of_intent(intent.status), None);
    let refund = json!({"id": "re_1", "amount": 5, "currency": "eur", "status": "lost"});
    let refund: Refund = serde_json::from_value(refund).unwrap();
    assert_eq!(refund.status, RefundStatus::Unknown);
}

#[test]
fn our_marks_are_read_as_clients_write_them_and_as_bare_ids() {
    let bare = "01935a2c-0000-7000-8000-000000000001";
    let expected = bare.parse().ok();
    assert_eq!(id_of(bare), expected);
    for prefix in ["pay", "re"] {
        let typed = format!("{prefix}_01jdd2r000e008000000000001");
        assert_eq!(id_of(&typed), expected, "{typed}");
    }
    for text in ["", "pay_", "order 66", "pay_8zzzzzzzzzzzzzzzzzzzzzzzzz"] {
        assert_eq!(id_of(text), None, "{text:?}");
    }
}
