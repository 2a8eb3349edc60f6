//! The rules that JSON types cannot express: lengths, characters, ranges, and fields that need each other.

use contracts::evidence::{FILES, LENGTH, TEXT_LENGTH, TEXTS};
use contracts::request::{
    AcceptDispute, AuthorizationExpiry, CancelPayment, CaptureMethod, CapturePayment,
    ConfirmPayment, CreatePayment, CreateRefund, Customer, Metadata, SubmitEvidence,
};
use infra::http::RequestError;
use infra::http::code::{MISSING_FIELD, UNKNOWN_FIELD};
use workflows::money;
use workflows::money::{Money, MoneyError};

use super::{card, charge};
use crate::code::{INVALID_AMOUNT, UNKNOWN_CURRENCY};

/// Stripe's limits for metadata.
const METADATA_KEYS: usize = 50;
const METADATA_KEY_LENGTH: usize = 40;
const METADATA_VALUE_LENGTH: usize = 500;

/// From a minute to thirty days.
const EXPIRES_IN: std::ops::RangeInclusive<i64> = 60..=2_592_000;

/// A request with rules of its own.
pub trait Checked {
    /// Checks the rules.
    ///
    /// # Errors
    /// The first fault.
    fn check(&self) -> Result<(), RequestError>;
}

impl Checked for CreatePayment {
    fn check(&self) -> Result<(), RequestError> {
        payment_method(self.payment_method.as_deref())?;
        if self.confirm && self.payment_method.is_none() {
            return Err(RequestError::new(
                MISSING_FIELD,
                "payment_method",
                "A payment that is confirmed at once needs a payment method.",
            ));
        }
        if self.multicapture && self.capture_method != CaptureMethod::Manual {
            return Err(RequestError::field(
                "multicapture",
                "Several captures need the capture_method manual.",
            ));
        }
        if self.authorization_expiry != AuthorizationExpiry::Alert
            && self.capture_method != CaptureMethod::Manual
        {
            return Err(RequestError::field(
                "authorization_expiry",
                "Only a payment with the capture_method manual has an authorization that can end.",
            ));
        }
        return_url(self.return_url.as_deref())?;
        optional("reference", self.reference.as_deref(), 200)?;
        if let Some(customer) = &self.customer {
            check_customer(customer)?;
        }
        optional("description", self.description.as_deref(), 1000)?;
        statement_descriptor(self.statement_descriptor.as_deref())?;
        payment_method_types(&self.payment_method_types)?;
        metadata(&self.metadata)?;
        if self
            .expires_in
            .is_some_and(|seconds| !EXPIRES_IN.contains(&seconds))
        {
            return Err(RequestError::field(
                "expires_in",
                "This must be from 60 to 2592000 seconds.",
            ));
        }
        Ok(())
    }
}

impl Checked for ConfirmPayment {
    fn check(&self) -> Result<(), RequestError> {
        payment_method(self.payment_method.as_deref())?;
        return_url(self.return_url.as_deref())
    }
}

impl Checked for CapturePayment {
    fn check(&self) -> Result<(), RequestError> {
        self.amount.map_or(Ok(()), amount)
    }
}

impl Checked for CancelPayment {
    fn check(&self) -> Result<(), RequestError> {
        Ok(())
    }
}

impl Checked for CreateRefund {
    fn check(&self) -> Result<(), RequestError> {
        self.amount.map_or(Ok(()), amount)
    }
}

impl Checked for SubmitEvidence {
    fn check(&self) -> Result<(), RequestError> {
        if self.evidence.is_empty() && self.submit == Some(false) {
            return Err(RequestError::new(
                MISSING_FIELD,
                "evidence",
                "There is nothing to do: give evidence, or submit what Stripe keeps.",
            ));
        }
        for (field, value) in &self.evidence {
            evidence(field, value)?;
        }
        let length: usize = self.evidence.values().map(|it| it.chars().count()).sum();
        if length > LENGTH {
            return Err(RequestError::field(
                "evidence",
                format!("All fields together may have {LENGTH} characters; these have {length}."),
            ));
        }
        Ok(())
    }
}

impl Checked for AcceptDispute {
    fn check(&self) -> Result<(), RequestError> {
        Ok(())
    }
}

/// Checks one field of evidence. An empty value removes the field.
fn evidence(field: &str, value: &str) -> Result<(), RequestError> {
    let param = format!("evidence.{field}");
    let is_file = FILES.contains(&field);
    if !is_file && !TEXTS.contains(&field) {
        return Err(RequestError::new(
            UNKNOWN_FIELD,
            param,
            "Stripe has no such field of evidence.",
        ));
    }
    if value.is_empty() {
        return Ok(());
    }
    if is_file {
        let is_id = value.strip_prefix("file_").is_some_and(|rest| {
            (1..=250).contains(&rest.len())
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let refusal =
            || RequestError::field(param, "This must be the id of a file at Stripe, file_….");
        return if is_id { Ok(()) } else { Err(refusal()) };
    }
    check_text(&param, value, TEXT_LENGTH)
}

/// The range of every amount; `Money` adds the rules of its currency.
fn amount(amount: i64) -> Result<(), RequestError> {
    if (1..=money::MAX).contains(&amount) {
        return Ok(());
    }
    let most = money::MAX;
    Err(RequestError::new(
        INVALID_AMOUNT,
        "amount",
        format!("The amount must be from 1 to {most} of the currency's smallest unit."),
    ))
}

/// The sum that the customer pays.
///
/// # Errors
/// If the currency is unknown, or Stripe does not charge this amount in it.
pub fn money(amount: i64, currency: &str) -> Result<Money, RequestError> {
    let money = Money::parse(amount, currency).map_err(|error| {
        let (code, param) = match error {
            MoneyError::UnknownCurrency | MoneyError::UnsupportedCurrency => {
                (UNKNOWN_CURRENCY, "currency")
            }
            MoneyError::NotPositive | MoneyError::TooLarge | MoneyError::NotAMultiple { .. } => {
                (INVALID_AMOUNT, "amount")
            }
        };
        RequestError::new(code, param, sentence(&error.to_string()))
    })?;
    charge::refusal(money).map_or(Ok(money), |rule| {
        Err(RequestError::new(INVALID_AMOUNT, "amount", rule))
    })
}

/// The message of another crate as a sentence: with a capital letter and a full stop.
#[must_use]
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}

fn optional(param: &str, value: Option<&str>, longest: usize) -> Result<(), RequestError> {
    value.map_or(Ok(()), |value| check_text(param, value, longest))
}

/// Checks text that is stored and shown, at most `longest` characters. Postgres refuses NUL; the other control characters are
/// mistakes.
///
/// # Errors
/// If it is empty, too long, or holds card data or control characters.
pub fn check_text(param: &str, value: &str, longest: usize) -> Result<(), RequestError> {
    if card::is_in(value) {
        return Err(card::refused(param));
    }
    if value.is_empty() || value.chars().count() > longest {
        return Err(RequestError::field(
            param,
            format!("This must have 1 to {longest} characters."),
        ));
    }
    if value
        .chars()
        .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
    {
        return Err(RequestError::field(param, "This holds control characters."));
    }
    Ok(())
}

fn payment_method(value: Option<&str>) -> Result<(), RequestError> {
    let Some(value) = value else { return Ok(()) };
    check_text("payment_method", value, 255)?;
    if value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        Ok(())
    } else {
        Err(RequestError::field(
            "payment_method",
            "This must be Stripe's id of a payment method, pm_….",
        ))
    }
}

/// Stripe's names; Stripe itself refuses one that it does not know, or that the account has not enabled.
fn payment_method_types(types: &[String]) -> Result<(), RequestError> {
    let is_name = |name: &String| {
        (1..=50).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if types.len() <= 20 && types.iter().all(is_name) {
        Ok(())
    } else {
        Err(RequestError::field(
            "payment_method_types",
            "These must be at most 20 of Stripe's names, such as card.",
        ))
    }
}

fn return_url(value: Option<&str>) -> Result<(), RequestError> {
    let Some(value) = value else { return Ok(()) };
    check_text("return_url", value, 2048)?;
    // The scheme of an app is allowed: Stripe opens it as well.
    if infra::http::is_absolute(value) {
        Ok(())
    } else {
        Err(RequestError::field(
            "return_url",
            "This must be an absolute URL.",
        ))
    }
}

fn check_customer(customer: &Customer) -> Result<(), RequestError> {
    optional("customer.name", customer.name.as_deref(), 256)?;
    let Some(email) = customer.email.as_deref() else {
        return Ok(());
    };
    check_text("customer.email", email, 512)?;
    if is_email(email) {
        Ok(())
    } else {
        Err(RequestError::field(
            "customer.email",
            "This must be an e-mail address of ASCII letters, such as name@shop.example.",
        ))
    }
}

/// Whether Stripe takes the address: ASCII, a name and a domain of labels with a letter in the last, no dot at an end or
/// beside another.
fn is_email(email: &str) -> bool {
    let Some((name, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let is_of_name =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let named = name.len() <= 64
        && name.bytes().all(is_of_name)
        && name.split('.').all(|part| !part.is_empty());
    let labels: Vec<&str> = domain.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = labels
        .last()
        .is_some_and(|last| last.len() > 1 && last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    named && labels.len() > 1 && labels.iter().all(is_label) && top
}

/// Stripe's rules for the text on a bank statement.
fn statement_descriptor(value: Option<&str>) -> Result<(), RequestError> {
    let Some(value) = value else { return Ok(()) };
    check_text("statement_descriptor", value, 22)?;
    let allowed = value
        .bytes()
        .all(|byte| (b' '..=b'~').contains(&byte) && !b"<>\\'\"*".contains(&byte));
    if allowed && value.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        Ok(())
    } else {
        Err(RequestError::field(
            "statement_descriptor",
            "This must hold a Latin letter, ASCII characters only, and none of < > \\ ' \" *.",
        ))
    }
}

fn metadata(metadata: &Metadata) -> Result<(), RequestError> {
    if metadata.len() > METADATA_KEYS {
        return Err(RequestError::field(
            "metadata",
            format!("At most {METADATA_KEYS} keys are kept."),
        ));
    }
    for (key, value) in metadata {
        check_text("metadata", key, METADATA_KEY_LENGTH)?;
        if key.contains(['[', ']']) {
            return Err(RequestError::field(
                "metadata",
                "Keys cannot hold square brackets.",
            ));
        }
        if card::is_name(key) {
            return Err(card::refused(format!("metadata.{key}")));
        }
        // An empty value is a note like any other.
        if !value.is_empty() {
            check_text(&format!("metadata.{key}"), value, METADATA_VALUE_LENGTH)?;
        }
    }
    Ok(())
}
