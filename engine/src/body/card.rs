//! Card data: found in any field and refused, so that it is never stored, logged or sent on. Pawl stays outside the scope
//! of PCI DSS.

use infra::http::RequestError;
use serde_json::Value;

use crate::code::CARD_DATA;

/// The prefixes of each network's card numbers, as ranges of their first six digits, and the lengths of its numbers.
const NETWORKS: [(u32, u32, &[usize]); 18] = [
    // Visa.
    (400_000, 499_999, &[16]),
    // Mastercard.
    (222_100, 272_099, &[16]),
    (510_000, 559_999, &[16]),
    // American Express.
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    // Discover and UnionPay.
    (601_100, 601_199, &[16]),
    (644_000, 659_999, &[16]),
    (620_000, 629_999, &[16, 17, 18, 19]),
    (810_000, 817_199, &[16, 19]),
    // Diners Club.
    (300_000, 305_999, &[14, 16]),
    (309_500, 309_599, &[14, 16]),
    (360_000, 369_999, &[14, 16]),
    (380_000, 399_999, &[14, 16]),
    // JCB.
    (352_800, 358_999, &[16]),
    // Maestro.
    (500_000, 509_999, &[16, 19]),
    (560_000, 589_999, &[16, 19]),
    (639_000, 639_099, &[16, 19]),
    (670_000, 679_999, &[16, 19]),
];

/// A word with more letters than this is an identifier, such as a hash in hexadecimal, which holds long runs of digits by chance.
const LETTERS_OF_AN_IDENTIFIER: usize = 8;

/// Names of fields that hold a card number or a security code, without case, `_` and `-`.
const NAMES: [&str; 12] = [
    "cardnumber",
    "cardno",
    "ccnumber",
    "cvc",
    "cvc2",
    "cardcvc",
    "cvv",
    "cvv2",
    "cardcvv",
    "cvn",
    "securitycode",
    "cardsecuritycode",
];

/// Whether a field of this name holds card data.
pub(super) fn is_name(name: &str) -> bool {
    // Longer than any name above with separators in it: not worth the copy.
    if name.len() > 40 {
        return false;
    }
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    NAMES.contains(&plain.as_str())
}

/// Whether the text holds a card number: digits, possibly parted by single spaces, dashes or dots, with the length and the
/// prefix of a network's numbers ([`NETWORKS`]) and the right check digit (Luhn).
pub(crate) fn is_in(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(offset) = bytes
        .get(start..)
        .and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        start += offset;
        let mut digits = Vec::new();
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            if byte.is_ascii_digit() {
                digits.push(byte - b'0');
            } else if !(is_separator(byte) && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)) {
                break;
            }
            end += 1;
        }
        if is_number(&digits) && !is_identifier(bytes, start, end) {
            return true;
        }
        start = end;
    }
    false
}

/// Card data at this path.
pub(super) fn refused(path: impl Into<String>) -> RequestError {
    RequestError::new(
        CARD_DATA,
        path,
        "This looks like a card number or a security code. Pawl must never see one: collect it with Stripe.js and send the payment method's id.",
    )
}

/// The path of the first field that holds card data, by its name or by its text.
pub(super) fn path_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => is_in(text).then(String::new),
        // Not in `amount`: a number of this size is far too much money, and is refused as an amount.
        Value::Number(number) => is_in(&number.to_string()).then(String::new),
        Value::Array(items) => items.iter().find_map(path_in),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if is_in(name) {
                return Some(String::new());
            }
            if is_name(name) {
                return Some(name.clone());
            }
            let below = if name == "amount" {
                None
            } else {
                path_in(value)
            }?;
            Some(if below.is_empty() {
                name.clone()
            } else {
                format!("{name}.{below}")
            })
        }),
        Value::Null | Value::Bool(_) => None,
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.')
}

fn is_number(digits: &[u8]) -> bool {
    let Some(prefix) = digits.get(..6) else {
        return false;
    };
    let prefix = prefix
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(*digit));
    let issued = NETWORKS.iter().any(|(first, last, lengths)| {
        (*first..=*last).contains(&prefix) && lengths.contains(&digits.len())
    });
    issued && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let digit = u32::from(digit);
            if place % 2 == 0 {
                digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether the run of digits is part of a word that is mostly letters.
fn is_identifier(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let before = bytes.iter().take(start).rev().take_while(is_word);
    let after = bytes.iter().skip(end).take_while(is_word);
    before
        .chain(after)
        .filter(|byte| byte.is_ascii_alphabetic())
        .count()
        > LETTERS_OF_AN_IDENTIFIER
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_in, is_name, path_in};

    #[test]
    fn card_numbers_are_seen_however_they_are_written() {
        for text in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "paid with 4242.4242.4242.4242!",
            "pan4000056655665556",
            "378282246310005",
            "6011000990139424",
            "2223003122003222",
            "30569309025904",
            "3566002020360505",
            "6205500000000000004",
        ] {
            assert!(is_in(text), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_no_cards_pass() {
        for text in [
            "",
            "order 1042",
            "4242424242424241",
            "1732400000000",
            "+49 30 901820",
            "2026-11-23 21:30:07",
            "pay_01h2xcejqtf2nbrexx3vqjhp41",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "42424242424242424242424242",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }

    #[test]
    fn ids_and_times_of_clients_pass_whatever_their_check_digit() {
        let orders = (0..20_u64).map(|number| 5_340_000_000_000 + number);
        let days = (0..200_u64).map(|number| 2_026_112_500_000_000 + number);
        let millis = (0..200_u64).map(|number| 1_795_600_000_000 + number);
        let micros = (0..200_u64).map(|number| 1_795_600_000_000_000 + number);
        let short = (0..200_u64).map(|number| 4_000_000_000_000 + number);
        for number in orders.chain(days).chain(millis).chain(micros).chain(short) {
            assert!(!is_in(&number.to_string()), "{number}");
        }
    }

    #[test]
    fn names_of_security_codes_are_seen_in_any_spelling() {
        for name in [
            "cvc",
            "CVV",
            "card_cvc",
            "card[cvc]",
            "security-code",
            "cardNumber",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in ["number", "order_cvcx", "code", "service"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn the_path_leads_to_the_card_and_never_repeats_it() {
        assert_eq!(
            path_in(&json!({"card": {"number": "4242424242424242"}})).as_deref(),
            Some("card.number")
        );
        assert_eq!(
            path_in(&json!({"a": [{"b": 4_242_424_242_424_242_i64}]})).as_deref(),
            Some("a.b")
        );
        assert_eq!(
            path_in(&json!({"x": {"4242424242424242": 1}})).as_deref(),
            Some("x")
        );
        assert_eq!(
            path_in(&json!({"metadata": {"cvc": "123"}})).as_deref(),
            Some("metadata.cvc")
        );
        assert_eq!(
            path_in(&json!({"amount": 9_007_199_254_740_993_i64, "currency": "eur"})),
            None
        );
    }
}
