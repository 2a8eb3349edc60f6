//! The charge: one attempt to collect the money of an intent.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::json;
use crate::json::Empty;
use crate::objects::failure::Failure;
use crate::objects::payment_method;
use crate::objects::payment_method::{Instrument, PaymentMethod};
use crate::table::Row;

/// Stripe's three statuses of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// The bank has not answered.
    Pending,
    /// The money is captured or authorized.
    Succeeded,
    /// The bank refused.
    Failed,
}

/// One charge with the ids of its refunds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) amount_captured: i64,
    pub(crate) amount_refunded: i64,
    /// The part of `amount_refunded` that was released without having been captured.
    #[serde(default)]
    pub(crate) amount_released: i64,
    /// The test payment method as which it behaves, if that was requested over `/_sim/outcomes`.
    pub(crate) behaves_as: Option<Box<str>>,
    pub(crate) capture_before: Option<i64>,
    pub(crate) captured: bool,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    /// The id of its dispute.
    #[serde(default)]
    pub(crate) dispute: Option<String>,
    pub(crate) failure: Option<Box<Failure>>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Whether it may be captured in several parts.
    #[serde(default)]
    pub(crate) multicapture: bool,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    pub(crate) receipt_email: Option<String>,
    pub(crate) refunds: Vec<String>,
    /// The id of its review.
    #[serde(default)]
    pub(crate) review: Option<String>,
    pub(crate) status: Status,
    /// The id of the bank's early warning of fraud.
    #[serde(default)]
    pub(crate) warning: Option<String>,
}

impl Row for Charge {
    const KIND: &'static str = "charge";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Charge {
    /// The payment method that decides the answers of the bank.
    pub(crate) fn behaviour(&self) -> Option<PaymentMethod> {
        payment_method::find(self.behaves_as.as_deref().unwrap_or(&self.payment_method))
    }

    /// The captured amount that is not refunded yet.
    pub(crate) fn refundable(&self) -> i64 {
        self.amount_captured - (self.amount_refunded - self.amount_released)
    }

    /// Whether all of it is refunded or released.
    pub(crate) fn is_refunded(&self) -> bool {
        self.amount_refunded > 0 && self.refundable() <= 0
    }

    /// The charge as Stripe shows it.
    pub(crate) fn render(&self) -> Box<RawValue> {
        json::render(&self.shown())
    }

    /// The charge as Stripe shows it inside another object.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown(self)
    }

    fn outcome(&self) -> Value {
        match (self.status, &self.failure) {
            (Status::Pending, _) => Value::Null,
            (_, None) => json!({
                "network_status": "approved_by_network", "reason": null, "risk_level": "normal",
                "risk_score": 12, "seller_message": "Payment complete.", "type": "authorized",
            }),
            (_, Some(failure)) => json!({
                "advice_code": failure.advice_code,
                "network_advice_code": failure.network_advice_code,
                "network_decline_code": failure.network_decline_code,
                "network_status": "declined_by_network",
                "reason": failure.decline_code.as_deref().unwrap_or(&failure.code),
                "risk_level": "normal", "risk_score": 12,
                "seller_message": "The bank returned a decline.", "type": "issuer_declined",
            }),
        }
    }
}

/// A charge in Stripe's shape.
pub(crate) struct Shown<'a>(&'a Charge);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NONE: Option<()> = None;
        let it = self.0;
        let failure = it.failure.as_deref();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &it.id)?;
        map.serialize_entry("object", "charge")?;
        map.serialize_entry("amount", &it.amount)?;
        map.serialize_entry("amount_captured", &it.amount_captured)?;
        map.serialize_entry("amount_refunded", &it.amount_refunded)?;
        map.serialize_entry("balance_transaction", &NONE)?;
        map.serialize_entry("captured", &it.captured)?;
        map.serialize_entry("created", &it.created)?;
        map.serialize_entry("currency", &it.currency)?;
        map.serialize_entry("customer", &it.customer)?;
        map.serialize_entry("description", &it.description)?;
        map.serialize_entry("dispute", &it.dispute)?;
        map.serialize_entry("disputed", &it.dispute.is_some())?;
        map.serialize_entry("failure_code", &failure.map(|failure| &failure.code))?;
        map.serialize_entry("failure_message", &failure.map(|failure| &failure.message))?;
        map.serialize_entry("fraud_details", &Empty {})?;
        map.serialize_entry("livemode", &false)?;
        map.serialize_entry("metadata", &it.metadata)?;
        map.serialize_entry("outcome", &it.outcome())?;
        map.serialize_entry("paid", &(it.status == Status::Succeeded))?;
        map.serialize_entry("payment_intent", &it.payment_intent)?;
        map.serialize_entry("payment_method", &it.payment_method)?;
        map.serialize_entry("payment_method_details", &Details(it))?;
        map.serialize_entry("receipt_email", &it.receipt_email)?;
        map.serialize_entry("refunded", &it.is_refunded())?;
        map.serialize_entry("review", &it.review)?;
        map.serialize_entry("status", &it.status)?;
        map.end()
    }
}

/// `payment_method_details`, where an authorised card shows until when it can be captured.
struct Details<'a>(&'a Charge);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instrument =
            payment_method::find(&self.0.payment_method).map(|method| method.instrument);
        let mut map = serializer.serialize_map(None)?;
        match instrument {
            Some(Instrument::UsBankAccount) => {
                map.serialize_entry("type", "us_bank_account")?;
                map.serialize_entry(
                    "us_bank_account",
                    &json!({"bank_name": "STRIPE TEST BANK", "last4": "6789", "account_type": "checking"}),
                )?;
            }
            Some(Instrument::Card(brand, last4, funding)) => {
                let card = Card {
                    amount_authorized: self.0.amount,
                    brand,
                    capture_before: self.0.capture_before,
                    country: "US",
                    exp_month: 12,
                    exp_year: 2040,
                    funding,
                    last4,
                    multicapture: Multicapture {
                        status: if self.0.multicapture {
                            "available"
                        } else {
                            "unavailable"
                        },
                    },
                    network: brand,
                };
                map.serialize_entry("card", &card)?;
                map.serialize_entry("type", "card")?;
            }
            None => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Card {
    amount_authorized: i64,
    brand: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture_before: Option<i64>,
    country: &'static str,
    exp_month: u8,
    exp_year: u16,
    funding: &'static str,
    last4: &'static str,
    multicapture: Multicapture,
    network: &'static str,
}

#[derive(Serialize)]
struct Multicapture {
    status: &'static str,
}
