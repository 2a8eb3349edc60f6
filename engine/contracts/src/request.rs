//! The bodies that clients send. A field that is not named here is refused, never ignored: a misspelt `capture_method`
//! must not move money in another way than was meant.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::schema;
use crate::schema::Currency;

/// Notes of the merchant: at most 50 keys of 40 characters with values of 500.
pub type Metadata = BTreeMap<String, String>;

/// When the money of a confirmed payment is taken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// At once.
    #[default]
    Automatic,
    /// Later, by `POST /payments/{id}/capture`.
    Manual,
}

/// What happens before the end of an authorization, `capture_before`, if the payment was not captured or canceled until then. The
/// event `payment.authorization_expiring` is sent in any case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationExpiry {
    /// Nothing more, 24 hours before.
    #[default]
    Alert,
    /// All that is authorised is captured, an hour before.
    Capture,
    /// It is canceled, an hour before.
    Cancel,
}

/// Who pays.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// Where receipts go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 512,
        pattern = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}){0,2}@([A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,20}$"
    )]
    pub email: Option<String>,
    /// The name on the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
    )]
    pub name: Option<String>,
}

/// `POST /api/v1/payments`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePayment {
    /// In the currency's smallest unit as Stripe counts it: 1099 is 10.99 EUR, 100 is 100 JPY.
    #[schema(minimum = 1, maximum = 999_999_999_999_i64, example = 1099)]
    pub amount: i64,
    /// ISO 4217. Capital letters are taken too.
    #[schema(value_type = Currency, example = "eur")]
    pub currency: String,
    /// Stripe's id of a payment method, `pm_…`. Needed when `confirm` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "pm_card_visa",
        min_length = 1,
        max_length = 255,
        pattern = "^[A-Za-z0-9_]+$"
    )]
    pub payment_method: Option<String>,
    /// Confirm as soon as the intent exists.
    #[serde(default)]
    pub confirm: bool,
    /// `automatic` when absent.
    #[serde(default)]
    pub capture_method: CaptureMethod,
    /// Ask Stripe that it may be captured in several parts, with `capture_method` `manual`. Stripe refuses it to accounts that
    /// do not have this feature.
    #[serde(default)]
    pub multicapture: bool,
    /// What happens before the authorization of a payment with `capture_method` `manual` ends; `alert` when absent.
    #[serde(default)]
    pub authorization_expiry: AuthorizationExpiry,
    /// Where Stripe sends the customer back to after a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 2048,
        format = "uri",
        example = "https://shop.example/done"
    )]
    pub return_url: Option<String>,
    /// The merchant's own order id, unique per account: a second payment with it is refused for ever, unless Stripe refused to
    /// make the first (`local_rejected`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
    )]
    pub reference: Option<String>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// Shown to the customer on receipts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
    )]
    pub description: Option<String>,
    /// Shown on the bank statement: 22 characters with a Latin letter and without `< > \ ' " *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 22,
        pattern = r"^[ !#-&(-)+-;=?-\[\]-~]*[A-Za-z][ !#-&(-)+-;=?-\[\]-~]*$"
    )]
    pub statement_descriptor: Option<String>,
    /// Notes of the merchant.
    #[serde(
        default,
        deserialize_with = "metadata",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schema(schema_with = schema::metadata, required = false)]
    pub metadata: Metadata,
    /// The types of payment methods that the customer may pay with, by Stripe's names, such as `card`. When absent, those that
    /// Stripe's dashboard enables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(schema_with = schema::payment_method_types, required = false)]
    pub payment_method_types: Vec<String>,
    /// Seconds after which an unfinished payment is to be canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 2_592_000)]
    pub expires_in: Option<i64>,
}

/// `POST /api/v1/payments/{id}/confirm`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfirmPayment {
    /// Stripe's id of a payment method; the payment's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "pm_card_visa",
        min_length = 1,
        max_length = 255,
        pattern = "^[A-Za-z0-9_]+$"
    )]
    pub payment_method: Option<String>,
    /// Where Stripe sends the customer back to after a redirect. Needed here if it was not given at the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 2048,
        format = "uri",
        example = "https://shop.example/done"
    )]
    pub return_url: Option<String>,
}

/// `POST /api/v1/payments/{id}/capture`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CapturePayment {
    /// All that can be captured when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999_999_i64)]
    pub amount: Option<i64>,
    /// True when absent: the rest is released. With false more can be captured later, where the payment's `multicapture` is
    /// `available`.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub is_final: Option<bool>,
}

/// `POST /api/v1/payments/{id}/cancel`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CancelPayment {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<CancelReason>,
}

/// Stripe's reasons that a merchant may give for a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// It was made twice.
    Duplicate,
    /// It looks like fraud.
    Fraudulent,
    /// The customer asked for it.
    RequestedByCustomer,
    /// Nobody finished it.
    Abandoned,
}

impl CancelReason {
    /// Stripe's own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
            Self::Abandoned => "abandoned",
        }
    }
}

/// `POST /api/v1/payments/{id}/refunds`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CreateRefund {
    /// All that is left when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999_999_i64)]
    pub amount: Option<i64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RefundReason>,
}

/// Stripe's reasons that a merchant may give for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// It was charged twice.
    Duplicate,
    /// It looks like fraud.
    Fraudulent,
    /// The customer asked for it.
    RequestedByCustomer,
}

impl RefundReason {
    /// Stripe's own word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// `POST /api/v1/disputes/{id}/evidence`.
#[derive(Debug, Default, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubmitEvidence {
    /// Texts, and ids of files at Stripe (`file_…`), by Stripe's names of the fields. A text has at
    /// most 20,000 characters, all of them together 150,000. An empty value removes a field. What is not named stays as it is.
    #[serde(
        deserialize_with = "metadata",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schema(schema_with = schema::evidence)]
    pub evidence: BTreeMap<String, String>,
    /// True when absent: the bank gets the evidence now, which most banks take once. With false Stripe keeps it, and it can be
    /// changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit: Option<bool>,
}

/// `POST /api/v1/disputes/{id}/accept`.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptDispute {}

/// A map that refuses a key given twice: serde's own maps keep the last one and say nothing.
fn metadata<'de, D: Deserializer<'de>>(input: D) -> Result<Metadata, D::Error> {
    struct Once;

    impl<'de> Visitor<'de> for Once {
        type Value = Metadata;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a map of strings")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
            let mut seen = Metadata::new();
            while let Some((key, value)) = map.next_entry::<String, String>()? {
                if seen.insert(key, value).is_some() {
                    return Err(A::Error::duplicate_field("metadata"));
                }
            }
            Ok(seen)
        }
    }

    input.deserialize_map(Once)
}
