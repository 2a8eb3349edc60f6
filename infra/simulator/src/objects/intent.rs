//! The `PaymentIntent` as it is stored and as Stripe shows it.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::json::Empty;
use crate::objects::charge::Charge;
use crate::objects::failure::Failure;
use crate::refusal::Refusal;
use crate::table::Row;

/// Stripe's seven statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// There is no payment method yet, or the last attempt failed.
    RequiresPaymentMethod,
    /// There is a payment method; the confirmation is missing.
    RequiresConfirmation,
    /// The customer must authenticate.
    RequiresAction,
    /// An asynchronous charge is under way.
    Processing,
    /// Authorized; the capture is missing.
    RequiresCapture,
    /// Paid.
    Succeeded,
    /// Canceled.
    Canceled,
}

impl Status {
    /// The status as Stripe writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }

    /// Whether an intent never leaves this status.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled)
    }
}

/// Which payment methods an intent accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accepts {
    /// The methods that the dashboard enables; `redirects` when some may redirect the customer.
    Automatic {
        /// `automatic_payment_methods[allow_redirects]` is not `never`.
        redirects: bool,
    },
    /// The types listed in `payment_method_types`.
    Types(Vec<String>),
}

/// Why the last confirmation failed, as shown in `last_payment_error`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LastError {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) charge: Option<String>,
    pub(crate) doc_url: String,
    #[serde(flatten)]
    pub(crate) failure: Failure,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// One intent with the ids of its charges.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) amount_capturable: i64,
    pub(crate) amount_received: i64,
    pub(crate) accepts: Accepts,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) capture_method: String,
    pub(crate) charges: Vec<String>,
    pub(crate) client_secret: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    /// `metadata.payment_id` at the creation: later edits of the metadata do not change what the ledger reports.
    #[serde(default)]
    pub(crate) first_payment_id: Option<String>,
    /// Whether `latest_charge` is not shown yet.
    #[serde(default)]
    pub(crate) hides_charge: bool,
    pub(crate) last_error: Option<Box<LastError>>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Whether its card may be captured in several parts.
    #[serde(default)]
    pub(crate) multicapture: bool,
    pub(crate) page: Option<Box<str>>,
    pub(crate) payment_method: Option<String>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) return_url: Option<String>,
    pub(crate) setup_future_usage: Option<String>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) status: Status,
}

impl Row for Intent {
    const KIND: &'static str = "payment_intent";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Intent {
    /// The id of the newest charge.
    pub(crate) fn latest_charge(&self) -> Option<&str> {
        self.charges.last().map(String::as_str)
    }

    /// Whether a confirmation only authorizes the amount.
    pub(crate) fn is_manual(&self) -> bool {
        self.capture_method == "manual"
    }

    /// The newest charge as far as Stripe shows it.
    fn shown_charge(&self) -> Option<&str> {
        self.latest_charge().filter(|_| !self.hides_charge)
    }

    /// The payment that `metadata.payment_id` named at the creation, or else the id of the intent.
    pub(crate) fn payment_id(&self) -> &str {
        self.first_payment_id.as_deref().unwrap_or(&self.id)
    }

    /// Whether it accepts cards.
    pub(crate) fn accepts_cards(&self) -> bool {
        match &self.accepts {
            Accepts::Automatic { .. } => true,
            Accepts::Types(types) => types.iter().any(|kind| kind == "card"),
        }
    }

    /// The intent as Stripe shows it; with `charge` as the expanded `latest_charge`.
    pub(crate) fn render(&self, charge: Option<&Charge>) -> Box<RawValue> {
        json::render(&Shown {
            intent: self,
            charge,
        })
    }

    /// The conflict of an action that this intent's status forbids: `done` is its participle ("captured"), `allowed`
    /// lists the statuses that permit it.
    pub(crate) fn unexpected_state(&self, done: &str, allowed: &str) -> Refusal {
        let message = format!(
            "This PaymentIntent could not be {done} because it has a status of {}. Only a PaymentIntent \
             with one of the following statuses may be {done}: {allowed}.",
            self.status.as_str()
        );
        Refusal::state("payment_intent_unexpected_state", message).intent(self.render(None))
    }

    fn next_action(&self) -> Option<serde_json::Value> {
        let page = self.page.as_deref()?;
        Some(match &self.return_url {
            Some(return_url) => json!({
                "type": "redirect_to_url",
                "redirect_to_url": {"url": page, "return_url": return_url},
            }),
            None => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page, "source": self.id},
            }),
        })
    }
}

struct Shown<'a> {
    intent: &'a Intent,
    charge: Option<&'a Charge>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NONE: Option<()> = None;
        let it = self.intent;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &it.id)?;
        map.serialize_entry("object", "payment_intent")?;
        map.serialize_entry("amount", &it.amount)?;
        map.serialize_entry("amount_capturable", &it.amount_capturable)?;
        map.serialize_entry("amount_received", &it.amount_received)?;
        map.serialize_entry("application", &NONE)?;
        map.serialize_entry("automatic_payment_methods", &automatic(&it.accepts))?;
        map.serialize_entry("canceled_at", &it.canceled_at)?;
        map.serialize_entry("cancellation_reason", &it.cancellation_reason)?;
        map.serialize_entry("capture_method", &it.capture_method)?;
        map.serialize_entry("client_secret", &it.client_secret)?;
        map.serialize_entry("confirmation_method", "automatic")?;
        map.serialize_entry("created", &it.created)?;
        map.serialize_entry("currency", &it.currency)?;
        map.serialize_entry("customer", &it.customer)?;
        map.serialize_entry("description", &it.description)?;
        map.serialize_entry("last_payment_error", &it.last_error)?;
        match self.charge.filter(|_| !it.hides_charge) {
            Some(charge) => map.serialize_entry("latest_charge", &charge.shown())?,
            None => map.serialize_entry("latest_charge", &it.shown_charge())?,
        }
        map.serialize_entry("livemode", &false)?;
        map.serialize_entry("metadata", &it.metadata)?;
        map.serialize_entry("next_action", &it.next_action())?;
        map.serialize_entry("on_behalf_of", &NONE)?;
        map.serialize_entry("payment_method", &it.payment_method)?;
        map.serialize_entry("payment_method_options", &Empty {})?;
        match &it.accepts {
            Accepts::Automatic { .. } => map.serialize_entry("payment_method_types", &["card"])?,
            Accepts::Types(types) => map.serialize_entry("payment_method_types", types)?,
        }
        map.serialize_entry("processing", &NONE)?;
        map.serialize_entry("receipt_email", &it.receipt_email)?;
        map.serialize_entry("review", &NONE)?;
        map.serialize_entry("setup_future_usage", &it.setup_future_usage)?;
        map.serialize_entry("shipping", &NONE)?;
        map.serialize_entry("source", &NONE)?;
        map.serialize_entry("statement_descriptor", &it.statement_descriptor)?;
        map.serialize_entry(
            "statement_descriptor_suffix",
            &it.statement_descriptor_suffix,
        )?;
        map.serialize_entry("status", &it.status)?;
        map.serialize_entry("transfer_data", &NONE)?;
        map.serialize_entry("transfer_group", &NONE)?;
        map.end()
    }
}

fn automatic(accepts: &Accepts) -> Option<serde_json::Value> {
    let Accepts::Automatic { redirects } = accepts else {
        return None;
    };
    let allow = if *redirects { "always" } else { "never" };
    Some(json!({"allow_redirects": allow, "enabled": true}))
}
