//! Reading an event: what is kept, and what is no event.

use engine::webhook::{Object, ParseError, name, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn event(name: &str, object: &Value) -> Vec<u8> {
    json!({
        "id": "evt_1", "object": "event", "type": name, "created": 1_790_000_000, "livemode": false, "api_version": "2026-01-28.clover",
        "data": {"object": object, "previous_attributes": {"status": "processing"}}, "pending_webhooks": 1
    })
    .to_string()
    .into_bytes()
}

#[test]
fn an_event_about_an_intent_is_read_whole() {
    let raw = json!({
        "id": "evt_9", "object": "event", "type": "payment_intent.succeeded", "created": 1_790_000_000, "livemode": true, "account": "acct_1",
        "data": {"object": {
            "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1099, "amount_received": 1099, "currency": "eur",
            "latest_charge": "ch_1", "metadata": {"payment_id": "x"}, "something_new": {"deep": [1]}
        }}
    });
    let incoming = parse(raw.to_string().as_bytes()).unwrap();
    assert_eq!(incoming.id, "evt_9");
    assert_eq!(incoming.r#type, "payment_intent.succeeded");
    assert!(incoming.livemode);
    assert_eq!(incoming.account.as_deref(), Some("acct_1"));
    let Object::Intent(intent) = incoming.object else {
        panic!("no intent in {:?}", incoming.object);
    };
    assert_eq!((intent.id.as_str(), intent.amount_received), ("pi_1", 1099));
    assert_eq!(intent.charge_id(), Some("ch_1"));
}

#[test]
fn a_type_that_nobody_knows_is_kept() {
    for object in [
        json!({"id": "x_1", "object": "x"}),
        json!({}),
        json!({"object": "payment_intent"}),
    ] {
        let incoming = parse(&event("quantum.entangled", &object)).unwrap();
        assert_eq!(incoming.r#type, "quantum.entangled");
        assert!(matches!(incoming.object, Object::Other(_)));
    }
}

#[test]
fn an_object_in_a_new_shape_is_kept_by_what_it_points_to() {
    let object = json!({"id": "pi_1", "object": "payment_intent", "amount": "a lot", "metadata": {"payment_id": "p"}});
    let incoming = parse(&event("payment_intent.succeeded", &object)).unwrap();
    let Object::Other(pointers) = incoming.object else {
        panic!("understood {:?}", incoming.object);
    };
    assert_eq!(pointers.intent_id.as_deref(), Some("pi_1"));
    assert_eq!(pointers.payment_id.as_deref(), Some("p"));
}

#[test]
fn pointers_are_found_plain_and_expanded() {
    for (intent, charge) in [
        (json!("pi_1"), json!("ch_1")),
        (json!({"id": "pi_1"}), json!({"id": "ch_1", "a": 1})),
    ] {
        let object = json!({"id": "du_1", "object": "dispute", "payment_intent": intent, "charge": charge, "metadata": {}});
        let Object::Other(pointers) = parse(&event("charge.dispute.created", &object))
            .unwrap()
            .object
        else {
            panic!("a dispute has no type here");
        };
        assert_eq!(pointers.intent_id.as_deref(), Some("pi_1"));
        assert_eq!(pointers.charge_id.as_deref(), Some("ch_1"));
        assert_eq!(pointers.object.as_deref(), Some("dispute"));
    }
}

#[test]
fn a_broken_body_is_no_event() {
    let good = event("payment_intent.succeeded", &json!({"id": "pi_1"}));
    let half = &good[..good.len() / 2];
    let mut twice = good.clone();
    twice.extend_from_slice(&good);
    for body in [
        b"".as_slice(),
        b"null",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"<html></html>",
        half,
        &twice,
        br#"{"id":1,"type":"a","created":1,"data":{"object":{}}}"#,
        br#"{"id":"evt_1","created":1,"data":{"object":{}}}"#,
        br#"{"id":"evt_1","type":"a","created":1,"data":{}}"#,
        br#"{"id":"evt_1","type":"a","created":1,"data":{"object":"pi_1"}}"#,
    ] {
        let parsed = parse(body);
        assert!(
            matches!(parsed, Err(ParseError::Envelope(_))),
            "{}: {parsed:?}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn a_thin_event_points_to_its_object() {
    for (kind, intent, charge) in [
        ("payment_intent", Some("x_1"), None),
        ("charge", None, Some("x_1")),
        ("billing.meter", None, None),
    ] {
        let thin = json!({
            "id": "evt_1", "object": "v2.core.event", "type": "v1.x.y", "created": "2026-11-26T09:00:00.000Z",
            "livemode": false, "related_object": {"id": "x_1", "type": kind, "url": "/v1/x/x_1"},
        });
        let incoming = parse(thin.to_string().as_bytes()).unwrap();
        let Object::Other(pointers) = incoming.object else {
            panic!("a thin event holds no object");
        };
        assert_eq!(pointers.intent_id.as_deref(), intent);
        assert_eq!(pointers.charge_id.as_deref(), charge);
    }
}

#[test]
fn every_body_has_a_name_to_be_stored_under() {
    let whole = name(br#"{"id":"evt_1","type":"a","created":"x"}"#);
    assert_eq!((whole.id.as_str(), whole.r#type.as_str()), ("evt_1", "a"));
    let nul = name(br#"{"id":"evt_\u0000","type":"\ud800"}"#);
    assert_eq!((nul.id.as_str(), nul.r#type.as_str()), ("evt_", "\u{fffd}"));
    let broken = name(b"\xff{");
    assert!(broken.id.starts_with("body_") && broken.id.len() < 255);
    assert_eq!(name(b"\xff{"), broken);
    assert_ne!(name(b"{"), broken);
}

#[test]
fn text_that_postgres_cannot_hold_is_read_without_it() {
    let raw = br#"{"id":"evt_1","type":"payment_intent.payment_failed","created":1,"data":{"object":{"id":"pi_1",
        "object":"payment_intent","status":"requires_payment_method","amount":1,"currency":"eur",
        "last_payment_error":{"message":"Declined by BANK\u0000\u0000 \ud83d"}}}}"#;
    let Object::Intent(intent) = parse(raw).unwrap().object else {
        panic!("the intent was not read");
    };
    let message = intent.last_payment_error.unwrap().message;
    assert_eq!(message.as_deref(), Some("Declined by BANK \u{fffd}"));
}

#[test]
fn an_event_needs_a_name_that_fits_the_inbox() {
    for id in [String::new(), "e".repeat(256)] {
        let raw = json!({"id": id, "type": "a", "created": 1, "data": {"object": {}}}).to_string();
        assert!(matches!(parse(raw.as_bytes()), Err(ParseError::Name)));
    }
}

#[test]
fn an_event_to_act_upon_needs_an_object_with_an_id() {
    let parsed = parse(&event(
        "payment_intent.succeeded",
        &json!({"object": "payment_intent", "status": "succeeded"}),
    ));
    assert!(matches!(parsed, Err(ParseError::Object)), "{parsed:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = parse(&body);
        let name = name(&body);
        prop_assert!(!name.id.contains('\0') && name.id.len() <= 255);
    }

    #[test]
    fn a_cut_body_is_never_an_event(cut in 0..200_usize) {
        let good = event("charge.succeeded", &json!({"id": "ch_1", "object": "charge", "status": "succeeded", "amount": 5}));
        let cut = cut.min(good.len() - 1);
        prop_assert!(parse(&good[..cut]).is_err());
    }
}
