//! The reason of a failed charge or authentication, as errors, intents and charges show it.

use serde::{Deserialize, Serialize};

use crate::objects::payment_method::Decline;

/// Why a charge or an authentication failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Stripe's advice to the merchant, `try_again_later`, `confirm_card_data` or `do_not_try_again`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) advice_code: Option<String>,
    /// Stripe's error code.
    pub(crate) code: String,
    /// The reason that the bank gave.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) decline_code: Option<String>,
    /// A text for the customer.
    pub(crate) message: String,
    /// The card network's advice, such as `02`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) network_advice_code: Option<String>,
    /// The card network's reason, such as `51`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) network_decline_code: Option<String>,
}

/// The parts of a failure that `/_sim/outcomes` replaces.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replacement {
    advice_code: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    network_advice_code: Option<String>,
    network_decline_code: Option<String>,
}

impl From<&Decline> for Failure {
    fn from(decline: &Decline) -> Self {
        Self {
            advice_code: decline.advice.map(str::to_owned),
            code: decline.code.to_owned(),
            decline_code: decline.reason.map(str::to_owned),
            message: decline.message.to_owned(),
            network_advice_code: None,
            network_decline_code: None,
        }
    }
}

impl Failure {
    /// The failure with the parts that `replacement` has.
    pub(crate) fn with(self, replacement: Replacement) -> Self {
        Self {
            advice_code: replacement.advice_code.or(self.advice_code),
            code: replacement.code.unwrap_or(self.code),
            decline_code: replacement.decline_code.or(self.decline_code),
            message: replacement.message.unwrap_or(self.message),
            network_advice_code: replacement.network_advice_code.or(self.network_advice_code),
            network_decline_code: replacement
                .network_decline_code
                .or(self.network_decline_code),
        }
    }
}

/// The address of Stripe's documentation of an error code.
pub(crate) fn doc_url(code: &str) -> String {
    let page = code.replace('_', "-");
    format!("https://stripe.com/docs/error-codes/{page}")
}
