//! How a payment with each test payment method ends.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Simulator, eventually};

#[tokio::test]
async fn every_working_card_pays() {
    let stripe = Simulator::start().await;
    for card in [
        "visa",
        "visa_debit",
        "mastercard",
        "amex",
        "discover",
        "diners",
        "jcb",
        "unionpay",
        "us",
    ] {
        stripe.paid(&format!("pm_card_{card}")).await;
    }
}

#[tokio::test]
async fn a_declined_card_is_402_and_takes_nothing() {
    let stripe = Simulator::start().await;
    for (method, code, decline_code) in [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        (
            "pm_card_visa_chargeDeclined",
            "card_declined",
            "generic_decline",
        ),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
        ),
        (
            "pm_card_visa_chargeDeclinedLostCard",
            "card_declined",
            "lost_card",
        ),
        (
            "pm_card_chargeDeclinedExpiredCard",
            "expired_card",
            "expired_card",
        ),
        (
            "pm_card_chargeDeclinedIncorrectCvc",
            "incorrect_cvc",
            "incorrect_cvc",
        ),
        (
            "pm_card_chargeDeclinedProcessingError",
            "processing_error",
            "processing_error",
        ),
    ] {
        let id = stripe.intent(method).await;
        let answer = stripe.confirm(&id).await;
        assert_eq!(answer.status, 402, "{method}");
        let error = answer.error();
        assert_eq!(error["type"], "card_error", "{method}");
        assert_eq!(error["code"], code, "{method}");
        assert_eq!(error["decline_code"], decline_code, "{method}");
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method", "{method}");
        assert_eq!(intent["last_payment_error"]["code"], code, "{method}");
        assert_eq!(intent["latest_charge"], error["charge"], "{method}");
        assert_eq!(stripe.retrieve(&id).await.body, *intent, "{method}");
    }
    let totals = &stripe.ledger("").await["totals"]["usd"];
    assert_eq!(
        (&totals["charges"], &totals["captured"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(totals["failed_charges"], 7);
}

#[tokio::test]
async fn a_declined_intent_is_paid_by_another_card() {
    let stripe = Simulator::start().await;
    let id = stripe.intent("pm_card_chargeDeclined").await;
    assert_eq!(stripe.confirm(&id).await.status, 402);
    let bare = stripe.confirm(&id).await;
    assert_eq!(bare.error()["code"], "payment_intent_unexpected_state");
    let path = format!("/v1/payment_intents/{id}/confirm");
    let paid = stripe
        .post(&path, &[("payment_method", "pm_card_visa")])
        .await;
    assert_eq!(paid.object_status(), "succeeded");
    assert_eq!(paid.body["last_payment_error"], Value::Null);
    let expected = [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.succeeded",
    ];
    assert_eq!(stripe.event_types().await, expected);
}

/// Confirms with a card that requires 3-D Secure and returns the path of the bank's page.
async fn asked_to_authenticate(stripe: &Simulator, method: &str) -> (String, String) {
    let id = stripe.intent(method).await;
    let path = format!("/v1/payment_intents/{id}/confirm");
    let answer = stripe
        .post(&path, &[("return_url", "http://shop.test/back?order=1")])
        .await;
    assert_eq!(answer.object_status(), "requires_action");
    assert_eq!(answer.body["next_action"]["type"], "redirect_to_url");
    let page = answer.body["next_action"]["redirect_to_url"]["url"]
        .as_str()
        .unwrap();
    let page = page
        .strip_prefix(&stripe.url)
        .expect("a page of the simulator")
        .to_owned();
    (id, page)
}

async fn choose(stripe: &Simulator, page: &str, outcome: &str) -> String {
    let shown = stripe.anonymous(Method::GET, page).send().await.unwrap();
    assert!(shown.text().await.unwrap().contains("Complete"));
    let request = stripe
        .anonymous(Method::POST, page)
        .form(&[("outcome", outcome)]);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 303);
    response.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_customer_who_authenticates_pays_and_is_sent_back() {
    let stripe = Simulator::start().await;
    let (id, page) = asked_to_authenticate(&stripe, "pm_card_authenticationRequired").await;
    let back = choose(&stripe, &page, "pass").await;
    assert!(
        back.starts_with(&format!(
            "http://shop.test/back?order=1&payment_intent={id}"
        )),
        "{back}"
    );
    assert!(back.ends_with("redirect_status=succeeded"), "{back}");
    let intent = stripe.retrieve(&id).await;
    assert_eq!(intent.object_status(), "succeeded");
    assert_eq!(intent.body["next_action"], Value::Null);
    let expected = [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
    ];
    assert_eq!(stripe.event_types().await, expected);
}

#[tokio::test]
async fn a_customer_who_fails_authentication_is_asked_for_another_method() {
    let stripe = Simulator::start().await;
    let (id, page) = asked_to_authenticate(&stripe, "pm_card_authenticationRequired").await;
    let back = choose(&stripe, &page, "fail").await;
    assert!(back.ends_with("redirect_status=failed"), "{back}");
    let intent = stripe.retrieve(&id).await;
    assert_eq!(intent.object_status(), "requires_payment_method");
    let code = &intent.body["last_payment_error"]["code"];
    assert_eq!(code, "payment_intent_authentication_failure");
    assert_eq!(
        stripe.event_types().await.last().unwrap(),
        "payment_intent.payment_failed"
    );
    let page = stripe.anonymous(Method::GET, &page).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Nothing to do here"));
}

#[tokio::test]
async fn an_authenticated_card_may_still_be_declined() {
    let stripe = Simulator::start().await;
    let method = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds";
    let (id, page) = asked_to_authenticate(&stripe, method).await;
    choose(&stripe, &page, "pass").await;
    let intent = stripe.retrieve(&id).await;
    assert_eq!(
        intent.body["last_payment_error"]["decline_code"],
        "insufficient_funds"
    );
}

#[tokio::test]
async fn without_a_return_url_the_next_action_is_for_stripes_script() {
    let stripe = Simulator::start().await;
    let id = stripe.intent("pm_card_authenticationRequired").await;
    let answer = stripe.confirm(&id).await;
    assert_eq!(answer.body["next_action"]["type"], "use_stripe_sdk");
    let path = format!("payment_intents/{id}/authenticate");
    let moved = stripe.admin(Method::POST, &path, &Value::Null).await;
    assert_eq!(moved.object_status(), "succeeded");
}

#[tokio::test]
async fn a_bank_account_answers_later() {
    let stripe = Simulator::start().await;
    for (method, end) in [
        ("pm_usBankAccount_success", "succeeded"),
        (
            "pm_usBankAccount_insufficientFunds",
            "requires_payment_method",
        ),
    ] {
        let id = stripe.intent(method).await;
        assert_eq!(stripe.confirm(&id).await.object_status(), "processing");
        eventually(async || (stripe.retrieve(&id).await.object_status() == end).then_some(()))
            .await;
    }
    let types = stripe.event_types().await;
    for expected in [
        "charge.pending",
        "payment_intent.processing",
        "charge.failed",
        "payment_intent.payment_failed",
    ] {
        assert!(
            types.iter().any(|known| known == expected),
            "{expected} in {types:?}"
        );
    }
}

#[tokio::test]
async fn a_processing_intent_can_be_settled_by_hand() {
    let stripe = Simulator::start().await;
    for (action, end) in [
        ("succeed", "succeeded"),
        ("fail", "requires_payment_method"),
    ] {
        let id = stripe.intent("pm_usBankAccount_processing").await;
        assert_eq!(stripe.confirm(&id).await.object_status(), "processing");
        let path = format!("payment_intents/{id}/{action}");
        let moved = stripe.admin(Method::POST, &path, &Value::Null).await;
        assert_eq!(moved.object_status(), end);
        let again = stripe.admin(Method::POST, &path, &Value::Null).await;
        assert_eq!(again.status, 400);
    }
}

#[tokio::test]
async fn an_outcome_can_be_forced_on_a_payment() {
    let stripe = Simulator::start().await;
    let order = json!({"payment_id": "pay_7", "payment_method": "pm_card_chargeDeclined"});
    assert_eq!(
        stripe.admin(Method::PUT, "outcomes", &order).await.status,
        200
    );
    let id = stripe
        .intent_with("pm_card_visa", &[("metadata[payment_id]", "pay_7")])
        .await;
    assert_eq!(stripe.confirm(&id).await.status, 402);
    let lifted = json!({"payment_id": "pay_7", "payment_method": null});
    stripe.admin(Method::PUT, "outcomes", &lifted).await;
    let path = format!("/v1/payment_intents/{id}/confirm");
    let paid = stripe
        .post(&path, &[("payment_method", "pm_card_visa")])
        .await;
    assert_eq!(paid.object_status(), "succeeded");
    let unknown = json!({"payment_id": "pay_7", "payment_method": "pm_none"});
    assert_eq!(
        stripe.admin(Method::PUT, "outcomes", &unknown).await.status,
        400
    );
}
