//! The comparison of Stripe's objects with the database.

use std::borrow::Cow;

use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::id::PaymentId;

/// What a comparison of all payments of a range found. It is kept as these bytes, with a signature over them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Always `audit`.
    pub object: Cow<'static, str>,
    /// The outcome in a sentence: "0 drifts, checked at …".
    pub summary: String,
    /// The first moment of the range, by the creation of Stripe's intents.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub from: OffsetDateTime,
    /// The end of the range.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub to: OffsetDateTime,
    /// When the comparison ended.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: OffsetDateTime,
    /// The sums of each account in each currency.
    pub sums: Vec<SumsView>,
    /// Each difference.
    pub drifts: Vec<DriftView>,
}

/// The sums of an account in a currency, as Stripe has them and as Pawl has them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SumsView {
    /// The merchant.
    pub account_id: AccountId,
    /// ISO 4217 in lower case.
    pub currency: String,
    /// How many payments there are.
    pub payments: BothView,
    /// What was captured.
    pub captured: BothView,
    /// What was given back, refunds that have not ended included.
    pub refunded: BothView,
    /// What the disputes of the range took from the merchant's balance and did not give back. Not in reports of older versions.
    #[serde(default)]
    pub withdrawn: BothView,
}

/// A number as Stripe has it and as Pawl has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BothView {
    /// By Stripe's objects.
    pub stripe: i64,
    /// By the database.
    pub pawl: i64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DriftView {
    /// The merchant.
    pub account_id: AccountId,
    /// The payment, by the mark in the intent's metadata, or as the database has it.
    pub payment_id: PaymentId,
    /// Stripe's intent.
    pub intent_id: String,
    /// What differs: `payment`, `status`, `captured`, `refunded`, `dispute`, `dispute_status` or `dispute_funds`.
    pub what: Cow<'static, str>,
    /// Its value at Stripe.
    pub stripe: String,
    /// Its value in the database.
    pub pawl: String,
    /// What to do about it.
    pub action: String,
}

/// A comparison as it is kept: the caller's part of it, and the signature of the whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DriftReport {
    /// The comparison, with the sums and the drifts of the caller's account.
    pub audit: AuditView,
    /// The HMAC-SHA256 over the whole report as it is kept, in hexadecimal.
    pub signature: String,
    /// Which key signed: the first 16 digits of the SHA-256 of the signing key.
    pub key_id: String,
}
