//! The requests that Stripe documents as refused: each answer is 400 with the code and the parameter.

use crate::support::{Answer, Simulator};

const CREATE: &str = "/v1/payment_intents";
const GOOD: [(&str, &str); 2] = [("amount", "1000"), ("currency", "usd")];

fn assert_refused(answer: &Answer, code: &str, param: &str, request: &str) {
    assert_eq!(answer.status, 400, "{request}: {answer:?}");
    let error = answer.error();
    assert_eq!(error["type"], "invalid_request_error", "{request}");
    assert_eq!(error["code"].as_str().unwrap_or("-"), code, "{request}");
    assert_eq!(error["param"], param, "{request}");
    let message = error["message"].as_str().unwrap();
    assert!(!message.is_empty(), "{request}");
}

/// Adds each parameter to a good request, whose answer must name `code` ("-" for none) and `param`.
async fn assert_creates_are_refused(cases: &[(&str, &str, &str, &str)]) {
    let stripe = Simulator::start().await;
    for (name, value, code, param) in cases {
        let form = [GOOD[0], GOOD[1], (name, value)];
        let answer = stripe.post(CREATE, &form).await;
        assert_refused(&answer, code, param, &format!("{name}={value}"));
    }
    assert_eq!(stripe.event_types().await, [""; 0]);
}

#[tokio::test]
async fn an_invalid_email_address_is_refused() {
    let addresses = [
        "test@test",
        "a@example..com",
        "ä@example.com",
        "a b@example.com",
    ];
    let cases = addresses.map(|email| ("receipt_email", email, "email_invalid", "receipt_email"));
    assert_creates_are_refused(&cases).await;
}

#[tokio::test]
async fn an_invalid_statement_descriptor_is_refused() {
    let name = "statement_descriptor_suffix";
    let too_long = "A".repeat(23);
    let suffixes = [
        too_long.as_str(),
        "12345",
        "МАГАЗИН",
        "MUG*SHOP",
        "MUG<SHOP",
        "MUG>SHOP",
        "MUG'SHOP",
        "MUG\"SHOP",
        "MUG\\SHOP",
    ];
    assert_creates_are_refused(&suffixes.map(|suffix| (name, suffix, "-", name))).await;
    let name = "statement_descriptor";
    assert_creates_are_refused(&[(name, "MUG SHOP", "-", name)]).await;
}

#[tokio::test]
async fn an_intent_with_an_invalid_text_is_refused() {
    let key = format!("metadata[{}]", "n".repeat(41));
    let (value, description, method) = ("v".repeat(501), "d".repeat(1_001), "p".repeat(5_001));
    assert_creates_are_refused(&[
        ("description", &description, "-", "description"),
        ("description", "", "parameter_invalid_empty", "description"),
        (
            "description",
            "  ",
            "parameter_invalid_string_blank",
            "description",
        ),
        ("payment_method", &method, "-", "payment_method"),
        ("metadata[order]", &value, "-", "metadata[order]"),
        (&key, "value", "-", "metadata"),
        ("metadata", "value", "-", "metadata"),
        ("capture_method", "sometimes", "-", "capture_method"),
        ("setup_future_usage", "sometimes", "-", "setup_future_usage"),
        ("confirm", "yes", "-", "confirm"),
    ])
    .await;
}

#[tokio::test]
async fn texts_at_their_limits_are_accepted() {
    let (name, value, description) = ("n".repeat(40), "ü".repeat(500), "d".repeat(1_000));
    let key = format!("metadata[{name}]");
    let stripe = Simulator::start().await;
    let form = [
        GOOD[0],
        GOOD[1],
        ("receipt_email", "first.last+tag@sub.example.com"),
        ("statement_descriptor_suffix", "ÉTÉ 7-UP 22 LETTERS OK"),
        ("description", &description),
        (&key, &value),
    ];
    let answer = stripe.post(CREATE, &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["metadata"][&name], value);
}

#[tokio::test]
async fn an_intent_has_at_most_fifty_metadata_keys() {
    let stripe = Simulator::start().await;
    let keys: Vec<_> = (0..51).map(|n| format!("metadata[key_{n}]")).collect();
    let mut form: Vec<_> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    form.extend(GOOD);
    let answer = stripe.post(CREATE, &form).await;
    assert_refused(&answer, "-", "metadata", "51 keys");
    form.remove(0);
    let answer = stripe.post(CREATE, &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let path = format!("{CREATE}/{}", answer.id());
    let answer = stripe.post(&path, &[("metadata[one_more]", "v")]).await;
    assert_refused(&answer, "-", "metadata", "the 51st key by an update");
}

#[tokio::test]
async fn an_amount_has_the_bounds_of_its_currency() {
    let stripe = Simulator::start().await;
    for (amount, currency, code) in [
        ("49", "usd", "amount_too_small"),
        ("50", "usd", ""),
        ("29", "gbp", "amount_too_small"),
        ("30", "gbp", ""),
        ("17499", "huf", "amount_too_small"),
        ("17500", "huf", ""),
        ("49", "jpy", "amount_too_small"),
        ("99999999", "usd", ""),
        ("100000000", "usd", "amount_too_large"),
        ("100000000", "jpy", "amount_too_large"),
        ("999999999999", "idr", ""),
        ("1000000000000", "idr", "amount_too_large"),
        ("-5", "usd", "parameter_invalid_integer"),
        ("10.5", "usd", "parameter_invalid_integer"),
        ("9223372036854775808", "usd", "parameter_invalid_integer"),
    ] {
        let form = [("amount", amount), ("currency", currency)];
        let answer = stripe.post(CREATE, &form).await;
        if code.is_empty() {
            assert_eq!(answer.status, 200, "{amount} {currency}: {answer:?}");
        } else {
            assert_refused(&answer, code, "amount", &format!("{amount} {currency}"));
        }
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_at_every_depth() {
    let stripe = Simulator::start().await;
    for (name, code, param) in [
        ("colour", "parameter_unknown", "colour"),
        ("colour[red]", "parameter_unknown", "colour"),
        (
            "automatic_payment_methods[colour]",
            "parameter_unknown",
            "automatic_payment_methods[colour]",
        ),
        (
            "shipping[address][planet]",
            "parameter_unknown",
            "shipping[address][planet]",
        ),
        ("metadata[a][b]", "-", "metadata"),
        ("description[text]", "-", "description"),
        ("payment_method_types", "-", "payment_method_types"),
        (
            "automatic_payment_methods",
            "-",
            "automatic_payment_methods",
        ),
    ] {
        let answer = stripe.post(CREATE, &[GOOD[0], GOOD[1], (name, "1")]).await;
        assert_refused(&answer, code, param, name);
    }
    for (path, param) in [
        ("/v1/payment_intents?colour=red", "colour"),
        ("/v1/events?types[old]=a", "types"),
        ("/v1/refunds?created[about]=1", "created[about]"),
    ] {
        let answer = stripe.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.error()["param"], param, "{path}");
    }
}

#[tokio::test]
async fn parameters_that_contradict_each_other_are_refused() {
    let stripe = Simulator::start().await;
    let both = [
        GOOD[0],
        GOOD[1],
        ("automatic_payment_methods[enabled]", "true"),
        ("payment_method_types[]", "card"),
    ];
    let answer = stripe.post(CREATE, &both).await;
    let param = "automatic_payment_methods";
    assert_refused(&answer, "parameters_exclusive", param, "both");
    let redirects = "automatic_payment_methods[allow_redirects]";
    let enabled = "automatic_payment_methods[enabled]";
    let code = "payment_intent_invalid_parameter";
    assert_creates_are_refused(&[
        (redirects, "never", "parameter_missing", enabled),
        ("return_url", "https://shop.test/", "-", "return_url"),
        ("off_session", "true", "-", "off_session"),
        (
            "payment_method_types[]",
            "cowrie",
            code,
            "payment_method_types",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_confirmation_with_an_invalid_address_is_refused() {
    let stripe = Simulator::start().await;
    let id = stripe.intent("pm_card_visa").await;
    let path = format!("{CREATE}/{id}/confirm");
    for (name, value, code) in [
        ("return_url", "shop.test/back", "url_invalid"),
        ("return_url", "https://shop.test/a b", "url_invalid"),
        ("return_url", "", "parameter_invalid_empty"),
        ("receipt_email", "test@test", "email_invalid"),
        ("payment_method", "pm_none", "resource_missing"),
    ] {
        let answer = stripe.post(&path, &[(name, value)]).await;
        assert_refused(&answer, code, name, &format!("{name}={value}"));
    }
    let answer = stripe
        .post(&path, &[("return_url", "https://shop.test/back?a=1#end")])
        .await;
    assert_eq!(answer.object_status(), "succeeded", "{answer:?}");
}

#[tokio::test]
async fn an_invalid_capture_is_refused() {
    let stripe = Simulator::start().await;
    let id = stripe
        .intent_with("pm_card_visa", &[("capture_method", "manual")])
        .await;
    stripe.confirm(&id).await;
    let path = format!("{CREATE}/{id}/capture");
    for (name, value, code) in [
        ("amount_to_capture", "0", "parameter_invalid_integer"),
        ("amount_to_capture", "1001", "amount_too_large"),
        ("final_capture", "false", "-"),
        ("statement_descriptor", "MUG SHOP", "-"),
        ("statement_descriptor_suffix", "12345", "-"),
    ] {
        let answer = stripe.post(&path, &[(name, value)]).await;
        assert_refused(&answer, code, name, &format!("{name}={value}"));
    }
    assert_eq!(
        stripe.retrieve(&id).await.object_status(),
        "requires_capture"
    );
}

#[tokio::test]
async fn an_invalid_refund_is_refused() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_visa").await;
    for (name, value, code) in [
        ("amount", "0", "parameter_invalid_integer"),
        ("amount", "1001", "amount_too_large"),
        ("reason", "bored", "-"),
        ("reason", "expired_uncaptured_charge", "-"),
        ("instructions", "none", "parameter_unknown"),
    ] {
        let form = [("payment_intent", id.as_str()), (name, value)];
        let answer = stripe.post("/v1/refunds", &form).await;
        assert_refused(&answer, code, name, &format!("{name}={value}"));
    }
    assert_eq!(stripe.ledger("").await["totals"]["usd"]["refunded"], 0);
}
