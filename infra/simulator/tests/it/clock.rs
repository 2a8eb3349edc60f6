//! The clock that can be set ahead: what is due by then has happened when the answer comes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stripe_simulator::Config;

use crate::support::{Answer, Simulator, eventually, quick};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A configuration in which banks take an hour.
fn slow() -> Config {
    Config {
        settle_after: Duration::from_hours(1),
        ..quick()
    }
}

async fn advance(stripe: &Simulator, seconds: i64) -> Answer {
    let body = json!({"seconds": seconds});
    let answer = stripe.admin(Method::POST, "clock/advance", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// When the newest event of a type was made, in Unix seconds.
async fn time_of(stripe: &Simulator, kind: &str) -> i64 {
    let events = stripe.get(&format!("/v1/events?type={kind}")).await;
    events.body["data"][0]["created"].as_i64().expect(kind)
}

async fn capture_before(stripe: &Simulator, intent: &str) -> i64 {
    let path = format!("/v1/payment_intents/{intent}?expand[]=latest_charge");
    let shown = stripe.get(&path).await;
    let card = &shown.body["latest_charge"]["payment_method_details"]["card"];
    card["capture_before"].as_i64().unwrap()
}

#[tokio::test]
async fn an_authorization_expires_when_its_time_passes_and_not_before() {
    let stripe = Simulator::start().await;
    let manual = [("capture_method", "manual")];
    let expired = stripe.intent_with("pm_card_visa", &manual).await;
    stripe.confirm(&expired).await;
    let deadline = capture_before(&stripe, &expired).await;
    advance(&stripe, 6 * DAY).await;
    let later = stripe.intent_with("pm_card_visa", &manual).await;
    stripe.confirm(&later).await;
    assert!(capture_before(&stripe, &later).await >= deadline + 6 * DAY);
    let held = stripe.retrieve(&expired).await;
    assert_eq!(held.object_status(), "requires_capture");

    advance(&stripe, DAY).await;
    let ended = stripe.retrieve(&expired).await;
    assert_eq!(ended.object_status(), "canceled");
    assert_eq!(ended.body["cancellation_reason"], "automatic");
    assert_eq!(ended.body["canceled_at"], deadline);
    assert_eq!(time_of(&stripe, "charge.expired").await, deadline);
    assert_eq!(time_of(&stripe, "payment_intent.canceled").await, deadline);
    let capture = format!("/v1/payment_intents/{expired}/capture");
    assert_eq!(stripe.post(&capture, &[]).await.status, 400);
    let held = stripe.retrieve(&later).await;
    assert_eq!(held.object_status(), "requires_capture");
}

#[tokio::test]
async fn banks_answer_when_their_time_passes() {
    let stripe = Simulator::with(slow()).await;
    let paid = stripe.intent("pm_usBankAccount_success").await;
    let declined = stripe.intent("pm_usBankAccount_insufficientFunds").await;
    let by_hand = stripe.intent("pm_usBankAccount_processing").await;
    for id in [&paid, &declined, &by_hand] {
        assert_eq!(stripe.confirm(id).await.object_status(), "processing");
    }
    let card = stripe.paid("pm_card_pendingRefund").await;
    let refund = stripe
        .post("/v1/refunds", &[("payment_intent", card.as_str())])
        .await;
    assert_eq!(refund.object_status(), "pending");
    advance(&stripe, HOUR - 60).await;
    assert_eq!(stripe.retrieve(&paid).await.object_status(), "processing");

    advance(&stripe, 60).await;
    for (id, end) in [
        (&paid, "succeeded"),
        (&declined, "requires_payment_method"),
        (&by_hand, "processing"),
    ] {
        assert_eq!(stripe.retrieve(id).await.object_status(), end);
    }
    let refund = stripe.get(&format!("/v1/refunds/{}", refund.id())).await;
    assert_eq!(refund.object_status(), "succeeded");
}

#[tokio::test]
async fn a_timer_that_is_not_yet_due_ends_so_much_earlier_and_once() {
    let stripe = Simulator::with(slow()).await;
    let id = stripe.intent("pm_usBankAccount_success").await;
    stripe.confirm(&id).await;
    advance(&stripe, HOUR - 2).await;
    assert_eq!(stripe.retrieve(&id).await.object_status(), "processing");
    eventually(async || (stripe.retrieve(&id).await.object_status() == "succeeded").then_some(()))
        .await;
    advance(&stripe, DAY).await;
    let types = stripe.event_types().await.into_iter();
    let succeeded = types.filter(|kind| kind == "payment_intent.succeeded");
    assert_eq!(succeeded.count(), 1);
}

#[tokio::test]
async fn a_dispute_without_evidence_is_lost_and_an_inquiry_closed_at_their_time() {
    let stripe = Simulator::start().await;
    let mut opened = Vec::new();
    for status in ["needs_response", "warning_needs_response", "needs_response"] {
        let id = stripe.paid("pm_card_visa").await;
        let body = json!({"payment_intent": id, "status": status});
        opened.push(stripe.admin(Method::POST, "disputes", &body).await);
    }
    let answered = format!("/v1/disputes/{}", opened[2].id());
    let evidence = [("evidence[product_description]", "a book")];
    stripe.post(&answered, &evidence).await;
    let due = opened[0].body["evidence_details"]["due_by"]
        .as_i64()
        .unwrap();

    advance(&stripe, 8 * DAY).await;
    let expected = [
        ("lost", true),
        ("warning_closed", true),
        ("under_review", false),
    ];
    for (dispute, (status, past_due)) in opened.iter().zip(expected) {
        let shown = stripe.get(&format!("/v1/disputes/{}", dispute.id())).await;
        assert_eq!(shown.object_status(), status);
        assert_eq!(shown.body["evidence_details"]["past_due"], past_due);
    }
    let closed = time_of(&stripe, "charge.dispute.closed").await;
    assert!((due..due + 60).contains(&closed), "{closed}, due at {due}");
}

#[tokio::test]
async fn what_follows_within_the_same_time_happens_too_each_at_its_own_moment() {
    let stripe = Simulator::with(slow()).await;
    stripe.paid("pm_card_createDispute").await;
    let paid = time_of(&stripe, "payment_intent.succeeded").await;
    advance(&stripe, 30 * DAY).await;
    let created = time_of(&stripe, "charge.dispute.created").await;
    let closed = time_of(&stripe, "charge.dispute.closed").await;
    assert!((paid + HOUR..=paid + HOUR + 1).contains(&created));
    assert_eq!(closed, created + 7 * DAY);
}

#[tokio::test]
async fn the_clock_goes_ahead_only_and_is_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_file: Some(folder.path().join("stripe.json")),
        ..quick()
    };
    let stripe = Simulator::with(config.clone()).await;
    for body in [
        json!({"seconds": 0}),
        json!({"seconds": -5}),
        json!({"seconds": i64::MAX}),
        json!({"days": 1}),
    ] {
        let refused = stripe.admin(Method::POST, "clock/advance", &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    let before = stripe.admin(Method::GET, "clock", &Value::Null).await;
    assert_eq!(before.body["ahead_seconds"], 0);
    advance(&stripe, DAY).await;
    let ahead = advance(&stripe, HOUR).await;
    assert_eq!(ahead.body["ahead_seconds"], DAY + HOUR);
    stripe.stop().await;

    let stripe = Simulator::with(config).await;
    let clock = stripe.admin(Method::GET, "clock", &Value::Null).await;
    assert_eq!(clock.body["ahead_seconds"], DAY + HOUR);
    assert!(clock.body["now"].as_i64() >= ahead.body["now"].as_i64());
}
