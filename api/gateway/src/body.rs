//! From bytes to a request that may be trusted: nothing invalid passes this line.

mod card;
mod check;
mod json;

pub(crate) use check::{Checked, money};
pub(crate) use json::parse;

use contracts::{Code, Problem};

/// What is wrong with one field, header or parameter. It names it and never repeats its value: that may be a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// What kind of fault it is.
    pub(crate) code: Code,
    /// Its name: for a field its path, such as `customer.email`; empty for the body as a whole.
    pub(crate) param: String,
    /// The fault as a sentence.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(code: Code, param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            param: param.into(),
            detail: detail.into(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        let problem = Self::new(error.code, error.detail);
        if error.param.is_empty() {
            problem
        } else {
            problem.param(error.param)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Checked, money, parse};
    use contracts::request::{
        CancelPayment, CapturePayment, ConfirmPayment, CreatePayment, CreateRefund,
    };
    use serde::de::DeserializeOwned;

    /// The code and the field that a body is refused with.
    fn refused<T: DeserializeOwned + Checked>(body: &str) -> Option<(&'static str, String)> {
        let checked = parse::<T>(body.as_bytes()).and_then(|request| request.check());
        checked
            .err()
            .map(|error| (error.code.as_str(), error.param))
    }

    fn assert_refused<T: DeserializeOwned + Checked>(table: &[(&str, &str, &str)]) {
        for (body, code, param) in table {
            assert_eq!(
                refused::<T>(body),
                Some((*code, (*param).to_owned())),
                "{body}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        assert_refused::<CreatePayment>(&[
            ("", "malformed_json", ""),
            ("{", "malformed_json", ""),
            ("{} {}", "malformed_json", ""),
            (r#"{"amount":1,"currency":"eur"}x"#, "malformed_json", ""),
            (r#"{"amount":01,"currency":"eur"}"#, "malformed_json", ""),
            (r#"{"amount":NaN}"#, "malformed_json", ""),
            (r#"[1099,"eur"]"#, "invalid_type", ""),
            ("null", "invalid_type", ""),
            ("1", "invalid_type", ""),
            (
                r#"{"amount":1,"amount":1,"currency":"eur"}"#,
                "duplicate_field",
                "amount",
            ),
            (
                r#"{"amount":1,"currency":"eur","metadata":{"a":"1","a":"2"}}"#,
                "duplicate_field",
                "metadata",
            ),
            (
                r#"{"amount":1,"currency":"eur","status":"succeeded"}"#,
                "unknown_field",
                "status",
            ),
            (
                r#"{"amount":1,"currency":"eur","customer":{"id":"1"}}"#,
                "unknown_field",
                "customer.id",
            ),
            (r#"{"currency":"eur"}"#, "missing_field", "amount"),
            (r#"{"amount":1}"#, "missing_field", "currency"),
            (
                r#"{"amount":"100","currency":"eur"}"#,
                "invalid_type",
                "amount",
            ),
            (
                r#"{"amount":1.5,"currency":"eur"}"#,
                "invalid_type",
                "amount",
            ),
            (
                r#"{"amount":null,"currency":"eur"}"#,
                "invalid_type",
                "amount",
            ),
            (
                r#"{"amount":9223372036854775808,"currency":"eur"}"#,
                "invalid_amount",
                "amount",
            ),
            (r#"{"amount":1,"currency":978}"#, "invalid_type", "currency"),
            (
                r#"{"amount":1,"currency":"eur","confirm":"yes"}"#,
                "invalid_type",
                "confirm",
            ),
            (
                r#"{"amount":1,"currency":"eur","capture_method":"later"}"#,
                "invalid_field",
                "capture_method",
            ),
            (
                r#"{"amount":1,"currency":"eur","metadata":{"a":1}}"#,
                "invalid_type",
                "metadata.a",
            ),
        ]);
        let deep = format!(
            r#"{{"amount":1,"currency":"eur","metadata":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert_refused::<CreatePayment>(&[(&deep, "malformed_json", "")]);
    }

    #[test]
    fn fields_must_make_sense() {
        let long = "x".repeat(1001);
        for (field, code, param) in [
            (r#""confirm":true"#, "missing_field", "payment_method"),
            (r#""payment_method":"""#, "invalid_field", "payment_method"),
            (
                r#""payment_method":"pm_../x""#,
                "invalid_field",
                "payment_method",
            ),
            (r#""return_url":"/back""#, "invalid_field", "return_url"),
            (
                r#""return_url":"javascript:alert(1)""#,
                "invalid_field",
                "return_url",
            ),
            (r#""reference":"""#, "invalid_field", "reference"),
            (r#""reference":"a\u0000b""#, "invalid_field", "reference"),
            (
                r#""customer":{"email":"nobody"}"#,
                "invalid_field",
                "customer.email",
            ),
            (
                r#""customer":{"email":"a b@c"}"#,
                "invalid_field",
                "customer.email",
            ),
            (
                r#""statement_descriptor":"1234""#,
                "invalid_field",
                "statement_descriptor",
            ),
            (
                r#""statement_descriptor":"MUGS*SHOP""#,
                "invalid_field",
                "statement_descriptor",
            ),
            (
                r#""statement_descriptor":"A MUG SHOP OF THE WORLD""#,
                "invalid_field",
                "statement_descriptor",
            ),
            (r#""metadata":{"":"x"}"#, "invalid_field", "metadata"),
            (r#""metadata":{"a[b]":"x"}"#, "invalid_field", "metadata"),
            (
                r#""metadata":{"a":"\u0000"}"#,
                "invalid_field",
                "metadata.a",
            ),
            (r#""expires_in":59"#, "invalid_field", "expires_in"),
            (
                &format!(r#""description":"{long}""#),
                "invalid_field",
                "description",
            ),
            (
                &format!(r#""metadata":{{"a":"{long}"}}"#),
                "invalid_field",
                "metadata.a",
            ),
            (
                &format!(r#""metadata":{{"{}":"x"}}"#, "k".repeat(41)),
                "invalid_field",
                "metadata",
            ),
            (
                &format!(
                    r#""metadata":{{{}}}"#,
                    (0..51)
                        .map(|i| format!(r#""k{i}":"x""#))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
                "invalid_field",
                "metadata",
            ),
        ] {
            let body = format!(r#"{{"amount":1,"currency":"eur",{field}}}"#);
            assert_refused::<CreatePayment>(&[(&body, code, param)]);
        }
    }

    #[test]
    fn card_data_is_refused_in_every_field() {
        for (field, param) in [
            (r#""reference":"4242 4242 4242 4242""#, "reference"),
            (r#""description":"card 4242-4242-4242-4242""#, "description"),
            (r#""payment_method":"4242424242424242""#, "payment_method"),
            (
                r#""return_url":"https://shop.example/?c=4242424242424242""#,
                "return_url",
            ),
            (r#""customer":{"name":"4000056655665556"}"#, "customer.name"),
            (
                r#""customer":{"email":"4242424242424242@example.com"}"#,
                "customer.email",
            ),
            (
                r#""statement_descriptor":"x 4242424242424242""#,
                "statement_descriptor",
            ),
            (r#""metadata":{"note":"4242424242424242"}"#, "metadata.note"),
            (
                r#""metadata":{"note":"\u0034242424242424242"}"#,
                "metadata.note",
            ),
            (r#""metadata":{"4242424242424242":"x"}"#, "metadata"),
            (r#""metadata":{"CVC":"123"}"#, "metadata.CVC"),
            (r#""cvc":"123""#, "cvc"),
            (
                r#""card":{"number":"4242424242424242","exp":"12/30"}"#,
                "card.number",
            ),
            (r#""card_number":4242424242424242"#, "card_number"),
            (r#""pan":4242424242424242"#, "pan"),
            (r#""4242424242424242":1"#, ""),
        ] {
            let body = format!(r#"{{"amount":1,"currency":"eur",{field}}}"#);
            assert_refused::<CreatePayment>(&[(&body, "card_data", param)]);
        }
    }

    #[test]
    fn commands_have_rules_of_their_own() {
        assert_refused::<ConfirmPayment>(&[
            (
                r#"{"payment_method":"4242424242424242"}"#,
                "card_data",
                "payment_method",
            ),
            (r#"{"return_url":"back"}"#, "invalid_field", "return_url"),
            (r#"{"amount":1}"#, "unknown_field", "amount"),
        ]);
        assert_refused::<CapturePayment>(&[
            (r#"{"amount":0}"#, "invalid_amount", "amount"),
            (r#"{"amount":-1}"#, "invalid_amount", "amount"),
            (r#"{"amount":1000000000000}"#, "invalid_amount", "amount"),
        ]);
        assert_refused::<CancelPayment>(&[(r#"{"reason":"boredom"}"#, "invalid_field", "reason")]);
        assert_refused::<CreateRefund>(&[
            (r#"{"amount":0}"#, "invalid_amount", "amount"),
            (r#"{"reason":"boredom"}"#, "invalid_field", "reason"),
        ]);
        assert_eq!(refused::<CreateRefund>("{}"), None);
    }

    #[test]
    fn sums_are_what_the_currency_allows() {
        for (amount, currency, expected) in [
            (0, "eur", Some(("invalid_amount", "amount"))),
            (-1, "eur", Some(("invalid_amount", "amount"))),
            (1_000_000_000_000, "eur", Some(("invalid_amount", "amount"))),
            (
                9_007_199_254_740_993,
                "eur",
                Some(("invalid_amount", "amount")),
            ),
            (1001, "kwd", Some(("invalid_amount", "amount"))),
            (1, "xxx", Some(("unknown_currency", "currency"))),
            (1, "euro", Some(("unknown_currency", "currency"))),
            (1, "", Some(("unknown_currency", "currency"))),
            (100, "JPY", None),
            (1000, "kwd", None),
            (2_147_483_648, "eur", None),
        ] {
            let refused = money(amount, currency).err();
            let refused = refused
                .as_ref()
                .map(|error| (error.code.as_str(), error.param.as_str()));
            assert_eq!(refused, expected, "{amount} {currency}");
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
}
