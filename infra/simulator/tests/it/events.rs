//! Events that Stripe sends late, for an authorization's release, about foreign objects, or in another form.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Endpoint, Simulator, eventually};

async fn send(stripe: &Simulator, event: &Value) -> String {
    let answer = stripe.admin(Method::POST, "events", event).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.id()
}

#[tokio::test]
async fn a_snapshot_event_of_any_type_is_signed_sent_and_listed() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["*"]).await;
    let object = json!({"id": "pi_foreign", "object": "payment_intent", "status": "levitating"});
    let event = json!({"snapshot": {
        "type": "payment_intent.levitated", "object": object, "livemode": true,
        "previous_attributes": {"status": "succeeded"}, "created": 1_700_000_000,
    }});
    let id = send(&stripe, &event).await;
    let webhook = endpoint.receive(1).await.remove(0);
    assert!(webhook.is_signed());
    let event = webhook.event();
    assert_eq!(event["id"], id.as_str());
    assert_eq!(event["type"], "payment_intent.levitated");
    assert_eq!(event["data"]["object"], object);
    assert_eq!(event["data"]["previous_attributes"]["status"], "succeeded");
    assert_eq!(event["livemode"], true);
    assert_eq!(event["created"], 1_700_000_000);
    let listed = stripe.get(&format!("/v1/events/{id}")).await;
    assert_eq!(listed.body["type"], "payment_intent.levitated");
}

#[tokio::test]
async fn a_thin_event_names_its_object_only() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["v2.*"]).await;
    let related =
        json!({"id": "acct_1", "type": "v2.core.account", "url": "/v2/core/accounts/acct_1"});
    let event = json!({"thin": {"type": "v2.core.account.updated", "related_object": related}});
    let id = send(&stripe, &event).await;
    let webhook = endpoint.receive(1).await.remove(0);
    assert!(webhook.is_signed());
    let event = webhook.event();
    assert_eq!(event["object"], "v2.core.event");
    assert_eq!(event["related_object"], related);
    assert!(event["created"].as_str().unwrap().ends_with('Z'));
    assert_eq!(event.get("data"), None);
    let listed = stripe.get(&format!("/v1/events/{id}")).await;
    assert_eq!(listed.status, 404);
}

#[tokio::test]
async fn any_bytes_are_signed_and_sent() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe.register(&endpoint, &["x"]).await;
    let body = r#"{"id":"evt_1","text":"\ud800 \u0000","half":"#;
    send(&stripe, &json!({"raw": {"type": "x", "body": body}})).await;
    let webhook = endpoint.receive(1).await.remove(0);
    assert!(webhook.is_signed());
    assert_eq!(webhook.body, body);
    let wrong = json!({"raw": {"type": "x"}});
    let answer = stripe.admin(Method::POST, "events", &wrong).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_late_charge_is_shown_and_reported_later() {
    let stripe = Simulator::start().await;
    let rule = json!([{"fault": "charge_late", "ms": 300, "count": 1}]);
    stripe.put_faults(rule).await;
    let id = stripe.intent("pm_card_visa").await;
    let path = format!("/v1/payment_intents/{id}/confirm");
    let paid = stripe.post(&path, &[("expand[]", "latest_charge")]).await;
    assert_eq!(paid.object_status(), "succeeded");
    assert_eq!(paid.body["latest_charge"], Value::Null);
    let types = stripe.event_types().await;
    assert_eq!(
        types,
        ["payment_intent.created", "payment_intent.succeeded"]
    );
    let charge = eventually(async || {
        let intent = stripe.retrieve(&id).await.body;
        intent["latest_charge"].as_str().map(str::to_owned)
    })
    .await;
    let events = stripe.get("/v1/events?type=charge.succeeded").await;
    assert_eq!(events.body["data"][0]["data"]["object"]["id"], charge);
    assert_eq!(stripe.fired("charge_late").await, 1);
}

#[tokio::test]
async fn a_late_charge_is_shown_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = stripe_simulator::Config {
        state_file: Some(folder.path().join("state.json")),
        ..crate::support::quick()
    };
    let stripe = Simulator::with(config.clone()).await;
    let rule = json!([{"fault": "charge_late", "ms": 600_000}]);
    stripe.put_faults(rule).await;
    let id = stripe.paid("pm_card_visa").await;
    stripe.stop().await;
    let stripe = Simulator::with(config).await;
    eventually(async || {
        let intent = stripe.retrieve(&id).await.body;
        intent["latest_charge"].is_string().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_partial_capture_releases_the_rest_by_a_refund() {
    let stripe = Simulator::start().await;
    stripe
        .put_faults(json!([{"fault": "release_refund"}]))
        .await;
    let manual = [("capture_method", "manual")];
    let id = stripe.intent_with("pm_card_visa", &manual).await;
    stripe.confirm(&id).await;
    let path = format!("/v1/payment_intents/{id}/capture");
    stripe.post(&path, &[("amount_to_capture", "700")]).await;
    let refunds = stripe
        .get(&format!("/v1/refunds?payment_intent={id}"))
        .await;
    let release = &refunds.body["data"][0];
    assert_eq!(release["amount"], 300, "{refunds:?}");
    assert_eq!(release["reason"], "expired_uncaptured_charge");
    assert_eq!(release["status"], "succeeded");
    assert_eq!(stripe.event_types().await.last().unwrap(), "refund.created");
    let form = [("payment_intent", id.as_str()), ("amount", "700")];
    assert_eq!(stripe.post("/v1/refunds", &form).await.status, 200);
    let charge = release["charge"].as_str().unwrap();
    let charge = stripe.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(charge.body["amount_refunded"], 1000);
    assert_eq!(charge.body["refunded"], true);
    let ledger = stripe.ledger("").await;
    assert_eq!(ledger["totals"]["usd"]["refunded"], 700);
    assert_eq!(ledger["payments"][0]["refunded"], 700);
    assert_eq!(ledger["payments"][0]["released"], 300);
    assert_eq!(stripe.fired("release_refund").await, 1);
}

#[tokio::test]
async fn an_expired_authorization_is_released_by_a_refund() {
    let stripe = Simulator::start().await;
    stripe
        .put_faults(json!([{"fault": "release_refund"}]))
        .await;
    let manual = [("capture_method", "manual")];
    let id = stripe.intent_with("pm_card_visa", &manual).await;
    stripe.confirm(&id).await;
    let path = format!("payment_intents/{id}/expire");
    stripe.admin(Method::POST, &path, &Value::Null).await;
    let refunds = stripe
        .get(&format!("/v1/refunds?payment_intent={id}"))
        .await;
    assert_eq!(refunds.body["data"][0]["amount"], 1000, "{refunds:?}");
    assert_eq!(stripe.ledger("").await["totals"]["usd"]["refunded"], 0);
    let refund = refunds.body["data"][0]["id"].as_str().unwrap();
    let path = format!("refunds/{refund}/fail");
    let failed = stripe.admin(Method::POST, &path, &Value::Null).await;
    assert_eq!(failed.status, 400, "a release cannot fail");
}

#[tokio::test]
async fn without_the_faults_nothing_is_late_or_released() {
    let stripe = Simulator::start().await;
    let manual = [("capture_method", "manual")];
    let id = stripe.intent_with("pm_card_visa", &manual).await;
    stripe.confirm(&id).await;
    let path = format!("/v1/payment_intents/{id}/capture");
    let captured = stripe.post(&path, &[("amount_to_capture", "700")]).await;
    assert!(captured.body["latest_charge"].is_string());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let types = stripe.event_types().await;
    assert_eq!(types.last().unwrap(), "payment_intent.succeeded");
}

#[tokio::test]
async fn the_parts_of_a_decline_can_be_replaced() {
    let stripe = Simulator::start().await;
    let outcome = json!({
        "payment_id": "pay_7", "payment_method": "pm_card_chargeDeclined",
        "failure": {"message": "Declined by BANK\u{0}\u{0}", "advice_code": "do_not_try_again",
                    "network_decline_code": "54", "network_advice_code": "02"},
    });
    let set = stripe.admin(Method::PUT, "outcomes", &outcome).await;
    assert_eq!(set.status, 200, "{set:?}");
    let more = [("metadata[payment_id]", "pay_7")];
    let id = stripe.intent_with("pm_card_visa", &more).await;
    let answer = stripe.confirm(&id).await;
    let last = stripe.retrieve(&id).await.body["last_payment_error"].clone();
    for error in [answer.error(), &last] {
        assert_eq!(error["message"], "Declined by BANK\u{0}\u{0}");
        assert_eq!(error["advice_code"], "do_not_try_again");
        assert_eq!(error["network_decline_code"], "54");
        assert_eq!(error["network_advice_code"], "02");
        assert_eq!(error["code"], "card_declined");
    }
    let charge = last["charge"].as_str().unwrap();
    let charge = stripe.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(charge.body["outcome"]["network_decline_code"], "54");
}

#[tokio::test]
async fn a_decline_advises_what_to_do() {
    let stripe = Simulator::start().await;
    for (method, advice) in [
        ("pm_card_chargeDeclinedInsufficientFunds", "try_again_later"),
        ("pm_card_chargeDeclinedStolenCard", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "confirm_card_data"),
    ] {
        let id = stripe.intent(method).await;
        let answer = stripe.confirm(&id).await;
        assert_eq!(answer.error()["advice_code"], advice, "{method}");
    }
}
