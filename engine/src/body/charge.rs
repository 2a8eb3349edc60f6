//! The smallest and the largest amounts that Stripe charges
//! (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>), each in the smallest unit of its currency.
//!
//! They hold for what is to be paid, not for what is captured or refunded of it.

use std::ops::RangeInclusive;

use workflows::money::Money;

const SMALLEST: &[(&str, i64)] = &[
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
];

/// Eight digits, and twelve for rupiahs.
const LARGEST: i64 = 99_999_999;
const LARGEST_IDR: i64 = 999_999_999_999;

/// The amounts that can be paid in this currency, given by its code in lower case. Where Stripe documents no smallest one, 1.
fn range(currency: &str) -> RangeInclusive<i64> {
    let smallest = SMALLEST.iter().find(|(code, _)| *code == currency);
    let largest = match currency {
        "idr" => LARGEST_IDR,
        _ => LARGEST,
    };
    smallest.map_or(1, |(_, amount)| *amount)..=largest
}

/// The rule that the sum breaks, as a sentence, if Stripe would not charge it.
pub(super) fn refusal(money: Money) -> Option<String> {
    let currency = money.currency().code();
    let range = range(&currency);
    let (least, most) = (range.start(), range.end());
    (!range.contains(&money.amount())).then(|| {
        format!(
            "Stripe takes payments in {currency} from {least} to {most} of the currency's smallest unit."
        )
    })
}
