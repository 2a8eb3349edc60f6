//! Every type of event has a meaning.

use engine::webhook::{Meaning, Target, meaning, parse};
use serde_json::{Value, json};
use uuid::Uuid;
use workflows::stream::{ChargeReport, Event, IntentReport, RefundReport};
use workflows::{attempt, payment};

/// The list of events of the rules for all machines, in its own notation.
const LIST: &str = "
payment_intent.{created,requires_action,processing,amount_capturable_updated,partially_funded,payment_failed,canceled,succeeded}
charge.{pending,succeeded,captured,failed,expired,updated,refunded,refund.updated} refund.{created,updated,failed}
charge.dispute.{created,updated,funds_withdrawn,funds_reinstated,closed} review.{opened,closed} radar.early_fraud_warning.{created,updated}
checkout.session.{completed,expired,async_payment_succeeded,async_payment_failed} payout.{paid,failed} mandate.updated
";

const PAYMENT: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0005);
const FRESH: Uuid = Uuid::from_u128(99);

fn types() -> Vec<String> {
    LIST.split_whitespace()
        .flat_map(|family| match family.split_once('{') {
            Some((prefix, endings)) => endings
                .trim_end_matches('}')
                .split(',')
                .map(|ending| format!("{prefix}{ending}"))
                .collect(),
            None => vec![family.to_owned()],
        })
        .collect()
}

/// An object as Stripe puts it into events of this type.
fn object(name: &str) -> Value {
    let metadata = json!({"payment_id": PAYMENT.to_string()});
    let family = name.rsplit_once('.').unwrap().0;
    match family {
        "payment_intent" => json!({
            "id": "pi_1", "object": "payment_intent", "status": "processing", "amount": 5, "currency": "eur", "latest_charge": "ch_1", "metadata": metadata
        }),
        "charge" => json!({
            "id": "ch_1", "object": "charge", "status": "succeeded", "captured": true, "amount": 5, "amount_captured": 5, "amount_refunded": 3,
            "currency": "eur", "payment_intent": "pi_1", "metadata": metadata
        }),
        "refund" | "charge.refund" => json!({
            "id": "re_1", "object": "refund", "status": "succeeded", "amount": 3, "currency": "eur", "charge": "ch_1", "payment_intent": "pi_1", "metadata": metadata
        }),
        "charge.dispute" => {
            json!({"id": "du_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1"})
        }
        "review" => {
            json!({"id": "prv_1", "object": "review", "charge": "ch_1", "payment_intent": "pi_1"})
        }
        "radar.early_fraud_warning" => {
            json!({"id": "issfr_1", "object": "radar.early_fraud_warning", "charge": "ch_1"})
        }
        "checkout.session" => {
            json!({"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_1", "metadata": metadata})
        }
        "payout" => json!({"id": "po_1", "object": "payout", "status": "paid"}),
        "mandate" => json!({"id": "mandate_1", "object": "mandate", "payment_method": "pm_1"}),
        other => panic!("no object for {other}"),
    }
}

fn of(name: &str, object: &Value) -> Meaning {
    let raw = json!({"id": "evt_1", "type": name, "created": 1, "livemode": false, "data": {"object": object}});
    meaning(&parse(raw.to_string().as_bytes()).unwrap(), FRESH)
}

fn report(name: &str, object: &Value) -> (Target, Event) {
    match of(name, object) {
        Meaning::Report { target, event } => (target, *event),
        other => panic!("{name} is no report but {other:?}"),
    }
}

#[test]
fn every_type_of_the_list_is_mapped_or_a_hint() {
    let types = types();
    assert_eq!(types.len(), 35);
    for name in types {
        let meaning = of(&name, &object(&name));
        let family = name.rsplit_once('.').unwrap().0;
        let expected = match family {
            "payout" | "mandate" => matches!(meaning, Meaning::Unrelated),
            _ => matches!(meaning, Meaning::Report { .. } | Meaning::Hint { .. }),
        };
        assert!(expected, "{name}: {meaning:?}");
    }
}

#[test]
fn an_intent_moves_by_the_edge_that_its_event_names() {
    use payment::Kind;
    for (ending, expected) in [
        ("created", Kind::IntentCreated),
        ("requires_action", Kind::ActionRequired),
        ("processing", Kind::ProcessingStarted),
        ("amount_capturable_updated", Kind::CapturableUpdated),
        ("payment_failed", Kind::PaymentFailed),
        ("canceled", Kind::Canceled),
        ("succeeded", Kind::Succeeded),
    ] {
        let name = format!("payment_intent.{ending}");
        let (target, event) = report(&name, &object(&name));
        let Event::IntentSeen(IntentReport {
            intent,
            kind,
            answers: None,
            attempt: None,
            fresh_attempt,
            fresh_capture: FRESH,
        }) = event
        else {
            panic!("{name} means {event:?}");
        };
        assert_eq!(
            (kind, fresh_attempt, intent.id.as_str()),
            (expected, FRESH, "pi_1")
        );
        let expected = Target {
            payment_id: Some(PAYMENT),
            intent_id: Some("pi_1".into()),
            charge_id: Some("ch_1".into()),
        };
        assert_eq!(target, expected);
    }
}

#[test]
fn an_attempt_moves_by_the_event_and_where_that_is_not_enough_by_the_charge() {
    use attempt::Status;
    for (ending, status, captured, expected) in [
        ("pending", "pending", false, Status::Pending),
        ("succeeded", "succeeded", false, Status::Authorized),
        ("succeeded", "succeeded", true, Status::Captured),
        ("captured", "succeeded", true, Status::Captured),
        ("failed", "failed", false, Status::Failed),
        ("expired", "succeeded", false, Status::Expired),
        ("updated", "succeeded", true, Status::Captured),
        ("updated", "succeeded", false, Status::Authorized),
        ("updated", "pending", false, Status::Pending),
        ("updated", "failed", false, Status::Failed),
    ] {
        let name = format!("charge.{ending}");
        let mut charge = object(&name);
        charge["status"] = status.into();
        charge["captured"] = captured.into();
        let (target, event) = report(&name, &charge);
        let Event::ChargeSeen(ChargeReport {
            status: reached,
            fresh_attempt,
            ..
        }) = event
        else {
            panic!("{name} means {event:?}");
        };
        assert_eq!(
            (reached, fresh_attempt),
            (expected, FRESH),
            "{name} {status}"
        );
        assert_eq!(target.intent_id.as_deref(), Some("pi_1"));
    }
}

#[test]
fn a_refund_is_reported_by_the_new_events_and_the_old_one() {
    for name in [
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.refund.updated",
    ] {
        let (target, event) = report(name, &object(name));
        let Event::RefundSeen(RefundReport {
            refund,
            answers: None,
            fresh_refund: FRESH,
        }) = event
        else {
            panic!("{name} means {event:?}");
        };
        assert_eq!(refund.id, "re_1");
        assert_eq!(target.payment_id, Some(PAYMENT));
    }
}

#[test]
fn a_refunded_charge_is_a_hint_that_says_how_much_went_back() {
    let meaning = of("charge.refunded", &object("charge.refunded"));
    assert!(
        matches!(
            meaning,
            Meaning::Hint {
                refunded: Some(3),
                ..
            }
        ),
        "{meaning:?}"
    );
}

#[test]
fn an_event_about_another_kind_of_object_than_its_type_promises_is_a_hint() {
    for name in ["payment_intent.succeeded", "refund.updated"] {
        let meaning = of(name, &object("charge.succeeded"));
        assert!(
            matches!(meaning, Meaning::Hint { refunded: None, .. }),
            "{meaning:?}"
        );
    }
}

#[test]
fn a_type_or_a_status_of_tomorrow_is_unknown_and_leads_to_its_payment() {
    let unknown = |name: &str, object: &Value| match of(name, object) {
        Meaning::Unknown { target } => target,
        other => panic!("{name} is known: {other:?}"),
    };
    for name in ["payment_intent.levitated", "quantum.entangled"] {
        let target = unknown(name, &object("charge.succeeded"));
        assert_eq!(target.intent_id.as_deref(), Some("pi_1"));
    }
    for name in [
        "payment_intent.succeeded",
        "charge.updated",
        "refund.updated",
    ] {
        let mut object = object(name);
        object["status"] = "levitating".into();
        assert_eq!(unknown(name, &object).intent_id.as_deref(), Some("pi_1"));
    }
}

#[test]
fn a_charge_without_an_intent_belongs_to_no_payment() {
    let charge = json!({"id": "ch_9", "object": "charge", "status": "succeeded", "amount": 5, "metadata": {}});
    assert!(matches!(
        of("charge.succeeded", &charge),
        Meaning::Unrelated
    ));
    let refund = json!({"id": "re_9", "object": "refund", "status": "succeeded", "amount": 5, "currency": "eur", "charge": "ch_9"});
    assert!(matches!(of("refund.created", &refund), Meaning::Unrelated));
}

#[test]
fn metadata_that_is_not_ours_names_no_payment() {
    for stranger in [
        json!({"payment_id": "order-17"}),
        json!({"payment": PAYMENT.to_string()}),
        json!({}),
    ] {
        let mut intent = object("payment_intent.succeeded");
        intent["metadata"] = stranger;
        let (target, _) = report("payment_intent.succeeded", &intent);
        assert_eq!(target.payment_id, None);
        assert_eq!(target.intent_id.as_deref(), Some("pi_1"));
    }
}
