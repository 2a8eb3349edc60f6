//! Classifies unsuccessful answers: the class of an answer decides what follows.

use workflows::payment::Call;
use workflows::stripe::StripeError;

/// What follows from a call that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It was not executed: repeat the call with the same key later, while the key is younger than 23 hours.
    Retry,
    /// It may have been executed: repeat it once with the same key, then retrieve or list the object.
    Unknown,
    /// A 5xx that Stripe saved under the key and would only replay, so never repeat it. Retrieve the object; only if it proves
    /// that nothing happened may another call be made.
    Saved,
    /// The bank or the payment method declined: the attempt has failed.
    Business,
    /// The object's status no longer allows the call (a cancel that came after a capture): retrieve the object and apply it.
    Conflict,
    /// The requested change was made before: retrieve the object and apply it.
    AlreadyDone,
    /// Stripe refuses it permanently; the reason is in the error.
    Refused,
    /// Stripe refuses the API key (401) or a right that it lacks (403), before anything is executed: the call is due again
    /// once the key is right, and this was no try.
    KeyRefused,
    /// A fault of ours: it needs an operator and is not retried.
    Impossible,
}

impl Class {
    /// The label value in metrics.
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
            Self::KeyRefused => "key_refused",
            Self::Impossible => "impossible",
        }
    }
}

/// The parts of an unsuccessful answer that decide its class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusal<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Stripe-Should-Retry`.
    pub should_retry: Option<bool>,
    /// `Idempotent-Replayed: true`: the saved answer of an earlier try.
    pub replayed: bool,
    /// The error object; `None` if the body could not be read.
    pub error: Option<&'a StripeError>,
}

/// Classifies an answer to `call`. `None` is a read, which changes nothing and so is never unknown.
///
/// `Stripe-Should-Retry` takes precedence, as Stripe asks of its clients, except over a replayed 5xx.
#[must_use]
pub fn classify(call: Option<Call>, refusal: &Refusal<'_>) -> Class {
    let class = classify_any_call(refusal).unwrap_or_else(|| classify_for_call(call, refusal));
    match (call, class) {
        (None, Class::Unknown | Class::Saved) => Class::Retry,
        (_, class) => class,
    }
}

/// The rules that do not depend on the call.
fn classify_any_call(refusal: &Refusal<'_>) -> Option<Class> {
    // A replay proves that the error is saved: the same key would return it every time, even if the saved header says retry.
    if refusal.status >= 500 && refusal.replayed {
        return Some(Class::Saved);
    }
    if refusal.should_retry == Some(true) {
        return Some(Class::Retry);
    }
    let must_not_retry = refusal.should_retry == Some(false);
    match refusal.status {
        500.. if must_not_retry => return Some(Class::Saved),
        500.. if refusal.error.is_some() => return Some(Class::Retry),
        // 429 comes before the idempotency layer: nothing was executed, whatever the body looks like.
        429 if !must_not_retry => return Some(Class::Retry),
        _ => {}
    }
    let Some(error) = refusal.error else {
        return Some(Class::Unknown);
    };
    match error.code.as_deref().unwrap_or_default() {
        "idempotency_key_in_use" | "lock_timeout" if must_not_retry => Some(Class::Unknown),
        "idempotency_key_in_use" | "lock_timeout" => Some(Class::Retry),
        "payment_intent_unexpected_state" | "intent_invalid_state" => Some(Class::Conflict),
        "charge_already_captured" | "charge_already_refunded" => Some(Class::AlreadyDone),
        _ => match refusal.status {
            409 | 429 if must_not_retry => Some(Class::Unknown),
            409 => Some(Class::Retry),
            401 | 403 => Some(Class::KeyRefused),
            400..=499 if kind(error) == "idempotency_error" => Some(Class::Impossible),
            400..=499 => None,
            _ => Some(Class::Unknown),
        },
    }
}

/// The rules for a final 4xx, which depend on the call.
fn classify_for_call(call: Option<Call>, refusal: &Refusal<'_>) -> Class {
    let code = refusal.error.and_then(|error| error.code.as_deref());
    let declined = refusal.status == 402 || refusal.error.map(kind) == Some("card_error");
    match call {
        Some(
            Call::CreateIntent | Call::CreateRefund | Call::UpdateDispute | Call::CloseDispute,
        ) => Class::Refused,
        Some(Call::CaptureIntent) if is_too_late(code) => Class::Refused,
        Some(Call::ConfirmIntent | Call::CaptureIntent) if declined => Class::Business,
        _ => Class::Impossible,
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
