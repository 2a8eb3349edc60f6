//! A payment as Postgres holds it: what the machine decides about, and what only the merchant cares for.

use bytes::Bytes;
use contracts::id::{AttemptId, PaymentId, RefundId};
use contracts::request::{Customer, Metadata};
use contracts::view::{AttemptView, ErrorView, PaymentView, RefundView};
use infra::id::AccountId;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::attempt::Attempt;
use workflows::payment::Payment;
use workflows::stripe::StripeError;

use crate::store::refund::Stored;

/// A payment with its latest attempt and the merchant's notes on it.
#[derive(Debug, Clone)]
pub struct Record {
    /// What `step` decides about.
    pub payment: Payment,
    /// The latest confirmation.
    pub attempt: Option<Attempt>,
    /// The merchant that it belongs to.
    pub account: Uuid,
    /// What the merchant noted when it was made.
    pub notes: Notes,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// When its version was reached.
    pub updated_at: OffsetDateTime,
}

/// What a merchant notes on a payment. Nothing here moves it.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The merchant's own order id, unique in the account.
    pub reference: Option<String>,
    /// Who pays.
    pub customer: Option<Customer>,
    /// Shown on receipts.
    pub description: Option<String>,
    /// Shown on the bank statement.
    pub statement_descriptor: Option<String>,
    /// Notes by key.
    pub metadata: Metadata,
}

/// A payment as its bytes go over the wire.
#[derive(Debug, Clone)]
pub struct View {
    /// The version that the bytes show.
    pub version: i64,
    /// A [`PaymentView`] as JSON.
    pub body: Bytes,
}

impl Record {
    /// What a client sees of it.
    #[must_use]
    pub fn view(&self) -> PaymentView {
        let payment = &self.payment;
        PaymentView {
            id: PaymentId::from_uuid(payment.id),
            object: "payment".into(),
            account_id: AccountId::from_uuid(self.account),
            status: payment.status.as_str().into(),
            amount: payment.money.amount(),
            currency: payment.money.currency().code(),
            amount_capturable: payment.capturable,
            amount_captured: payment.captured,
            amount_refunded: payment.refunded,
            amount_reserved: payment.reserved,
            disputed: false,
            intent_id: payment.intent_id.clone(),
            client_secret: payment.client_secret.clone(),
            next_action: payment.next_action.clone(),
            latest_attempt: self.attempt.as_ref().map(attempt_view),
            last_error: payment.last_error.as_ref().map(error_view),
            capture_before: payment
                .capture_before
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
            reference: self.notes.reference.clone(),
            customer: self.notes.customer.clone(),
            description: self.notes.description.clone(),
            metadata: self.notes.metadata.clone(),
            version: payment.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The same as bytes, with the version they show.
    pub(crate) fn rendered(&self) -> View {
        View {
            version: self.payment.version,
            body: json(&self.view()),
        }
    }
}

/// What a client sees of a refund.
pub(crate) fn refund_view(stored: &Stored) -> RefundView {
    let refund = &stored.refund;
    RefundView {
        id: RefundId::from_uuid(refund.id),
        object: "refund".into(),
        payment_id: PaymentId::from_uuid(stored.payment),
        status: refund.status.as_str().into(),
        amount: refund.amount,
        currency: stored.currency.clone(),
        reason: refund.reason.clone(),
        stripe_id: refund.stripe_id.clone(),
        error: refund.error.as_ref().map(error_view),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    }
}

fn attempt_view(attempt: &Attempt) -> AttemptView {
    AttemptView {
        id: AttemptId::from_uuid(attempt.id),
        number: attempt.number,
        status: attempt.status.as_str().into(),
        charge_id: attempt.charge_id.clone(),
        payment_method: attempt.payment_method.clone(),
        error: attempt.error.as_ref().map(error_view),
    }
}

fn error_view(error: &StripeError) -> ErrorView {
    ErrorView {
        r#type: error.kind.clone(),
        code: error.code.clone(),
        decline_code: error.decline_code.clone(),
        message: error.message.clone(),
    }
}

/// JSON of a type of ours, whose keys are strings and which therefore always has one.
pub(crate) fn json(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}
