//! Things to test with: ids, payments, and the objects that Stripe would show.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;
use workflows::attempt::Attempt;
use workflows::dispute::Funds;
use workflows::money::Money;
use workflows::payment::{Call, CaptureMethod, Payment};
use workflows::stream::{
    CaptureRequest, ChargeReport, ConfirmRequest, DisputeReport, Effect, Event, IntentReport,
    Snapshot, Stream,
};
use workflows::stripe::{
    Charge, ChargeRef, ChargeStatus, Dispute, DisputeStatus, EvidenceDetails, Intent, IntentStatus,
    PAYMENT_ID, REFUND_ID, Refund, RefundStatus, StripeError,
};
use workflows::{attempt, payment, stream};

pub(crate) const AMOUNT: i64 = 1_000;

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The payment of every test.
pub(crate) fn payment() -> Payment {
    Payment::new(
        id(1),
        Money::parse(AMOUNT, "eur").unwrap(),
        CaptureMethod::Automatic,
        false,
        Some("pm_card_visa".to_owned()),
        None,
    )
}

/// The payment as it is accepted: its intent is being created.
pub(crate) fn accepted() -> Stream {
    stream::start(payment()).unwrap().stream
}

/// A stream in this status, with the attempt and the sums that belong to it and no call open.
pub(crate) fn resting(status: payment::Status) -> Stream {
    use payment::Status::{
        Canceled, LocalCreated, LocalRejected, Processing, RequiresAction, RequiresCapture,
        RequiresConfirmation, RequiresPaymentMethod, Succeeded,
    };
    let mut payment = Payment {
        status,
        intent_id: Some("pi_1".to_owned()),
        client_secret: Some("pi_1_secret".to_owned()),
        version: 9,
        ..payment()
    };
    let attempt = match status {
        RequiresAction => Some(attempt::Status::RequiresAction),
        Processing => Some(attempt::Status::Pending),
        RequiresCapture => Some(attempt::Status::Authorized),
        Succeeded => Some(attempt::Status::Captured),
        LocalCreated | LocalRejected | RequiresPaymentMethod | RequiresConfirmation | Canceled => {
            None
        }
    };
    match status {
        LocalCreated => {
            payment.intent_id = None;
            payment.client_secret = None;
            payment.open_call = Some(Call::CreateIntent);
        }
        LocalRejected => {
            payment.intent_id = None;
            payment.client_secret = None;
        }
        RequiresAction => payment.next_action = Some(json!({"type": "redirect_to_url"})),
        RequiresCapture => {
            payment.authorized = AMOUNT;
            payment.capturable = AMOUNT;
        }
        Succeeded => {
            payment.authorized = AMOUNT;
            payment.captured = AMOUNT;
        }
        RequiresPaymentMethod | RequiresConfirmation | Processing | Canceled => {}
    }
    payment.attempts = i32::from(attempt.is_some());
    Stream {
        attempts: Vec::from_iter(attempt.map(|status| Attempt {
            id: id(11),
            number: 1,
            status,
            charge_id: (status != attempt::Status::RequiresAction).then(|| "ch_1".to_owned()),
            payment_method: payment.payment_method.clone(),
            error: None,
        })),
        payment,
        captures: Vec::new(),
        refunds: Vec::new(),
        disputes: Vec::new(),
    }
}

/// A client's wish to capture, and to release the rest.
pub(crate) fn capture_requested(amount: Option<i64>) -> Event {
    Event::CaptureRequested(CaptureRequest {
        capture: id(60),
        amount,
        is_final: true,
    })
}

/// The effect that such a wish asks for.
pub(crate) const fn capture_intent(amount: i64) -> Effect {
    Effect::CaptureIntent {
        capture: Uuid::from_u128(60),
        amount,
        is_final: true,
    }
}

/// The same with a confirm under way: the intent waits, and its first attempt has started.
pub(crate) fn confirming() -> Stream {
    let event = Event::ConfirmRequested(ConfirmRequest {
        attempt: id(11),
        payment_method: None,
        return_url: None,
    });
    let before = resting(payment::Status::RequiresPaymentMethod);
    stream::step(&before, &event).unwrap().stream
}

/// The intent of the payment of every test, in this status and with the sums that belong to it.
pub(crate) fn intent(status: IntentStatus) -> Intent {
    let (capturable, received) = match status {
        IntentStatus::RequiresCapture => (AMOUNT, 0),
        IntentStatus::Succeeded => (0, AMOUNT),
        _ => (0, 0),
    };
    let charged = matches!(
        status,
        IntentStatus::Processing | IntentStatus::RequiresCapture | IntentStatus::Succeeded
    );
    Intent {
        id: "pi_1".to_owned(),
        status,
        amount: AMOUNT,
        amount_capturable: capturable,
        amount_received: received,
        currency: "eur".to_owned(),
        client_secret: None,
        next_action: (status == IntentStatus::RequiresAction)
            .then(|| json!({"type": "redirect_to_url"})),
        last_payment_error: None,
        latest_charge: charged.then(|| charge_ref("ch_1")),
        cancellation_reason: None,
        payment_method: None,
        metadata: BTreeMap::from([(PAYMENT_ID.to_owned(), id(1).to_string())]),
        created: 0,
    }
}

/// The intent after an attempt was declined.
pub(crate) fn declined(charge: &str) -> Intent {
    Intent {
        last_payment_error: Some(decline(Some(charge))),
        latest_charge: Some(charge_ref(charge)),
        ..intent(IntentStatus::RequiresPaymentMethod)
    }
}

pub(crate) fn decline(charge: Option<&str>) -> StripeError {
    StripeError {
        kind: Some("card_error".to_owned()),
        code: Some("card_declined".to_owned()),
        charge: charge.map(str::to_owned),
        ..StripeError::default()
    }
}

pub(crate) fn refusal(code: &str) -> StripeError {
    StripeError {
        kind: Some("invalid_request_error".to_owned()),
        code: Some(code.to_owned()),
        ..StripeError::default()
    }
}

pub(crate) fn charge_ref(id: &str) -> ChargeRef {
    ChargeRef {
        id: id.to_owned(),
        capture_before: None,
        multicapture: None,
    }
}

pub(crate) fn charge(id: &str, status: ChargeStatus, captured: bool) -> Charge {
    Charge {
        id: id.to_owned(),
        payment_intent: Some("pi_1".to_owned()),
        status,
        captured,
        amount: AMOUNT,
        amount_captured: if captured { AMOUNT } else { 0 },
        amount_refunded: 0,
        disputed: false,
        currency: "eur".to_owned(),
        payment_method: None,
        failure_code: (status == ChargeStatus::Failed).then(|| "card_declined".to_owned()),
        failure_message: None,
        outcome: None,
        metadata: BTreeMap::from([(PAYMENT_ID.to_owned(), self::id(1).to_string())]),
    }
}

pub(crate) fn stripe_refund(stripe_id: &str, status: RefundStatus, amount: i64) -> Refund {
    Refund {
        id: stripe_id.to_owned(),
        status,
        amount,
        currency: "eur".to_owned(),
        charge: Some("ch_1".to_owned()),
        payment_intent: Some("pi_1".to_owned()),
        reason: None,
        failure_reason: None,
        metadata: BTreeMap::new(),
        created: 0,
    }
}

/// The same, as the refund of ours with this id.
pub(crate) fn our_refund(ours: Uuid, stripe_id: &str, status: RefundStatus, amount: i64) -> Refund {
    Refund {
        metadata: BTreeMap::from([(REFUND_ID.to_owned(), ours.to_string())]),
        ..stripe_refund(stripe_id, status, amount)
    }
}

/// A webhook about the intent.
pub(crate) fn webhook(kind: payment::Kind, intent: Intent) -> Event {
    Event::IntentSeen(IntentReport {
        intent,
        kind,
        answers: None,
        attempt: None,
        fresh_attempt: id(99),
        fresh_capture: id(79),
    })
}

/// The answer of a call.
pub(crate) fn answered(call: Call, attempt: Option<Uuid>, intent: Intent) -> Event {
    let kind = match (&intent.last_payment_error, intent.status) {
        (Some(_), IntentStatus::RequiresPaymentMethod) => payment::Kind::PaymentFailed,
        (_, status) => payment::Kind::of_intent(status).unwrap(),
    };
    Event::IntentSeen(IntentReport {
        intent,
        kind,
        answers: Some(call),
        attempt,
        fresh_attempt: id(98),
        fresh_capture: id(78),
    })
}

/// The answer of the call that creates the intent.
pub(crate) fn created() -> Event {
    let waiting = intent(IntentStatus::RequiresPaymentMethod);
    answered(Call::CreateIntent, None, waiting)
}

/// A webhook about a charge.
pub(crate) fn charged(status: attempt::Status, charge: Charge) -> Event {
    Event::ChargeSeen(ChargeReport {
        charge,
        status,
        fresh_attempt: id(97),
    })
}

/// A resync.
pub(crate) fn resynced(intent: Intent, refunds: Vec<Refund>) -> Event {
    let fresh_refunds = (0..refunds.len()).map(|n| id(900 + n as u128)).collect();
    Event::Resynced(Snapshot {
        intent,
        charge: None,
        refunds,
        disputes: Vec::new(),
        fresh_attempt: id(96),
        fresh_capture: id(76),
        fresh_refunds,
        fresh_disputes: Vec::new(),
    })
}

/// The dispute of every test as Stripe shows it.
pub(crate) fn stripe_dispute(status: DisputeStatus) -> Dispute {
    Dispute {
        id: "du_1".to_owned(),
        status,
        amount: AMOUNT,
        currency: "eur".to_owned(),
        reason: "fraudulent".to_owned(),
        charge: Some("ch_1".to_owned()),
        payment_intent: Some("pi_1".to_owned()),
        evidence: BTreeMap::new(),
        evidence_details: EvidenceDetails {
            due_by: Some(1_000_000),
            ..EvidenceDetails::default()
        },
        balance_transactions: Vec::new(),
    }
}

/// A webhook about the dispute.
pub(crate) fn disputed(dispute: Dispute, funds: Option<Funds>) -> Event {
    Event::DisputeSeen(DisputeReport {
        dispute,
        funds,
        answers: None,
        fresh_dispute: id(31),
    })
}

/// A resync that reads the paid intent and its disputes.
pub(crate) fn resynced_with(disputes: Vec<Dispute>) -> Event {
    let fresh_disputes = (0..disputes.len()).map(|n| id(800 + n as u128)).collect();
    let Event::Resynced(read) = resynced(intent(IntentStatus::Succeeded), vec![]) else {
        panic!("a resync");
    };
    Event::Resynced(Snapshot {
        disputes,
        fresh_disputes,
        ..read
    })
}
