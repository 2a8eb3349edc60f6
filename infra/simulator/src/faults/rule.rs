//! One rule: a fault, how often it is injected, and into which requests or webhooks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fault that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// 429 before the idempotency layer.
    RateLimited,
    /// 401 before the idempotency layer, as for a key that Stripe does not know.
    KeyRefused,
    /// 403 before the idempotency layer, as for a restricted key that lacks a right.
    Forbidden,
    /// 409 `lock_timeout`; nothing is executed or saved.
    Conflict,
    /// A 5xx; nothing is executed or saved.
    ErrorBefore,
    /// The connection is closed; nothing is executed.
    DropBefore,
    /// Execution starts `ms` later, and ends even if the client has gone.
    DelayBefore,
    /// A 5xx that is saved under its key although nothing happened.
    ErrorDuring,
    /// A 5xx that is saved under its key although everything happened.
    ErrorAfter,
    /// Executed and saved, then the connection is closed without an answer.
    DropAfter,
    /// Executed and saved, then the answer waits `ms`.
    DelayAfter,
    /// Executed and saved, then answered 502 with a page of HTML.
    HtmlAfter,
    /// Executed and saved, then answered with half of the JSON.
    TruncatedAfter,
    /// A webhook is sent `copies` times more.
    WebhookDuplicated,
    /// Webhooks are held for `ms` and then sent in another order.
    WebhookShuffled,
    /// A webhook is sent `ms` later.
    WebhookLate,
    /// A webhook is never sent; the event can only be listed.
    WebhookLost,
    /// `latest_charge` of a paid intent is null, and `charge.succeeded` is not sent, until `ms` later.
    ChargeLate,
    /// The rest of a partial capture and an expired authorization are released by a refund with the reason
    /// `expired_uncaptured_charge`.
    ReleaseRefund,
}

/// When a fault is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before the idempotency layer (a delay: before execution).
    Before,
    /// In place of an execution.
    During,
    /// After an execution.
    After,
    /// When a webhook is sent.
    Webhook,
    /// When an object changes.
    Object,
}

impl Fault {
    /// All faults.
    pub(crate) const ALL: [Self; 19] = [
        Self::RateLimited,
        Self::KeyRefused,
        Self::Forbidden,
        Self::Conflict,
        Self::ErrorBefore,
        Self::DropBefore,
        Self::DelayBefore,
        Self::ErrorDuring,
        Self::ErrorAfter,
        Self::DropAfter,
        Self::DelayAfter,
        Self::HtmlAfter,
        Self::TruncatedAfter,
        Self::WebhookDuplicated,
        Self::WebhookShuffled,
        Self::WebhookLate,
        Self::WebhookLost,
        Self::ChargeLate,
        Self::ReleaseRefund,
    ];

    /// When it is injected.
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::RateLimited
            | Self::KeyRefused
            | Self::Forbidden
            | Self::Conflict
            | Self::ErrorBefore
            | Self::DropBefore
            | Self::DelayBefore => Stage::Before,
            Self::ErrorDuring => Stage::During,
            Self::ErrorAfter
            | Self::DropAfter
            | Self::DelayAfter
            | Self::HtmlAfter
            | Self::TruncatedAfter => Stage::After,
            Self::WebhookDuplicated
            | Self::WebhookShuffled
            | Self::WebhookLate
            | Self::WebhookLost => Stage::Webhook,
            Self::ChargeLate | Self::ReleaseRefund => Stage::Object,
        }
    }

    /// Whether it excludes further faults of its stage.
    pub(crate) fn ends(self) -> bool {
        !matches!(
            self,
            Self::DelayBefore
                | Self::DelayAfter
                | Self::WebhookDuplicated
                | Self::WebhookShuffled
                | Self::WebhookLate
                | Self::ChargeLate
                | Self::ReleaseRefund
        )
    }
}

/// One rule of `PUT /_sim/faults`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The fault.
    pub(crate) fault: Fault,
    /// Its probability, 1 when not given.
    #[serde(default = "certain")]
    pub(crate) probability: f64,
    /// Only each nth request or webhook that the rule covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<u64>,
    /// At most so many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// How many in a row, once it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst: Option<u64>,
    /// Only this route, `payment_intents.confirm`, or a group of them, `refunds.*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Only events of this type, or a group of them.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Status of a 5xx, 500 when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// `Stripe-Should-Retry` of a 5xx, absent when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) should_retry: Option<bool>,
    /// Milliseconds of a delay or window, 100 when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ms: Option<u64>,
    /// How many more times a webhook is sent, 1 when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copies: Option<u64>,
}

fn certain() -> f64 {
    1.0
}

impl Rule {
    /// The length of the delay or window.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.ms.unwrap_or(100))
    }
}

/// Parses the faults that a request asks for itself, `Pawl-Sim-Fault: delay_after=500, drop_after`; a number is
/// milliseconds for a delay and a status for an error, and `;retry` or `;final` sets `Stripe-Should-Retry`.
pub(crate) fn parse_header(text: &str) -> Result<Vec<Rule>, String> {
    text.split(',')
        .map(|part| parse_fault(part.trim()))
        .collect()
}

fn parse_fault(text: &str) -> Result<Rule, String> {
    let (text, should_retry) = match text.split_once(';') {
        None => (text, None),
        Some((text, "retry")) => (text, Some(true)),
        Some((text, "final")) => (text, Some(false)),
        Some((_, other)) => return Err(format!("neither retry nor final: {other}")),
    };
    let (name, number) = match text.split_once('=') {
        None => (text, None),
        Some((name, number)) => {
            let number = number.parse::<u64>();
            (
                name,
                Some(number.map_err(|_| format!("not a number in {text}"))?),
            )
        }
    };
    let fault =
        serde_json::from_value(name.into()).map_err(|_| format!("no fault is called {name}"))?;
    let is_delay = matches!(fault, Fault::DelayBefore | Fault::DelayAfter);
    Ok(Rule {
        fault,
        probability: certain(),
        every: None,
        count: None,
        burst: None,
        route: None,
        kind: None,
        status: number
            .filter(|_| !is_delay)
            .and_then(|number| u16::try_from(number).ok()),
        should_retry,
        ms: number.filter(|_| is_delay),
        copies: None,
    })
}
