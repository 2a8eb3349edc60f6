//! Authorization, headers, and the answers to invalid requests.

use reqwest::Method;

use crate::support::Simulator;

#[tokio::test]
async fn a_request_without_a_key_or_with_a_live_one_is_unauthorized() {
    let stripe = Simulator::start().await;
    let anonymous = stripe
        .anonymous(Method::GET, "/v1/events")
        .send()
        .await
        .unwrap();
    assert_eq!(anonymous.status(), 401);
    let live = stripe
        .anonymous(Method::GET, "/v1/events")
        .bearer_auth("sk_live_1234567890");
    let live = live.send().await.unwrap();
    assert_eq!(live.status(), 401);
    let body = live.text().await.unwrap();
    assert!(
        body.contains("Invalid API Key") && !body.contains("1234567890"),
        "{body}"
    );
}

#[tokio::test]
async fn a_key_can_be_sent_by_basic_authentication() {
    let stripe = Simulator::start().await;
    let request = stripe
        .anonymous(Method::GET, "/v1/events")
        .basic_auth("sk_test_1", Some(""));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_answer_names_its_request_and_echoes_the_version() {
    let stripe = Simulator::start().await;
    let request = stripe.request(Method::GET, "/v1/events/evt_none");
    let answer = request
        .header("stripe-version", "2025-09-30.clover")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["stripe-version"], "2025-09-30.clover");
    assert!(
        answer.headers()["request-id"]
            .to_str()
            .unwrap()
            .starts_with("req_")
    );
    assert_eq!(answer.headers()["stripe-should-retry"], "false");
}

#[tokio::test]
async fn an_unknown_path_is_404_in_stripes_shape() {
    let stripe = Simulator::start().await;
    let answer = stripe.get("/v1/payment_intent").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.error()["type"], "invalid_request_error");
    assert!(
        answer.error()["message"]
            .as_str()
            .unwrap()
            .starts_with("Unrecognized request URL")
    );
}

#[tokio::test]
async fn invalid_parameters_are_400_and_named() {
    let stripe = Simulator::start().await;
    for (form, code, param) in [
        (&[("currency", "usd")][..], "parameter_missing", "amount"),
        (
            &[("amount", "ten"), ("currency", "usd")],
            "parameter_invalid_integer",
            "amount",
        ),
        (
            &[("amount", "0"), ("currency", "usd")],
            "parameter_invalid_integer",
            "amount",
        ),
        (
            &[("amount", "49"), ("currency", "usd")],
            "amount_too_small",
            "amount",
        ),
        (
            &[("amount", "1000000000000"), ("currency", "jpy")],
            "amount_too_large",
            "amount",
        ),
        (&[("amount", "1000")], "parameter_missing", "currency"),
        (
            &[("amount", "1000"), ("currency", "usd"), ("colour", "red")],
            "parameter_unknown",
            "colour",
        ),
        (
            &[
                ("amount", "1000"),
                ("currency", "usd"),
                ("payment_method", "pm_none"),
            ],
            "resource_missing",
            "payment_method",
        ),
    ] {
        let answer = stripe.post("/v1/payment_intents", form).await;
        assert_eq!(answer.status, 400, "{form:?}");
        assert_eq!(answer.error()["code"], code, "{form:?}");
        assert_eq!(answer.error()["param"], param, "{form:?}");
        assert_eq!(answer.error()["type"], "invalid_request_error", "{form:?}");
        assert!(answer.error()["doc_url"].is_string(), "{form:?}");
    }
}

#[tokio::test]
async fn currencies_and_their_smallest_units_are_those_of_stripe() {
    let stripe = Simulator::start().await;
    for (amount, currency, status) in [
        ("1000", "xyz", 400),
        ("1000", "USD", 200),
        ("1005", "kwd", 400),
        ("1010", "kwd", 200),
        ("150", "isk", 400),
        ("200", "isk", 200),
    ] {
        let form = [("amount", amount), ("currency", currency)];
        let answer = stripe.post("/v1/payment_intents", &form).await;
        assert_eq!(answer.status, status, "{amount} {currency}: {answer:?}");
    }
}

#[tokio::test]
async fn an_unknown_object_is_404() {
    let stripe = Simulator::start().await;
    for path in [
        "payment_intents/pi_none",
        "charges/ch_none",
        "refunds/re_none",
        "events/evt_none",
    ] {
        let answer = stripe.get(&format!("/v1/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.error()["code"], "resource_missing", "{path}");
    }
}
