//! Which currencies Stripe charges in, and the amounts it takes.

use std::ops::RangeInclusive;

use crate::refusal::Refusal;

/// The codes of all currencies that Stripe charges in.
pub const KNOWN: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl \
                     bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur \
                     fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy \
                     kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop \
                     mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg \
                     qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top \
                     try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw";

/// Stripe's smallest charges (docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
const SMALLEST: &[(&str, i64)] = &[
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
];

/// Stripe's largest charges: eight digits, and twelve for rupiahs (same page).
const LARGEST: i64 = 99_999_999;
const LARGEST_IDR: i64 = 999_999_999_999;

/// Parses a currency code of either case.
pub(crate) fn parse(text: &str) -> Result<String, Refusal> {
    let currency = text.to_ascii_lowercase();
    if KNOWN
        .split_ascii_whitespace()
        .any(|known| known == currency)
    {
        return Ok(currency);
    }
    let message =
        format!("Invalid currency: {text}. Stripe currently supports these currencies: {KNOWN}");
    Err(Refusal::invalid(message).at("currency"))
}

/// The amounts that Stripe charges in this currency, given by its code in lower case; where none is documented, from 1.
#[must_use]
pub fn charge_range(currency: &str) -> RangeInclusive<i64> {
    let smallest = SMALLEST.iter().find(|(known, _)| *known == currency);
    let largest = match currency {
        "idr" => LARGEST_IDR,
        _ => LARGEST,
    };
    smallest.map_or(1, |(_, amount)| *amount)..=largest
}

/// Refuses an amount that Stripe does not charge in `currency`.
pub(crate) fn check_amount(amount: i64, currency: &str) -> Result<(), Refusal> {
    let range = charge_range(currency);
    let (smallest, largest) = (range.start(), range.end());
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::integer("amount", message));
    }
    if amount < *smallest {
        let message =
            format!("Amount must be at least {smallest} {currency} (in its smallest unit)");
        return Err(Refusal::parameter("amount_too_small", "amount", message));
    }
    if amount > *largest {
        let message =
            format!("Amount must be no more than {largest} {currency} (in its smallest unit)");
        return Err(Refusal::parameter("amount_too_large", "amount", message));
    }
    let granular = match currency {
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        "isk" | "ugx" => 100,
        _ => 1,
    };
    if amount % granular != 0 {
        let message = format!("Amounts in {currency} must be divisible by {granular}.");
        return Err(Refusal::invalid(message).at("amount"));
    }
    Ok(())
}

/// Formats `amount`, which is in the smallest unit of `currency`, for people: `USD 18.00`.
pub(crate) fn format_amount(amount: i64, currency: &str) -> String {
    let digits = match currency {
        "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd"
        | "vuv" | "xaf" | "xof" | "xpf" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    };
    let unit = 10_i64.pow(digits);
    let width = usize::try_from(digits).unwrap_or_default();
    let name = currency.to_uppercase();
    match digits {
        0 => format!("{name} {amount}"),
        _ => format!("{name} {}.{:0width$}", amount / unit, amount % unit),
    }
}

#[cfg(test)]
mod tests {
    use super::format_amount;

    #[test]
    fn amounts_are_shown_with_their_currencys_decimals() {
        assert_eq!(format_amount(1_800, "usd"), "USD 18.00");
        assert_eq!(format_amount(5, "eur"), "EUR 0.05");
        assert_eq!(format_amount(1_800, "jpy"), "JPY 1800");
        assert_eq!(format_amount(1_810, "kwd"), "KWD 1.810");
    }
}
