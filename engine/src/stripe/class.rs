//! What an answer of Stripe means for the call that it answers.

use workflows::payment::Call;
use workflows::stripe::StripeError;

/// What is to be done after a call that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing is decided yet: the same call with the same key, later, as long as the key is younger than 23 hours.
    Retry,
    /// It may have been executed: the same key once more, then retrieve or list.
    Unknown,
    /// A 5xx that Stripe saved under the key and would only replay: never loop on it. Retrieve; only an object that proves that nothing happened allows another call.
    Saved,
    /// The bank or the customer's method said no: the attempt has failed.
    Business,
    /// The object has moved on (the normal loser of cancel against capture): retrieve and adopt.
    Conflict,
    /// What was asked for has been done before: retrieve and adopt.
    AlreadyDone,
    /// Stripe will never do this; the reason is in the error.
    Refused,
    /// A fault of ours or of the configuration: for an operator, no retry.
    Impossible,
}

impl Class {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Saved => "saved",
            Self::Business => "business",
            Self::Conflict => "conflict",
            Self::AlreadyDone => "already_done",
            Self::Refused => "refused",
            Self::Impossible => "impossible",
        }
    }
}

/// The head of an answer that is no success, and the error object of its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Stripe-Should-Retry`.
    pub should_retry: Option<bool>,
    /// `Idempotent-Replayed: true`: the saved answer of an earlier try.
    pub replayed: bool,
    /// The error object; nothing where the body could not be read.
    pub error: Option<&'a StripeError>,
}

/// Says what an answer means for `call`; `None` is a read, which changes nothing and so is never unknown.
///
/// `Stripe-Should-Retry` is obeyed first, as Stripe asks its clients to; only a replayed 5xx is beyond it.
#[must_use]
pub fn classify(call: Option<Call>, refusal: &Refusal<'_>) -> Class {
    let class = of_any_call(refusal).unwrap_or_else(|| of_call(call, refusal));
    match (call, class) {
        (None, Class::Unknown | Class::Saved) => Class::Retry,
        (_, class) => class,
    }
}

/// The rules that do not depend on the call.
fn of_any_call(refusal: &Refusal<'_>) -> Option<Class> {
    // A replay proves that the error is saved: the same key would bring it for ever, even where the saved header says to retry.
    if refusal.status >= 500 && refusal.replayed {
        return Some(Class::Saved);
    }
    if refusal.should_retry == Some(true) {
        return Some(Class::Retry);
    }
    let told_not_to = refusal.should_retry == Some(false);
    match refusal.status {
        500.. if told_not_to => return Some(Class::Saved),
        500.. if refusal.error.is_some() => return Some(Class::Retry),
        // 429 comes before the idempotency layer: nothing was executed, whatever the body looks like.
        429 if !told_not_to => return Some(Class::Retry),
        _ => {}
    }
    let Some(error) = refusal.error else {
        return Some(Class::Unknown);
    };
    match error.code.as_deref().unwrap_or_default() {
        "idempotency_key_in_use" | "lock_timeout" if told_not_to => Some(Class::Unknown),
        "idempotency_key_in_use" | "lock_timeout" => Some(Class::Retry),
        "payment_intent_unexpected_state" | "intent_invalid_state" => Some(Class::Conflict),
        "charge_already_captured" | "charge_already_refunded" => Some(Class::AlreadyDone),
        _ => match refusal.status {
            409 | 429 if told_not_to => Some(Class::Unknown),
            409 => Some(Class::Retry),
            401 | 403 => Some(Class::Impossible),
            400..=499 if kind(error) == "idempotency_error" => Some(Class::Impossible),
            400..=499 => None,
            _ => Some(Class::Unknown),
        },
    }
}

/// What a definitive 4xx means for the call that got it.
fn of_call(call: Option<Call>, refusal: &Refusal<'_>) -> Class {
    let code = refusal.error.and_then(|error| error.code.as_deref());
    let declined = refusal.status == 402 || refusal.error.map(kind) == Some("card_error");
    match call {
        Some(Call::CreateIntent | Call::CreateRefund) => Class::Refused,
        Some(Call::CaptureIntent) if is_too_late(code) => Class::Refused,
        Some(Call::ConfirmIntent | Call::CaptureIntent) if declined => Class::Business,
        Some(Call::ConfirmIntent | Call::CaptureIntent | Call::CancelIntent) | None => {
            Class::Impossible
        }
    }
}

/// The authorization is gone, so that this capture can never succeed.
fn is_too_late(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("charge_expired_for_capture" | "capture_charge_authorization_expired")
    )
}

fn kind(error: &StripeError) -> &str {
    error.kind.as_deref().unwrap_or_default()
}
