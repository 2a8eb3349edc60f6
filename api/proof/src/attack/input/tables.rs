//! Invalid input, and the expected refusals.

/// Fields beside a valid amount and currency, and the expected refusals.
pub(super) const FIELDS: [(&str, &str, &str); 26] = [
    (
        "the field status",
        r#""status":"succeeded""#,
        "422 unknown_field",
    ),
    (
        "the field user_id",
        r#""user_id":"usr_01h2xcejqtf2nbrexx3vqjhp41""#,
        "422 unknown_field",
    ),
    (
        "the field account_id",
        r#""account_id":"acct_01h2xcejqtf2nbrexx3vqjhp41""#,
        "422 unknown_field",
    ),
    ("the field version", r#""version":9"#, "422 unknown_field"),
    (
        "the field stripe_id",
        r#""stripe_id":"pi_1""#,
        "422 unknown_field",
    ),
    (
        "the field __proto__",
        r#""__proto__":{}"#,
        "422 unknown_field",
    ),
    (
        "a field in another case",
        r#""Confirm":true"#,
        "422 unknown_field",
    ),
    (
        "a key given twice",
        r#""currency":"usd""#,
        "400 duplicate_field",
    ),
    (
        "a key of metadata given twice",
        r#""metadata":{"a":"1","a":"2"}"#,
        "400 duplicate_field",
    ),
    (
        "a card number in description",
        r#""description":"pays with 4242 4242 4242 4242""#,
        "422 card_data",
    ),
    (
        "a card number in reference",
        r#""reference":"4242-4242-4242-4242""#,
        "422 card_data",
    ),
    (
        "a card number in metadata",
        r#""metadata":{"note":"4242424242424242"}"#,
        "422 card_data",
    ),
    (
        "a card number as a key of metadata",
        r#""metadata":{"4242424242424242":"x"}"#,
        "422 card_data",
    ),
    (
        "a card number in an unknown field",
        r#""card":{"number":"4242424242424242"}"#,
        "422 card_data",
    ),
    (
        "a card number as a number",
        r#""metadata":{"note":4242424242424242}"#,
        "422 card_data",
    ),
    ("a CVC", r#""cvc":"123""#, "422 card_data"),
    (
        "a CVC in metadata",
        r#""metadata":{"card_cvc":"123"}"#,
        "422 card_data",
    ),
    (
        "NUL in text",
        r#""description":"a\u0000b""#,
        "422 invalid_field",
    ),
    (
        "an escape sequence of a terminal",
        r#""description":"\u001b[2J""#,
        "422 invalid_field",
    ),
    (
        "a lone surrogate",
        r#""description":"\ud800""#,
        "400 malformed_json",
    ),
    ("a description of 1,001 characters", "", "422 invalid_field"),
    ("51 keys of metadata", "", "422 invalid_field"),
    (
        "an e-mail address that is none",
        r#""customer":{"email":"nobody"}"#,
        "422 invalid_field",
    ),
    (
        "a return_url that is a path",
        r#""return_url":"/done""#,
        "422 invalid_field",
    ),
    (
        "expires_in of 59 seconds",
        r#""expires_in":59"#,
        "422 invalid_field",
    ),
    (
        "a payment method that is a path",
        r#""payment_method":"../customers""#,
        "422 invalid_field",
    ),
];

/// Invalid amounts.
pub(super) const AMOUNTS: [&str; 12] = [
    "0",
    "-1",
    "1.5",
    "\"100\"",
    "9007199254740993",
    "9223372036854775808",
    "1e3",
    "true",
    "null",
    "[1]",
    "999999999999999999999999",
    "-0",
];

/// Whole bodies, and the expected refusals.
pub(super) const BODIES: [(&str, &str, &str); 9] = [
    ("no JSON", "amount=1099", "400 malformed_json"),
    (
        "data behind the object",
        r#"{"amount":1099,"currency":"eur"}{}"#,
        "400 malformed_json",
    ),
    (
        "a comma too many",
        r#"{"amount":1099,"currency":"eur",}"#,
        "400 malformed_json",
    ),
    (
        "NaN",
        r#"{"amount":NaN,"currency":"eur"}"#,
        "400 malformed_json",
    ),
    ("an array", r#"[1099,"eur"]"#, "422 invalid_type"),
    ("a word", r#""eur""#, "422 invalid_type"),
    ("null", "null", "422 invalid_type"),
    ("nothing at all", "", "422 missing_field"),
    ("no currency", r#"{"amount":1099}"#, "422 missing_field"),
];
