//! Amounts against Stripe's table of currencies.

use workflows::money::{Currency, MAX, Money, MoneyError};

/// <https://docs.stripe.com/currencies>: code, decimals that are shown, the step of which amounts are multiples.
const TABLE: &[(&str, u32, i64)] = &[
    ("bif", 0, 1),
    ("clp", 0, 1),
    ("djf", 0, 1),
    ("gnf", 0, 1),
    ("jpy", 0, 1),
    ("kmf", 0, 1),
    ("krw", 0, 1),
    ("mga", 0, 1),
    ("pyg", 0, 1),
    ("rwf", 0, 1),
    ("vnd", 0, 1),
    ("vuv", 0, 1),
    ("xaf", 0, 1),
    ("xof", 0, 1),
    ("xpf", 0, 1),
    ("isk", 2, 100),
    ("ugx", 2, 100),
    ("bhd", 3, 10),
    ("jod", 3, 10),
    ("kwd", 3, 10),
    ("omr", 3, 10),
    ("tnd", 3, 10),
    ("eur", 2, 1),
    ("usd", 2, 1),
    ("gbp", 2, 1),
    ("huf", 2, 1),
    ("twd", 2, 1),
    ("chf", 2, 1),
    ("inr", 2, 1),
    ("brl", 2, 1),
];

#[test]
fn every_currency_is_counted_in_the_unit_of_stripes_table() {
    for (code, exponent, step) in TABLE {
        let currency: Currency = code.parse().unwrap();
        assert_eq!(currency.exponent(), *exponent, "{code}");
        assert_eq!(currency.step(), *step, "{code}");
        assert_eq!(currency.code(), *code);
    }
}

#[test]
fn an_amount_that_stripe_could_not_move_exactly_is_refused() {
    for (code, _, step) in TABLE {
        assert!(Money::parse(*step, code).is_ok(), "{code}");
        assert!(Money::parse(step * 7, code).is_ok(), "{code}");
        if *step > 1 {
            for amount in [1, step - 1, step + 1, step * 2 + 1] {
                let refused = Money::parse(amount, code);
                assert!(
                    matches!(refused, Err(MoneyError::NotAMultiple { step: multiple, .. }) if multiple == *step),
                    "{amount} {code}"
                );
            }
        }
    }
}

#[test]
fn a_hundred_yen_are_a_hundred() {
    let money = Money::parse(100, "JPY").unwrap();
    assert_eq!((money.amount(), money.currency().exponent()), (100, 0));
    assert_eq!(money.to_string(), "100 jpy");
}

#[test]
fn amounts_out_of_range_are_refused() {
    let refused = |amount| Money::parse(amount, "eur").unwrap_err();
    for amount in [0, -1, i64::MIN] {
        assert_eq!(refused(amount), MoneyError::NotPositive, "{amount}");
    }
    for amount in [MAX + 1, (1 << 53) + 1, i64::MAX] {
        assert_eq!(refused(amount), MoneyError::TooLarge, "{amount}");
    }
    assert!(Money::parse(1 << 31, "eur").is_ok());
    assert!(Money::parse(MAX, "eur").is_ok());
}

#[test]
fn what_is_no_currency_of_stripes_is_refused() {
    for code in ["", "e", "euro", "zzz", "€", "eu r", "eur "] {
        assert_eq!(
            Money::parse(100, code),
            Err(MoneyError::UnknownCurrency),
            "{code:?}"
        );
    }
    // Metals, funds, test codes, and three- or four-decimal currencies that Stripe's table does not have.
    for code in [
        "xau", "xdr", "xts", "xxx", "clf", "uyw", "iqd", "lyd", "bov",
    ] {
        assert_eq!(
            Money::parse(100, code),
            Err(MoneyError::UnsupportedCurrency),
            "{code}"
        );
    }
}

#[test]
fn money_is_checked_when_it_is_read_back() {
    let money: Money = serde_json::from_str(r#"{"amount": 5, "currency": "EUR"}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&money).unwrap(),
        r#"{"amount":5,"currency":"eur"}"#
    );
    assert!(serde_json::from_str::<Money>(r#"{"amount": 0, "currency": "eur"}"#).is_err());
    assert!(serde_json::from_str::<Money>(r#"{"amount": 1.5, "currency": "eur"}"#).is_err());
}
