//! The explanation of a payment.

use contracts::explanation::{ActionView, ExplanationView, NextKind, NextView, WaitsFor};
use contracts::id::DisputeId;
use time::OffsetDateTime;
use uuid::Uuid;
use workflows::edges::Machine;
use workflows::effect::Kind;
use workflows::payment::Status;
use workflows::stream;
use workflows::stream::{CaptureRequest, ConfirmRequest, Event, RefundRequest, Refusal};

use super::dispute::due;
use super::{Facts, Standing, time_of, words_of};
use crate::store::job;

pub(super) fn explain(facts: &Facts) -> ExplanationView {
    let payment = &facts.record.stream.payment;
    let jobs: Vec<&job::Listed> = facts.jobs.iter().collect();
    let standing = standing(facts);
    let view = facts.explanation(Machine::Payment, payment.status.as_str(), standing, &jobs);
    let mut next = view.next;
    if let Some(ends) = authorization_end(facts) {
        next.push(NextView {
            kind: NextKind::AuthorizationEnds,
            sentence: "The bank releases the money that was not captured.".to_owned(),
            at: ends,
        });
        next.sort_by_key(|it| it.at);
    }
    ExplanationView {
        subject: facts.payment_id().to_string(),
        client_can: client_can(facts),
        next,
        ..view
    }
}

fn authorization_end(facts: &Facts) -> Option<OffsetDateTime> {
    let payment = &facts.record.stream.payment;
    let seconds = payment
        .capture_before
        .filter(|_| payment.status == Status::RequiresCapture)?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// Whose turn it is: an open call comes before all else, a payment that has ended waits for its refunds only.
fn standing(facts: &Facts) -> Standing {
    let payment = &facts.record.stream.payment;
    let call = facts
        .jobs
        .iter()
        .find(|job| Kind::all().any(|kind| kind.is_exclusive() && kind.as_str() == job.kind));
    let mut standing = match (call, payment.open_call) {
        (Some(job), _) => job.standing(),
        (None, Some(call)) => Standing::new(
            WaitsFor::Operator,
            format!("The call {call} is open and has no job. Only an operator can close it."),
        ),
        (None, None) => at_status(facts),
    };
    if payment.cancel_requested {
        standing
            .summary
            .push_str(" A cancel was requested; Stripe's answer to it moves the payment.");
    }
    standing
}

/// Whose turn it is in a status without an open call.
fn at_status(facts: &Facts) -> Standing {
    let payment = &facts.record.stream.payment;
    let error = payment.last_error.as_ref().map(words_of);
    match payment.status {
        Status::LocalCreated => Standing::new(
            WaitsFor::Stripe,
            "Stripe has made the intent, in a status that this version does not know. It is read again.",
        ),
        Status::RequiresPaymentMethod => Standing::new(
            WaitsFor::Client,
            match error {
                Some(error) => format!(
                    "The last attempt failed ({error}). It waits for a confirmation with another payment method."
                ),
                None => "It waits for a confirmation with a payment method.".to_owned(),
            },
        ),
        Status::RequiresConfirmation => Standing::new(
            WaitsFor::Client,
            "It has a payment method and waits for its confirmation.",
        ),
        Status::RequiresAction => Standing::new(
            WaitsFor::Customer,
            "The customer must act, for example with 3-D Secure: next_action of the payment says how.",
        ),
        Status::Processing => Standing::new(
            WaitsFor::Bank,
            "The bank or the payment method is working on it, which may take days. Stripe reports the result.",
        ),
        Status::RequiresCapture => {
            let ends = authorization_end(facts);
            let ends = ends.map(|at| format!(" until {}", time_of(at)));
            Standing::new(
                WaitsFor::Client,
                format!(
                    "The money is authorized and can be captured or canceled{}.",
                    ends.unwrap_or_default()
                ),
            )
        }
        Status::Succeeded => succeeded(facts),
        Status::Canceled => Standing::new(
            WaitsFor::Nothing,
            match &payment.cancellation_reason {
                Some(reason) => {
                    format!("It was canceled ({reason}) and took no money. It is at rest.")
                }
                None => "It was canceled and took no money. It is at rest.".to_owned(),
            },
        ),
        Status::LocalRejected => Standing::new(
            WaitsFor::Nothing,
            format!(
                "Stripe refused to make it ({}). It is at rest; correct the cause and create another payment.",
                error.unwrap_or_default()
            ),
        ),
    }
}

fn succeeded(facts: &Facts) -> Standing {
    let payment = &facts.record.stream.payment;
    let (captured, refunded) = (payment.captured, payment.refunded);
    let taken = format!("{captured} was captured and {refunded} given back");
    if let Some(standing) = disputed(facts, &taken) {
        return standing;
    }
    if payment.reserved == 0 {
        return Standing::new(
            WaitsFor::Nothing,
            if payment.disputed {
                format!("The money was taken: {taken}. A dispute of it was lost. It is at rest.")
            } else {
                format!("The money was taken: {taken}. It is at rest.")
            },
        );
    }
    let refund = facts.jobs.iter().find(|job| job.kind == "create_refund");
    let waits_for = refund.map_or(WaitsFor::Bank, |job| job.standing().waits_for);
    Standing::new(
        waits_for,
        format!(
            "The money was taken: {taken}. Refunds of {} have not ended; each explains itself at \
             /api/v1/refunds/{{id}}/explain.",
            payment.reserved
        ),
    )
}

/// Whose turn it is while disputes of the payment are open, if any are.
fn disputed(facts: &Facts, taken: &str) -> Option<Standing> {
    let disputes = &facts.record.stream.disputes;
    let open = || disputes.iter().filter(|it| !it.status.is_final());
    open().next()?;
    let calls: Vec<&job::Listed> = facts
        .jobs
        .iter()
        .filter(|job| open().any(|it| it.id == job.subject))
        .collect();
    let waits_for = match calls.first() {
        Some(job) => job.standing().waits_for,
        None if open().any(|it| it.status.needs_response()) => WaitsFor::Client,
        None => WaitsFor::Bank,
    };
    let list: Vec<String> = open()
        .map(|it| format!("{} ({}{})", DisputeId::from_uuid(it.id), it.status, due(it)))
        .collect();
    Some(Standing::new(
        waits_for,
        format!(
            "The money was taken: {taken}. Disputes that have not ended: {}; each explains itself at \
             /api/v1/disputes/{{id}}/explain.",
            list.join(", ")
        ),
    ))
}

/// The commands that `step` would accept now.
fn client_can(facts: &Facts) -> Vec<ActionView> {
    let id = facts.payment_id();
    let confirm = Event::ConfirmRequested(ConfirmRequest {
        attempt: Uuid::now_v7(),
        payment_method: None,
        return_url: None,
    });
    let refund = Event::RefundRequested(RefundRequest {
        refund: Uuid::now_v7(),
        amount: None,
        reason: None,
    });
    let capture = Event::CaptureRequested(CaptureRequest {
        capture: Uuid::now_v7(),
        amount: None,
        is_final: true,
    });
    let commands = [
        (
            "confirm",
            "confirm",
            confirm,
            "Confirms it as a new attempt.",
        ),
        (
            "capture",
            "capture",
            capture,
            "Captures the authorized money.",
        ),
        (
            "cancel",
            "cancel",
            Event::CancelRequested { reason: None },
            "Cancels it, once no other call to Stripe is open.",
        ),
        ("refund", "refunds", refund, "Gives captured money back."),
    ];
    let allowed = commands.into_iter().filter(|(_, _, event, _)| {
        match stream::step(&facts.record.stream, event) {
            Ok(_) | Err(Refusal::PaymentMethodMissing) => true,
            Err(_) => false,
        }
    });
    allowed
        .map(|(name, path, _, sentence)| ActionView {
            name: name.into(),
            request: format!("POST /api/v1/payments/{id}/{path}"),
            sentence: sentence.to_owned(),
        })
        .collect()
}
