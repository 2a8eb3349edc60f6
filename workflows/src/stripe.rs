//! Snapshots of Stripe's objects. They hold the fields that a decision needs; every other field is ignored.

mod disputes;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

pub use disputes::{Dispute, DisputeStatus, EvidenceDetails, FraudWarning, Review};

/// The key of `metadata` that carries our payment's id on every intent we create; see [`id_of`].
pub const PAYMENT_ID: &str = "payment_id";

/// The key of `metadata` that carries the merchant's id on every intent and refund we create; see [`id_of`].
pub const ACCOUNT_ID: &str = "account_id";

/// The key of `metadata` that carries our refund's id on every refund we create; see [`id_of`].
pub const REFUND_ID: &str = "refund_id";

/// The id that one of our marks in Stripe's metadata names, written as clients see it (a `TypeID` such as `pay_…`) or as a
/// bare UUID. Other text belongs to another program.
#[must_use]
pub fn id_of(text: &str) -> Option<Uuid> {
    let id = text.parse::<TypeSafeId<DynamicType>>();
    id.map_or_else(|_| text.parse().ok(), |id| Some(id.uuid()))
}

/// The status of a `PaymentIntent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// A payment method is missing, or the last one was declined.
    RequiresPaymentMethod,
    /// It has a payment method and waits for a confirm.
    RequiresConfirmation,
    /// The customer must act, for example with 3-D Secure.
    RequiresAction,
    /// An asynchronous method is under way.
    Processing,
    /// The money is authorized and waits for its capture.
    RequiresCapture,
    /// The money is captured. Never left.
    Succeeded,
    /// It ended without money. Never left.
    Canceled,
    /// A status that this version does not know: the payment does not move.
    #[serde(other)]
    Unknown,
}

/// The status of a Charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// Under way.
    Pending,
    /// Paid, or authorized when `captured` is false.
    Succeeded,
    /// Declined.
    Failed,
    /// A status that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The status of a Refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Under way.
    Pending,
    /// The customer must act to receive the money.
    RequiresAction,
    /// The money is on its way back.
    Succeeded,
    /// The bank sent the money back to us.
    Failed,
    /// Withdrawn before it happened.
    Canceled,
    /// A status that this version does not know: the refund does not move.
    #[serde(other)]
    Unknown,
}

/// A snapshot of a `PaymentIntent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// `pi_…`
    pub id: String,
    /// Its status.
    pub status: IntentStatus,
    /// Its amount, in the currency's unit.
    pub amount: i64,
    /// How much can still be captured.
    #[serde(default)]
    pub amount_capturable: i64,
    /// How much has been captured.
    #[serde(default)]
    pub amount_received: i64,
    /// Three letters in lower case.
    pub currency: String,
    /// The secret by which the customer's browser may confirm. Never logged, never on Kafka.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The action that the customer must take. May hold secrets of the customer.
    #[serde(default)]
    pub next_action: Option<Value>,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_payment_error: Option<StripeError>,
    /// The newest charge that an attempt made; an older attempt's while the newest has made none.
    #[serde(default, deserialize_with = "expandable")]
    pub latest_charge: Option<ChargeRef>,
    /// Why it was canceled.
    #[serde(default)]
    pub cancellation_reason: Option<String>,
    /// `pm_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_method: Option<String>,
    /// Our metadata; see [`PAYMENT_ID`].
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Unix seconds.
    #[serde(default)]
    pub created: i64,
}

impl Intent {
    /// The id of [`Intent::latest_charge`].
    #[must_use]
    pub fn charge_id(&self) -> Option<&str> {
        self.latest_charge.as_ref().map(|charge| charge.id.as_str())
    }

    /// Until when the authorization can be captured, in Unix seconds; known only where the charge came expanded.
    #[must_use]
    pub fn capture_before(&self) -> Option<i64> {
        self.latest_charge.as_ref()?.capture_before
    }

    /// Whether the authorization can be captured in several parts; known only where the charge came expanded.
    #[must_use]
    pub fn multicapture(&self) -> Option<bool> {
        self.latest_charge.as_ref()?.multicapture
    }
}

/// A charge inside another object: its id, and the deadline that an expanded one has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChargeRef {
    /// `ch_…`
    pub id: String,
    /// `payment_method_details.card.capture_before`, in Unix seconds.
    pub capture_before: Option<i64>,
    /// Whether it may be captured in several parts: `payment_method_details.card.multicapture.status`.
    pub multicapture: Option<bool>,
}

/// A snapshot of a Charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// `pi_…`, absent where the charge was made without an intent.
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_intent: Option<String>,
    /// Its status.
    pub status: ChargeStatus,
    /// Whether the money was taken, rather than only authorized.
    #[serde(default)]
    pub captured: bool,
    /// Its amount, in the currency's unit.
    pub amount: i64,
    /// How much of it was taken.
    #[serde(default)]
    pub amount_captured: i64,
    /// How much of it was given back.
    #[serde(default)]
    pub amount_refunded: i64,
    /// Whether it is or was disputed, by an inquiry too.
    #[serde(default)]
    pub disputed: bool,
    /// Three letters in lower case.
    #[serde(default)]
    pub currency: String,
    /// `pm_…`
    #[serde(default)]
    pub payment_method: Option<String>,
    /// Why it failed, as a code.
    #[serde(default)]
    pub failure_code: Option<String>,
    /// Why it failed, as a sentence.
    #[serde(default)]
    pub failure_message: Option<String>,
    /// What the bank and its network said.
    #[serde(default)]
    pub outcome: Option<ChargeOutcome>,
    /// Copied by Stripe from the intent; see [`PAYMENT_ID`].
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// What the bank and its network said about a charge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeOutcome {
    /// `authorized`, `issuer_declined`, `blocked`, …
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// The decline code, where the issuer declined.
    #[serde(default)]
    pub reason: Option<String>,
    /// See [`StripeError::advice_code`].
    #[serde(default)]
    pub advice_code: Option<String>,
    /// See [`StripeError::network_decline_code`].
    #[serde(default)]
    pub network_decline_code: Option<String>,
    /// See [`StripeError::network_advice_code`].
    #[serde(default)]
    pub network_advice_code: Option<String>,
}

impl Charge {
    /// The failure of this charge as an error, if it failed.
    #[must_use]
    pub fn error(&self) -> Option<StripeError> {
        (self.status == ChargeStatus::Failed).then(|| {
            let outcome = self.outcome.clone().unwrap_or_default();
            let declined = outcome.kind.as_deref() == Some("issuer_declined");
            StripeError {
                kind: Some("card_error".to_owned()),
                code: self.failure_code.clone(),
                decline_code: outcome.reason.filter(|_| declined),
                advice_code: outcome.advice_code,
                network_decline_code: outcome.network_decline_code,
                network_advice_code: outcome.network_advice_code,
                param: None,
                message: self.failure_message.clone(),
                charge: Some(self.id.clone()),
            }
        })
    }
}

/// A snapshot of a Refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// Where it stands; Stripe documents the field as nullable, and a refund without one does not move.
    #[serde(default = "unknown_refund_status")]
    pub status: RefundStatus,
    /// In the currency's unit.
    pub amount: i64,
    /// Three letters in lower case.
    pub currency: String,
    /// `ch_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub charge: Option<String>,
    /// `pi_…`
    #[serde(default, deserialize_with = "expandable_id")]
    pub payment_intent: Option<String>,
    /// Why it was made.
    #[serde(default)]
    pub reason: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// Our metadata; see [`REFUND_ID`].
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Unix seconds.
    #[serde(default)]
    pub created: i64,
}

/// An error as Stripe sends it: the body of a refusal, or the reason of a failed attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeError {
    /// `card_error`, `invalid_request_error`, …
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// `card_declined`, …
    #[serde(default)]
    pub code: Option<String>,
    /// `insufficient_funds`, …
    #[serde(default)]
    pub decline_code: Option<String>,
    /// What to do next: `do_not_try_again`, `try_again_later`, `confirm_card_data`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice_code: Option<String>,
    /// The network's own code for the decline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_decline_code: Option<String>,
    /// The network's own code for what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_advice_code: Option<String>,
    /// The parameter that Stripe refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// A sentence for a human.
    #[serde(default)]
    pub message: Option<String>,
    /// The charge that failed.
    #[serde(default)]
    pub charge: Option<String>,
}

fn unknown_refund_status() -> RefundStatus {
    RefundStatus::Unknown
}

/// A field that may be expanded: an id, or the whole object.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expandable {
    Id(String),
    Object {
        id: String,
        #[serde(default)]
        capture_before: Option<i64>,
        #[serde(default)]
        multicapture: Option<bool>,
        #[serde(default)]
        payment_method_details: Option<Value>,
    },
}

fn expandable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ChargeRef>, D::Error> {
    let found = Option::<Expandable>::deserialize(deserializer)?;
    Ok(found.map(|expandable| match expandable {
        Expandable::Id(id) => ChargeRef {
            id,
            capture_before: None,
            multicapture: None,
        },
        Expandable::Object {
            id,
            capture_before,
            multicapture,
            payment_method_details,
        } => {
            let of_card = |pointer| payment_method_details.as_ref()?.pointer(pointer);
            ChargeRef {
                id,
                capture_before: capture_before
                    .or_else(|| of_card("/card/capture_before")?.as_i64()),
                multicapture: multicapture
                    .or_else(|| Some(of_card("/card/multicapture/status")? == "available")),
            }
        }
    }))
}

fn expandable_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(expandable(deserializer)?.map(|object| object.id))
}
