//! From the bodies of clients to what the engine is asked, and the identity of such a request.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use contracts::request;
use contracts::request::{
    CancelPayment, CapturePayment, ConfirmPayment, CreatePayment, CreateRefund,
};
use infra::http::RequestError;
use workflows::payment::{CaptureMethod, OnExpiry};

use super::check::money;
use crate::code::IDEMPOTENCY_KEY_INVALID;
use crate::record::Notes;
use crate::request::{Command, NewPayment};

/// The most characters of an idempotency key, which is Stripe's limit too.
const KEY_LENGTH: usize = 255;

/// The payment that a body asks for; here the sum becomes `Money`.
///
/// # Errors
/// If the currency is unknown, or Stripe does not charge this amount in it.
pub fn new_payment(request: CreatePayment) -> Result<NewPayment, RequestError> {
    Ok(NewPayment {
        money: money(request.amount, &request.currency)?,
        capture_method: match request.capture_method {
            request::CaptureMethod::Automatic => CaptureMethod::Automatic,
            request::CaptureMethod::Manual => CaptureMethod::Manual,
        },
        multicapture: request.multicapture,
        authorization_expiry: match request.authorization_expiry {
            request::AuthorizationExpiry::Alert => OnExpiry::Alert,
            request::AuthorizationExpiry::Capture => OnExpiry::Capture,
            request::AuthorizationExpiry::Cancel => OnExpiry::Cancel,
        },
        confirm: request.confirm,
        payment_method: request.payment_method,
        return_url: request.return_url,
        expires_in: request
            .expires_in
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
        notes: Notes {
            reference: request.reference,
            customer: request.customer,
            description: request.description,
            statement_descriptor: request.statement_descriptor,
            payment_method_types: request.payment_method_types,
            metadata: request.metadata,
        },
    })
}

impl From<ConfirmPayment> for Command {
    fn from(body: ConfirmPayment) -> Self {
        Self::Confirm {
            payment_method: body.payment_method,
            return_url: body.return_url,
        }
    }
}

impl From<CapturePayment> for Command {
    fn from(body: CapturePayment) -> Self {
        Self::Capture {
            amount: body.amount,
            is_final: body.is_final.unwrap_or(true),
        }
    }
}

impl From<CancelPayment> for Command {
    fn from(body: CancelPayment) -> Self {
        Self::Cancel {
            reason: body.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}

impl From<CreateRefund> for Command {
    fn from(body: CreateRefund) -> Self {
        Self::Refund {
            amount: body.amount,
            reason: body.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}

/// SHA-256 of method, path and the body's bytes: equal requests have equal hashes.
#[must_use]
pub fn body_hash(method: &str, path: &str, body: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    // A newline separates them, which neither a method nor a path of Pawl can hold.
    for part in [method, "\n", path, "\n"] {
        context.update(part.as_bytes());
    }
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Checks an idempotency key: 1 to 255 visible ASCII characters and spaces. `param` is the header or field that it came in.
///
/// # Errors
/// If it is another text.
pub fn check_key(param: &str, key: &str) -> Result<(), RequestError> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if (1..=KEY_LENGTH).contains(&key.len())
        && key.trim_matches(' ') == key
        && key.bytes().all(is_visible)
    {
        return Ok(());
    }
    Err(RequestError::new(
        IDEMPOTENCY_KEY_INVALID,
        param,
        "The key must be given once and have 1 to 255 visible ASCII characters.",
    ))
}
