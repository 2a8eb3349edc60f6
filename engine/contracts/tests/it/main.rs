//! What other programs rely on: the shapes on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod asyncapi;
mod older;

use contracts::CloudEvent;
use contracts::event::{EventData, SCHEMA_VERSION};
use contracts::id::{EventId, PaymentId, RefundId, subject};
use contracts::request::{CreatePayment, CreateRefund, Metadata};
use infra::http::list::List;
use infra::id::AccountId;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

const UUID: Uuid = Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);
const PAYMENT: &str = "pay_01h2xcejqtf2nbrexx3vqjhp41";

#[test]
fn an_id_is_the_typeid_of_its_uuid_and_comes_back() {
    let id = PaymentId::from_uuid(UUID);
    assert_eq!(id.to_string(), PAYMENT);
    assert_eq!(PAYMENT.parse::<PaymentId>().unwrap().uuid(), UUID);
    assert_eq!(serde_json::to_value(id).unwrap(), json!(PAYMENT));
    assert_eq!(
        serde_json::from_value::<PaymentId>(json!(PAYMENT)).unwrap(),
        id
    );
}

#[test]
fn what_is_no_id_of_the_kind_is_refused() {
    for text in [
        "",
        "pay_",
        "pay",
        "re_01h2xcejqtf2nbrexx3vqjhp41",
        "PAY_01h2xcejqtf2nbrexx3vqjhp41",
        "pay_01H2XCEJQTF2NBREXX3VQJHP41",
        "pay_81h2xcejqtf2nbrexx3vqjhp41",
        "pay_01h2xcejqtf2nbrexx3vqjhp4",
        "pay_01h2xcejqtf2nbrexx3vqjhp411",
        "0188bac7-4afa-78aa-bc3b-bd1eef28d881",
        "pay_../../etc/passwd0000000000",
    ] {
        assert!(text.parse::<PaymentId>().is_err(), "{text}");
    }
}

#[test]
fn fresh_ids_are_in_the_order_of_their_making() {
    let ids: Vec<_> = (0..100).map(|_| RefundId::generate()).collect();
    assert!(ids.is_sorted());
}

#[test]
fn an_event_is_named_by_its_payment_and_version() {
    let id = EventId {
        payment: PaymentId::from_uuid(UUID),
        version: 7,
    };
    assert_eq!(id.to_string(), "evt_01h2xcejqtf2nbrexx3vqjhp41_7");
    assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    for text in [
        "evt_01h2xcejqtf2nbrexx3vqjhp41",
        "evt_01h2xcejqtf2nbrexx3vqjhp41_-7",
        "evt_x_7",
        "01h2xcejqtf2nbrexx3vqjhp41_7",
    ] {
        assert!(text.parse::<EventId>().is_err(), "{text}");
    }
}

#[test]
fn a_subject_bears_the_prefix_of_its_machine() {
    assert_eq!(subject("payment", UUID), PAYMENT);
    assert_eq!(subject("attempt", UUID), "att_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(subject("capture", UUID), "cap_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(subject("refund", UUID), "re_01h2xcejqtf2nbrexx3vqjhp41");
}

#[test]
fn fields_that_do_not_exist_are_refused() {
    for body in [
        json!({"amount": 1, "currency": "eur", "status": "succeeded"}),
        json!({"amount": 1, "currency": "eur", "customer": {"id": "cus_1"}}),
    ] {
        assert!(
            serde_json::from_value::<CreatePayment>(body.clone()).is_err(),
            "{body}"
        );
    }
    assert!(serde_json::from_value::<CreateRefund>(json!({"amuont": 1})).is_err());
}

#[test]
fn a_metadata_key_given_twice_is_refused() {
    let body = r#"{"amount":1,"currency":"eur","metadata":{"a":"1","a":"2"}}"#;
    let error = serde_json::from_str::<CreatePayment>(body).unwrap_err();
    assert!(
        error.to_string().starts_with("duplicate field `metadata`"),
        "{error}"
    );
}

#[test]
fn a_list_says_whether_it_goes_on() {
    let list = serde_json::to_value(List::new(vec![1, 2], true)).unwrap();
    assert_eq!(
        list,
        json!({"object": "list", "data": [1, 2], "has_more": true})
    );
}

#[test]
fn a_transition_is_a_cloudevent_without_secrets() {
    let payment_id = PaymentId::from_uuid(UUID);
    let event = CloudEvent::new(
        EventId {
            payment: payment_id,
            version: 3,
        },
        "payment.succeeded",
        datetime!(2026-11-23 21:30:07.25 UTC),
        EventData {
            schema_version: SCHEMA_VERSION,
            payment_id,
            account_id: AccountId::from_uuid(UUID),
            machine: "payment".into(),
            subject: payment_id.to_string(),
            kind: "resync".into(),
            from: Some("processing".into()),
            to: "succeeded".into(),
            version: 3,
            cause: "evt_1".to_owned(),
            reference: Some("order-1".to_owned()),
            metadata: Metadata::from([("seat".to_owned(), "14".to_owned())]),
            refund_amount: None,
            error: None,
            capture_amount: None,
            cancellation_reason: None,
            dispute: None,
            amount: 1099,
            currency: "eur".to_owned(),
            amount_capturable: 0,
            amount_captured: 1099,
            amount_refunded: 0,
            amount_reserved: 0,
        },
    );
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["id"], "evt_01h2xcejqtf2nbrexx3vqjhp41_3");
    assert_eq!(json["source"], "/pawl");
    assert_eq!(json["type"], "pawl.payment.succeeded");
    assert_eq!(json["subject"], PAYMENT);
    assert_eq!(json["time"], "2026-11-23T21:30:07.25Z");
    assert_eq!(json["datacontenttype"], "application/json");
    assert_eq!(json["data"]["version"], 3);
    assert_eq!(json["data"]["kind"], "resync");
    assert_eq!(json["data"]["schema_version"], 1);
    assert_eq!(json["data"]["reference"], "order-1");
    assert_eq!(json["data"]["metadata"], json!({"seat": "14"}));
    assert_eq!(json["data"]["refund_amount"], Value::Null);
    let fields: Vec<&String> = json["data"].as_object().unwrap().keys().collect();
    assert!(
        !fields
            .iter()
            .any(|field| field.contains("secret") || field.contains("next_action"))
    );
    let back: CloudEvent = serde_json::from_value::<Value>(json)
        .and_then(serde_json::from_value)
        .unwrap();
    assert_eq!(back.data.amount_captured, 1099);
}
