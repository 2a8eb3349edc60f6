//! Tables of bodies: what is sent, and the code and field of its refusal.

use contracts::request::{
    CancelPayment, CapturePayment, ConfirmPayment, CreatePayment, CreateRefund,
};
use serde::de::DeserializeOwned;
use workflows::money::Money;

use super::{Checked, money, parse};

/// The code and the field that a body is refused with.
fn refused<T: DeserializeOwned + Checked>(body: &str) -> Option<String> {
    let checked = parse::<T>(body.as_bytes()).and_then(|request| request.check());
    checked.err().map(|error| {
        format!("{} {}", error.code.as_str(), error.param)
            .trim_end()
            .to_owned()
    })
}

/// Checks a table of `body -> code field`, one a line.
fn assert_refused<T: DeserializeOwned + Checked>(table: &str) {
    let lines: Vec<&str> = table
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(!lines.is_empty());
    for line in lines {
        let (body, refusal) = line.split_once("->").unwrap();
        assert_eq!(
            refused::<T>(body.trim()).as_deref(),
            Some(refusal.trim()),
            "{line}"
        );
    }
}

/// The same for payments that would be good but for these fields.
fn assert_fields_refused(table: &str) {
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (fields, refusal) = line.split_once("->").unwrap();
        assert_refused::<CreatePayment>(&format!(
            r#"{{"amount":1,"currency":"eur",{}}} -> {refusal}"#,
            fields.trim()
        ));
    }
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    assert_refused::<CreatePayment>(
        r#"
                                                              -> malformed_json
        {                                                     -> malformed_json
        {} {}                                                 -> malformed_json
        {"amount":1,"currency":"eur"}x                        -> malformed_json
        {"amount":01,"currency":"eur"}                        -> malformed_json
        {"amount":NaN}                                        -> malformed_json
        [1099,"eur"]                                          -> invalid_type
        null                                                  -> invalid_type
        1                                                     -> invalid_type
        {"amount":1,"amount":1,"currency":"eur"}              -> duplicate_field amount
        {"amount":1,"currency":"eur","metadata":{"a":"1","a":"2"}} -> duplicate_field metadata
        {"amount":1,"currency":"eur","status":"succeeded"}    -> unknown_field status
        {"amount":1,"currency":"eur","customer":{"id":"1"}}   -> unknown_field customer.id
        {"currency":"eur"}                                    -> missing_field amount
        {"amount":1}                                          -> missing_field currency
        {"amount":"100","currency":"eur"}                     -> invalid_type amount
        {"amount":1.5,"currency":"eur"}                       -> invalid_type amount
        {"amount":null,"currency":"eur"}                      -> invalid_type amount
        {"amount":9223372036854775808,"currency":"eur"}       -> invalid_amount amount
        {"amount":1,"currency":978}                           -> invalid_type currency
        {"amount":1,"currency":"eur","confirm":"yes"}         -> invalid_type confirm
        {"amount":1,"currency":"eur","capture_method":"late"} -> invalid_field capture_method
        {"amount":1,"currency":"eur","metadata":{"a":1}}      -> invalid_type metadata.a
        "#,
    );
    let deep = format!(
        r#"{{"amount":1,"metadata":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(
        refused::<CreatePayment>(&deep).as_deref(),
        Some("malformed_json")
    );
}

#[test]
fn fields_must_make_sense() {
    assert_fields_refused(
        r#"
        "confirm":true                                  -> missing_field payment_method
        "payment_method":""                             -> invalid_field payment_method
        "payment_method":"pm_../x"                      -> invalid_field payment_method
        "return_url":"/back"                            -> invalid_field return_url
        "return_url":"javascript:alert(1)"              -> invalid_field return_url
        "reference":""                                  -> invalid_field reference
        "reference":"a\u0000b"                          -> invalid_field reference
        "customer":{"email":"nobody"}                   -> invalid_field customer.email
        "customer":{"email":"a b@c"}                    -> invalid_field customer.email
        "customer":{"email":"test@test"}                -> invalid_field customer.email
        "customer":{"email":"a@example..com"}           -> invalid_field customer.email
        "customer":{"email":".a@example.com"}           -> invalid_field customer.email
        "customer":{"email":"a..b@example.com"}         -> invalid_field customer.email
        "customer":{"email":"a@-example.com"}           -> invalid_field customer.email
        "customer":{"email":"a@b@example.com"}          -> invalid_field customer.email
        "customer":{"email":"jürgen@example.com"}       -> invalid_field customer.email
        "statement_descriptor":"МАГАЗИН"                -> invalid_field statement_descriptor
        "statement_descriptor":"Café mugs"              -> invalid_field statement_descriptor
        "statement_descriptor":"1234"                   -> invalid_field statement_descriptor
        "statement_descriptor":"MUGS*SHOP"              -> invalid_field statement_descriptor
        "statement_descriptor":"A MUG SHOP OF THE WORLD" -> invalid_field statement_descriptor
        "metadata":{"":"x"}                             -> invalid_field metadata
        "metadata":{"a[b]":"x"}                         -> invalid_field metadata
        "metadata":{"a":"\u0000"}                       -> invalid_field metadata.a
        "expires_in":59                                 -> invalid_field expires_in
        "#,
    );
}

#[test]
fn fields_have_a_length() {
    let (long, key) = ("x".repeat(1001), "k".repeat(41));
    let keys: Vec<String> = (0..51)
        .map(|number| format!(r#""k{number}":"x""#))
        .collect();
    assert_fields_refused(&format!(
        r#""description":"{long}" -> invalid_field description"#
    ));
    assert_fields_refused(&format!(
        r#""metadata":{{"a":"{long}"}} -> invalid_field metadata.a"#
    ));
    assert_fields_refused(&format!(
        r#""metadata":{{"{key}":"x"}} -> invalid_field metadata"#
    ));
    assert_fields_refused(&format!(
        r#""metadata":{{{}}} -> invalid_field metadata"#,
        keys.join(",")
    ));
}

#[test]
fn card_data_is_refused_in_every_field() {
    assert_fields_refused(
        r#"
        "reference":"4242 4242 4242 4242"                 -> card_data reference
        "description":"card 4242-4242-4242-4242"          -> card_data description
        "payment_method":"4242424242424242"               -> card_data payment_method
        "return_url":"https://s.example/?c=4242424242424242" -> card_data return_url
        "customer":{"name":"4000056655665556"}            -> card_data customer.name
        "customer":{"email":"4242424242424242@s.example"} -> card_data customer.email
        "statement_descriptor":"x 4242424242424242"       -> card_data statement_descriptor
        "metadata":{"note":"4242424242424242"}            -> card_data metadata.note
        "metadata":{"note":"\u0034242424242424242"}       -> card_data metadata.note
        "metadata":{"4242424242424242":"x"}               -> card_data metadata
        "metadata":{"CVC":"123"}                          -> card_data metadata.CVC
        "cvc":"123"                                       -> card_data cvc
        "card":{"number":"4242424242424242","exp":"1230"} -> card_data card.number
        "card_number":4242424242424242                    -> card_data card_number
        "pan":4242424242424242                            -> card_data pan
        "4242424242424242":1                              -> card_data
        "#,
    );
}

#[test]
fn commands_have_rules_of_their_own() {
    assert_refused::<ConfirmPayment>(
        r#"
        {"payment_method":"4242424242424242"} -> card_data payment_method
        {"return_url":"back"}                 -> invalid_field return_url
        {"amount":1}                          -> unknown_field amount
        "#,
    );
    assert_refused::<CapturePayment>(
        r#"
        {"amount":0}             -> invalid_amount amount
        {"amount":-1}            -> invalid_amount amount
        {"amount":1000000000000} -> invalid_amount amount
        "#,
    );
    assert_refused::<CancelPayment>(r#"{"reason":"boredom"} -> invalid_field reason"#);
    assert_refused::<CreateRefund>(
        r#"
        {"amount":0}         -> invalid_amount amount
        {"reason":"boredom"} -> invalid_field reason
        "#,
    );
    assert_eq!(refused::<CreateRefund>("{}"), None);
}

#[test]
fn sums_are_what_the_currency_allows() {
    for (amount, currency, expected) in [
        (0, "eur", Some("amount")),
        (-1, "eur", Some("amount")),
        (1_000_000_000_000, "eur", Some("amount")),
        (9_007_199_254_740_993, "eur", Some("amount")),
        (1001, "kwd", Some("amount")),
        (1, "xxx", Some("currency")),
        (1, "euro", Some("currency")),
        (1, "", Some("currency")),
        (100, "JPY", None),
        (1000, "kwd", None),
        (2_147_483_648, "idr", None),
        (49, "eur", Some("amount")),
        (50, "eur", None),
        (29, "GBP", Some("amount")),
        (30, "gbp", None),
        (49, "jpy", Some("amount")),
        (17_499, "huf", Some("amount")),
        (10, "kwd", None),
        (99_999_999, "eur", None),
        (100_000_000, "eur", Some("amount")),
        (999_999_999_999, "idr", None),
    ] {
        let refused = money(amount, currency).err().map(|error| error.param);
        assert_eq!(refused.as_deref(), expected, "{amount} {currency}");
    }
}

#[test]
fn a_whole_request_is_taken() {
    let body = r#" {"amount":1099,"currency":"EUR","payment_method":"pm_card_visa","confirm":true,
        "capture_method":"manual","return_url":"myapp://back","reference":"order-1042",
        "customer":{"email":"ada@example.com","name":"Ada"},"description":"A mug\nof tea",
        "statement_descriptor":"MUG SHOP","metadata":{"empty":"","a":"b"},"expires_in":3600} "#;
    assert_eq!(refused::<CreatePayment>(body), None);
}

#[test]
fn the_simulator_charges_the_same_amounts() {
    for currency in stripe_simulator::currency::KNOWN.split_ascii_whitespace() {
        let simulated = stripe_simulator::currency::charge_range(currency);
        for amount in [*simulated.start(), *simulated.end()] {
            for near in [amount - 1, amount, amount + 1] {
                // Currencies that Pawl does not support, and amounts with a decimal too many, have rules of their own.
                if Money::parse(near, currency).is_err() {
                    continue;
                }
                let taken = money(near, currency).is_ok();
                assert_eq!(taken, simulated.contains(&near), "{near} {currency}");
            }
        }
    }
}
