//! The requests that callers make of the engine, and the answers that they get.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use workflows::money::Money;
use workflows::payment::{CaptureMethod, OnExpiry};

use crate::record::{Notes, Record, RefundRecord};

/// A payment as a client requests it.
#[derive(Debug, Clone)]
pub struct NewPayment {
    /// The sum that the customer is to pay.
    pub money: Money,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// Ask Stripe that it may be captured in several parts.
    pub multicapture: bool,
    /// What happens before its authorization ends.
    pub authorization_expiry: OnExpiry,
    /// Confirm as soon as the intent exists.
    pub confirm: bool,
    /// Stripe's id of a payment method.
    pub payment_method: Option<String>,
    /// Where Stripe sends the customer back to.
    pub return_url: Option<String>,
    /// Cancel it when it is not finished after this time.
    pub expires_in: Option<Duration>,
    /// The merchant's notes.
    pub notes: Notes,
}

/// A client's command to an existing payment, or to what belongs to it.
#[derive(Debug, Clone)]
pub enum Command {
    /// Charge the customer.
    Confirm {
        /// Instead of the payment's own.
        payment_method: Option<String>,
        /// Instead of the payment's own.
        return_url: Option<String>,
    },
    /// Take the authorized money.
    Capture {
        /// All that is capturable when absent.
        amount: Option<i64>,
        /// Release the rest; otherwise more can be captured later.
        is_final: bool,
    },
    /// End the payment without taking money.
    Cancel {
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
    /// Give money back.
    Refund {
        /// All that is left when absent.
        amount: Option<i64>,
        /// One of Stripe's reasons.
        reason: Option<String>,
    },
    /// Store evidence of a dispute, or send it to the bank.
    SubmitEvidence {
        /// Our id of the dispute.
        dispute: Uuid,
        /// Texts and ids of files by Stripe's names of the fields.
        evidence: BTreeMap<String, String>,
        /// Whether the bank gets it now.
        submit: bool,
    },
    /// Accept a dispute.
    AcceptDispute {
        /// Our id of the dispute.
        dispute: Uuid,
    },
}

impl Command {
    /// The command's name in traces.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Capture { .. } => "capture",
            Self::Cancel { .. } => "cancel",
            Self::Refund { .. } => "refund",
            Self::SubmitEvidence { .. } => "evidence",
            Self::AcceptDispute { .. } => "accept dispute",
        }
    }
}

/// The idempotency key of a request. Two requests are the same when account, method, path and key are equal; the second
/// one must then have the same body.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's account.
    pub account: Uuid,
    /// `POST`.
    pub method: String,
    /// The path, with its ids.
    pub path: String,
    /// The client's key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// What Stripe keeps of the request that made an intent or a refund, in the object's metadata. If this database is restored to
/// an earlier moment, the request's answer is found again by it, and a retry makes nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMark {
    /// The client's key.
    pub idempotency_key: String,
    /// SHA-256 of the body, in hexadecimal.
    pub body_hash: String,
    /// The merchant's own order id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl RequestMark {
    /// The mark of a request.
    pub(crate) fn of(idempotency: &Idempotency, reference: Option<String>) -> Self {
        Self {
            idempotency_key: idempotency.key.clone(),
            body_hash: hex::encode(idempotency.body_hash),
            reference,
        }
    }

    /// The mark in an object's metadata; none if it bears none, or another program has changed it.
    pub(crate) fn in_metadata(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let mark = Self {
            idempotency_key: metadata.get("idempotency_key")?.clone(),
            body_hash: metadata.get("body_hash")?.clone(),
            reference: metadata.get("reference").cloned(),
        };
        mark.hash().map(|_| mark)
    }

    /// The bytes of [`RequestMark::body_hash`].
    fn hash(&self) -> Option<[u8; 32]> {
        hex::decode(&self.body_hash).ok()?.try_into().ok()
    }

    /// The request that a client repeats: the mark's key on this path of the account.
    pub(crate) fn request(&self, account: Uuid, path: String) -> Option<Idempotency> {
        let is_key = (1..=255).contains(&self.idempotency_key.chars().count());
        Some(Idempotency {
            account,
            method: "POST".into(),
            path,
            key: self.idempotency_key.clone(),
            body_hash: self.hash().filter(|_| is_key)?,
        })
    }
}

/// [`Idempotency`] without the hash of the body: what must be unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestKey {
    account: Uuid,
    key: String,
    method: String,
    path: String,
}

impl RequestKey {
    /// The key with these parts.
    pub(crate) const fn new(account: Uuid, method: String, path: String, key: String) -> Self {
        Self {
            account,
            key,
            method,
            path,
        }
    }
}

impl Idempotency {
    /// The part of it that must be unique.
    pub(crate) fn unique(&self) -> RequestKey {
        RequestKey::new(
            self.account,
            self.method.clone(),
            self.path.clone(),
            self.key.clone(),
        )
    }
}

/// The answer to a request that is durable.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The view of `subject` as JSON.
    pub body: Bytes,
    /// Whether it repeats the answer to an earlier request with the same idempotency key.
    pub replayed: bool,
    /// The payment that was created or changed.
    pub payment: Uuid,
    /// The payment itself, the refund that was created, or the dispute.
    pub subject: Uuid,
    /// The version of the payment after the request.
    pub version: i64,
}

impl Answer {
    /// The answer to the request that made a payment, as the payment is now.
    pub(crate) fn of_payment(record: &Record) -> Self {
        let (view, payment) = (record.render(), record.stream.payment.id);
        Self {
            status: 201,
            body: view.body,
            replayed: false,
            payment,
            subject: payment,
            version: view.version,
        }
    }

    /// The answer to the request that made a refund, as the refund and its payment are now.
    pub(crate) fn of_refund(record: &RefundRecord) -> Self {
        Self {
            status: 201,
            body: record.render(),
            replayed: false,
            payment: record.payment,
            subject: record.refund.id,
            // Only an answer about a payment names its version.
            version: 0,
        }
    }
}

/// An [`Answer`] that is kept under the idempotency key of its request.
#[derive(Debug, Clone)]
pub(crate) struct SavedAnswer {
    /// SHA-256 of the request's body.
    pub(crate) body_hash: Vec<u8>,
    /// The answer, with `replayed` set.
    pub(crate) answer: Answer,
}

impl SavedAnswer {
    /// Keeps the answer for requests that repeat this one.
    pub(crate) fn new(body_hash: &[u8], answer: &Answer) -> Self {
        Self {
            body_hash: body_hash.to_vec(),
            answer: Answer {
                replayed: true,
                ..answer.clone()
            },
        }
    }

    /// The answer to a request with the same key; none if its body is another one.
    pub(crate) fn answer_to(&self, request: &Idempotency) -> Option<Answer> {
        (self.body_hash == request.body_hash).then(|| self.answer.clone())
    }
}
