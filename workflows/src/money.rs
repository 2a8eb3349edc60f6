//! Amounts are integers in the unit that Stripe uses for the currency, and they are positive.
//!
//! The unit is ISO 4217's minor unit with Stripe's own exceptions
//! (<https://docs.stripe.com/currencies>): a list of currencies without decimals, three-decimal currencies whose last
//! digit must be 0, and ISK and UGX, which are shown with two decimals that must be 0.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest amount that Pawl takes, in the currency's unit: twelve digits, Stripe's widest limit.
pub const MAX: i64 = 999_999_999_999;

/// Stripe's zero-decimal currencies, without UGX, which has a rule of its own.
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];

/// Stripe's three-decimal currencies: the last of the three digits must be 0.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// Currencies without decimals that Stripe nevertheless counts in hundredths.
const TWO_DECIMALS_OF_ZERO: [&str; 2] = ["ISK", "UGX"];

/// Why an amount or a currency was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amount is zero or negative.
    #[error("the amount must be positive")]
    NotPositive,
    /// The amount is above [`MAX`].
    #[error("the amount must be at most {MAX}")]
    TooLarge,
    /// The text is no ISO 4217 code.
    #[error("the currency is unknown")]
    UnknownCurrency,
    /// A fund, a metal, or a currency whose unit at Stripe is unknown.
    #[error("the currency is not supported")]
    UnsupportedCurrency,
    /// Stripe takes only multiples of this step in this currency.
    #[error("the amount must be a multiple of {step} in {currency}")]
    NotAMultiple {
        /// The currency.
        currency: Currency,
        /// The smallest amount, of which every amount is a multiple.
        step: i64,
    },
}

/// A currency whose unit at Stripe is known; it is written in lower case, as Stripe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The ISO 4217 code in lower case, such as `eur`.
    #[must_use]
    pub fn code(self) -> String {
        self.0.code().to_ascii_lowercase()
    }

    /// How many decimals an amount is shown with when it is counted in Stripe's unit.
    #[must_use]
    pub fn exponent(self) -> u32 {
        let code = self.0.code();
        if ZERO_DECIMAL.contains(&code) {
            0
        } else if THREE_DECIMAL.contains(&code) {
            3
        } else {
            2
        }
    }

    /// The smallest amount Stripe takes; every amount is a multiple of it.
    #[must_use]
    pub fn step(self) -> i64 {
        let code = self.0.code();
        if THREE_DECIMAL.contains(&code) {
            10
        } else if TWO_DECIMALS_OF_ZERO.contains(&code) {
            100
        } else {
            1
        }
    }

    /// Whether `amount` may be moved in this currency.
    ///
    /// # Errors
    /// Says why not: not positive, too large, or not a multiple of [`Currency::step`].
    pub fn check(self, amount: i64) -> Result<(), MoneyError> {
        if amount <= 0 {
            return Err(MoneyError::NotPositive);
        }
        if amount > MAX {
            return Err(MoneyError::TooLarge);
        }
        let step = self.step();
        if amount.checked_rem(step) != Some(0) {
            return Err(MoneyError::NotAMultiple {
                currency: self,
                step,
            });
        }
        Ok(())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Reads a three-letter code in either case.
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        let currency = iso_currency::Currency::from_code(&code.to_ascii_uppercase())
            .ok_or(MoneyError::UnknownCurrency)?;
        let currency = Self(currency);
        let listed = |list: &[&str]| list.contains(&currency.0.code());
        // ISO's unit is taken on trust only where it has two decimals: Stripe differs in everything else.
        let known = listed(&ZERO_DECIMAL)
            || listed(&THREE_DECIMAL)
            || listed(&TWO_DECIMALS_OF_ZERO)
            || currency.0.exponent() == Some(2);
        if !known || currency.0.is_fund() || currency.0.is_special() {
            return Err(MoneyError::UnsupportedCurrency);
        }
        Ok(currency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

/// A positive amount of one currency that Stripe can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Money {
    amount: i64,
    currency: Currency,
}

/// Money as it is parsed, before it is checked.
#[derive(Deserialize)]
struct Unchecked {
    amount: i64,
    currency: String,
}

impl TryFrom<Unchecked> for Money {
    type Error = MoneyError;

    fn try_from(read: Unchecked) -> Result<Self, MoneyError> {
        Self::parse(read.amount, &read.currency)
    }
}

impl Money {
    /// Reads an amount in the currency's unit and a three-letter code in either case.
    ///
    /// # Errors
    /// Says what is wrong with the amount or the currency.
    pub fn parse(amount: i64, currency: &str) -> Result<Self, MoneyError> {
        let currency: Currency = currency.parse()?;
        currency.check(amount)?;
        Ok(Self { amount, currency })
    }

    /// The amount in the currency's unit; always positive.
    #[must_use]
    pub fn amount(self) -> i64 {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}
