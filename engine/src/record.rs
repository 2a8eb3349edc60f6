//! A payment's stream together with what only the merchant cares for, and the views of it that clients get.

use bytes::Bytes;
use contracts::event::DisputeData;
use contracts::id::{AttemptId, CaptureId, DisputeId, PaymentId, RefundId};
use contracts::request::{Customer, Metadata};
use contracts::view::{
    AttemptView, CaptureView, DisputeView, ErrorView, HoldView, PaymentView, RefundView,
};
use infra::id::AccountId;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::attempt;
use workflows::attempt::Attempt;
use workflows::capture::Capture;
use workflows::dispute::{Dispute, Evidence, Funds};
use workflows::edges::NONE;
use workflows::hold::Hold;
use workflows::payment::Status;
use workflows::refund::Refund;
use workflows::stream::Stream;
use workflows::stripe::StripeError;

use crate::cache::Entry;

/// A payment as its tables hold it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The state that `step` decides about: the payment, its newest attempt, its captures, and its refunds where they were
    /// read.
    pub(crate) stream: Stream,
    /// The merchant that it belongs to.
    pub(crate) account: Uuid,
    /// The merchant's notes from when it was created.
    pub(crate) notes: Notes,
    /// When it was accepted.
    pub(crate) created_at: OffsetDateTime,
    /// When it last changed.
    pub(crate) updated_at: OffsetDateTime,
}

/// A merchant's notes on a payment. Nothing here moves it. The fields are named like their columns.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Notes {
    /// The merchant's own order id, unique in the account.
    pub reference: Option<String>,
    /// The customer who pays.
    pub customer: Option<Customer>,
    /// Shown on receipts.
    pub description: Option<String>,
    /// Shown on the bank statement.
    pub statement_descriptor: Option<String>,
    /// The types of payment methods that the customer may pay with, by Stripe's names; empty where Stripe's dashboard decides.
    pub payment_method_types: Vec<String>,
    /// Notes by key.
    pub metadata: Metadata,
}

/// A refund with what only its row knows.
#[derive(Debug, Clone)]
pub(crate) struct RefundRecord {
    /// The state that `step` decides about.
    pub(crate) refund: Refund,
    /// The payment that it gives money back of.
    pub(crate) payment: Uuid,
    /// The payment's currency.
    pub(crate) currency: String,
    /// When it was accepted.
    pub(crate) created_at: OffsetDateTime,
    /// When it last changed.
    pub(crate) updated_at: OffsetDateTime,
}

/// A dispute with what only its row knows.
#[derive(Debug, Clone)]
pub(crate) struct DisputeRecord {
    /// The state that `step` decides about.
    pub(crate) dispute: Dispute,
    /// The payment that is disputed.
    pub(crate) payment: Uuid,
    /// When it last changed.
    pub(crate) updated_at: OffsetDateTime,
}

/// A payment's view as it is sent to clients.
#[derive(Debug, Clone)]
pub struct View {
    /// The version that the bytes show.
    pub version: i64,
    /// Whether Pawl has nothing to do for the payment now: it has ended, or its client or its bank must act.
    pub settled: bool,
    /// A [`PaymentView`] as JSON.
    pub body: Bytes,
}

/// A stream before and after the changes of one transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// The stream as it was locked.
    pub(crate) before: &'a Stream,
    /// The record as it is to be written.
    pub(crate) after: &'a Record,
}

impl<'a> Change<'a> {
    /// Those of the subjects that are new or differ: `list` names the field of the stream that holds them.
    pub(crate) fn changed<T: PartialEq + 'a>(
        &self,
        list: fn(&'a Stream) -> &'a [T],
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let before = list(self.before);
        list(&self.after.stream)
            .iter()
            .filter(move |subject| !before.contains(subject))
    }
}

impl Record {
    /// The view of the payment that its merchant gets.
    pub(crate) fn view(&self) -> PaymentView {
        let payment = &self.stream.payment;
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
            disputed: payment.disputed,
            holds: payment.holds.iter().filter_map(hold_view).collect(),
            intent_id: payment.intent_id.clone(),
            client_secret: payment.client_secret.clone(),
            next_action: payment.next_action.clone(),
            latest_attempt: self.stream.newest_attempt().map(attempt_view),
            last_error: payment.last_error.as_ref().map(error_view),
            cancellation_reason: payment.cancellation_reason.clone(),
            multicapture: payment.multicapture.map(|it| it.as_str().into()),
            captures: self.captures(),
            capture_before: payment.capture_before.and_then(time_of),
            authorization_expiry: payment.authorization_expiry.as_str().into(),
            reference: self.notes.reference.clone(),
            customer: self.notes.customer.clone(),
            description: self.notes.description.clone(),
            payment_method_types: self.notes.payment_method_types.clone(),
            metadata: self.notes.metadata.clone(),
            version: payment.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The views of its captures, the oldest first.
    pub(crate) fn captures(&self) -> Vec<CaptureView> {
        let payment = &self.stream.payment;
        let view = |capture: &Capture| CaptureView {
            id: CaptureId::from_uuid(capture.id),
            object: "capture".into(),
            payment_id: PaymentId::from_uuid(payment.id),
            status: capture.status.as_str().into(),
            amount: capture.amount,
            currency: payment.money.currency().code(),
            is_final: capture.is_final,
            error: capture.error.as_ref().map(error_view),
        };
        self.stream.captures.iter().map(view).collect()
    }

    /// [`Record::view`] as lists show it: without the fields that only the paying customer may know.
    pub(crate) fn list_view(&self) -> PaymentView {
        PaymentView {
            client_secret: None,
            next_action: None,
            ..self.view()
        }
    }

    /// [`Record::view`] as bytes.
    pub(crate) fn render(&self) -> View {
        View {
            version: self.stream.payment.version,
            settled: self.is_settled(),
            body: json(&self.view()),
        }
    }

    /// [`Record::view`] as the cache holds it.
    pub(crate) fn cache_entry(&self) -> Entry {
        let View {
            version,
            settled,
            body,
        } = self.render();
        Entry {
            payment: self.stream.payment.id,
            account: self.account,
            intent_id: self.stream.payment.intent_id.clone(),
            version,
            settled,
            body,
        }
    }

    /// The view of one subject of the stream as bytes: of the payment itself, of a refund that was created together
    /// with the record's last change, or of a dispute that was read for it.
    pub(crate) fn render_subject(&self, subject: Uuid) -> Option<Bytes> {
        if subject == self.stream.payment.id {
            return Some(json(&self.view()));
        }
        if let Some(dispute) = self.stream.disputes.iter().find(|it| it.id == subject) {
            let record = DisputeRecord {
                dispute: dispute.clone(),
                payment: self.stream.payment.id,
                updated_at: self.updated_at,
            };
            return Some(json(&record.view()));
        }
        let refund = self.stream.refunds.iter().find(|it| it.id == subject)?;
        let record = RefundRecord {
            refund: refund.clone(),
            payment: self.stream.payment.id,
            currency: self.stream.payment.money.currency().code(),
            created_at: self.updated_at,
            updated_at: self.updated_at,
        };
        Some(record.render())
    }

    /// Whether Pawl has nothing to do for the payment now: it has ended, or its client or its bank must act.
    ///
    /// A charge's webhook may come before its intent's. The attempt is then ahead of the payment, and the payment is not
    /// settled yet.
    pub(crate) fn is_settled(&self) -> bool {
        use attempt::Status as Attempt;
        let attempt = self.stream.newest_attempt().map(|newest| newest.status);
        match self.stream.payment.status {
            Status::LocalCreated | Status::Processing => false,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => {
                attempt.is_none_or(|it| {
                    matches!(it, Attempt::Failed | Attempt::Expired | Attempt::Voided)
                })
            }
            Status::RequiresAction => {
                attempt.is_none_or(|it| matches!(it, Attempt::Started | Attempt::RequiresAction))
            }
            Status::RequiresCapture => attempt != Some(Attempt::Captured),
            Status::Succeeded | Status::Canceled | Status::LocalRejected => true,
        }
    }
}

impl RefundRecord {
    /// [`RefundRecord::view`] as bytes.
    pub(crate) fn render(&self) -> Bytes {
        json(&self.view())
    }

    /// The view of the refund that its merchant gets.
    pub(crate) fn view(&self) -> RefundView {
        let refund = &self.refund;
        RefundView {
            id: RefundId::from_uuid(refund.id),
            object: "refund".into(),
            payment_id: PaymentId::from_uuid(self.payment),
            status: refund.status.as_str().into(),
            amount: refund.amount,
            currency: self.currency.clone(),
            reason: refund.reason.clone(),
            stripe_id: refund.stripe_id.clone(),
            error: refund.error.as_ref().map(error_view),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl DisputeRecord {
    /// The view of the dispute that its merchant gets.
    pub(crate) fn view(&self) -> DisputeView {
        let dispute = &self.dispute;
        DisputeView {
            id: DisputeId::from_uuid(dispute.id),
            object: "dispute".into(),
            payment_id: PaymentId::from_uuid(self.payment),
            status: dispute.status.as_str().into(),
            amount: dispute.amount,
            currency: dispute.currency.clone(),
            reason: dispute.reason.clone(),
            funds: dispute.funds.map_or(NONE, Funds::as_str).into(),
            evidence: dispute.evidence.map_or(NONE, Evidence::as_str).into(),
            evidence_due_by: dispute.due_by.and_then(time_of),
            open_call: dispute.open_call.map(|call| call.as_str().into()),
            stripe_id: dispute.stripe_id.clone(),
            charge_id: dispute.charge_id.clone(),
            error: dispute.error.as_ref().map(error_view),
            created_at: made_at(dispute.id).unwrap_or(self.updated_at),
            updated_at: self.updated_at,
        }
    }
}

/// The moment at which a subject got its id, to the millisecond.
fn made_at(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let moment = time_of(i64::try_from(seconds).ok()?)?;
    moment.replace_nanosecond(nanos).ok()
}

/// The view of a hold, while it holds.
fn hold_view(hold: &Hold) -> Option<HoldView> {
    hold.open.then(|| HoldView {
        source: hold.source.as_str().into(),
        stripe_id: hold.id.clone(),
    })
}

fn time_of(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
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

/// The error as clients and consumers of events read it.
pub(crate) fn error_view(error: &StripeError) -> ErrorView {
    ErrorView {
        r#type: error.kind.clone(),
        code: error.code.clone(),
        decline_code: error.decline_code.clone(),
        advice_code: error.advice_code.clone(),
        network_decline_code: error.network_decline_code.clone(),
        network_advice_code: error.network_advice_code.clone(),
        param: error.param.clone(),
        message: error.message.clone(),
    }
}

/// What events say of a dispute, read from the facts that its transition keeps; nothing if these are not of a dispute.
pub(crate) fn dispute_data(moved: &Value) -> Option<DisputeData> {
    let text = |name: &str| moved[name].as_str().map(str::to_owned);
    Some(DisputeData {
        status: text("status")?,
        amount: moved["amount"].as_i64()?,
        currency: text("currency")?,
        reason: text("reason")?,
        evidence_due_by: moved["due_by"].as_i64().and_then(time_of),
    })
}

/// JSON of one of our views. Their keys are strings, so that there always is JSON of them.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}
