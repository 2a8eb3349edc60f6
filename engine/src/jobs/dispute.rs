//! `update_dispute` and `close_dispute`: stores or submits evidence of a dispute, and accepts a dispute.

use std::collections::BTreeMap;

use uuid::Uuid;
use workflows::dispute::Dispute;
use workflows::effect::Call;
use workflows::stream::{DisputeReport, Event};
use workflows::stripe;
use workflows::stripe::DisputeStatus;

use super::{
    JobResult, Performed, READ_FROM_TRY, Reason, Work, is_about_the_request, stripe_error,
};
use crate::stripe::{Answered, Class, Failure};

/// Stores evidence, or submits it.
pub(super) async fn update(
    work: &Work<'_>,
    id: Uuid,
    evidence: &BTreeMap<String, String>,
    submit: bool,
) -> Performed {
    let Some(dispute) = wanted(work, id, Call::UpdateDispute) else {
        return Ok(JobResult::obsolete());
    };
    let has_moved = |shown: &stripe::Dispute| holds(shown, evidence, submit);
    if work.key_is_too_old() {
        return Ok(retrieve(work, dispute, has_moved, Reason::OldKey).await);
    }
    let key = work.key()?;
    let answer = work
        .stripe
        .update_dispute(&dispute.stripe_id, evidence, submit, &key)
        .await;
    Ok(settle(work, dispute, answer, has_moved).await)
}

/// Accepts a dispute.
pub(super) async fn close(work: &Work<'_>, id: Uuid) -> Performed {
    let Some(dispute) = wanted(work, id, Call::CloseDispute) else {
        return Ok(JobResult::obsolete());
    };
    if work.key_is_too_old() {
        return Ok(retrieve(work, dispute, has_ended, Reason::OldKey).await);
    }
    let key = work.key()?;
    let answer = work.stripe.close_dispute(&dispute.stripe_id, &key).await;
    Ok(settle(work, dispute, answer, has_ended).await)
}

/// The dispute, while this call about it is open.
fn wanted<'a>(work: &Work<'a>, id: Uuid, call: Call) -> Option<&'a Dispute> {
    let mut disputes = work.record.stream.disputes.iter();
    disputes.find(|it| it.id == id && it.open_call == Some(call))
}

/// Whether the object shows that the evidence arrived.
fn holds(shown: &stripe::Dispute, evidence: &BTreeMap<String, String>, submit: bool) -> bool {
    let stored = evidence.iter().all(|(field, text)| {
        let found = shown.evidence.get(field).and_then(|found| found.as_str());
        // An empty text removes the field.
        found.unwrap_or_default() == text
    });
    stored && (!submit || shown.evidence_details.submission_count > 0)
}

const fn has_ended(shown: &stripe::Dispute) -> bool {
    matches!(
        shown.status,
        DisputeStatus::Lost
            | DisputeStatus::Won
            | DisputeStatus::WarningClosed
            | DisputeStatus::Prevented
    )
}

/// Decides what follows from the answer of a call about a dispute.
async fn settle(
    work: &Work<'_>,
    dispute: &Dispute,
    answer: Result<Answered<stripe::Dispute>, Failure>,
    has_moved: impl Fn(&stripe::Dispute) -> bool,
) -> JobResult {
    let failure = match answer {
        Ok(answered) => return report(work, dispute, answered.object),
        Err(failure) => failure,
    };
    match failure.class {
        Class::Unknown if work.job.tries >= READ_FROM_TRY => {
            retrieve(work, dispute, has_moved, Reason::Unanswered(&failure)).await
        }
        Class::Retry | Class::KeyRefused | Class::Unknown => JobResult::retry(work.job, &failure),
        Class::Saved => retrieve(work, dispute, has_moved, Reason::Saved).await,
        Class::Impossible if !is_about_the_request(&failure) => {
            JobResult::dead_letter(failure.to_string())
        }
        // The refused call may repeat one whose answer was lost, so the dispute decides.
        Class::Impossible
        | Class::Refused
        | Class::Business
        | Class::Conflict
        | Class::AlreadyDone => {
            retrieve(work, dispute, has_moved, Reason::Answered(&failure)).await
        }
    }
}

/// Retrieves the dispute and reports it, or finds that the call had no effect.
async fn retrieve(
    work: &Work<'_>,
    dispute: &Dispute,
    has_moved: impl Fn(&stripe::Dispute) -> bool,
    reason: Reason<'_>,
) -> JobResult {
    let shown = match work.stripe.retrieve_dispute(&dispute.stripe_id).await {
        Ok(answered) => answered.object,
        Err(failure) => return work.read_failed(&failure),
    };
    if has_moved(&shown) || has_ended(&shown) {
        return report(work, dispute, shown);
    }
    match reason {
        Reason::Answered(failure) => refused(work, dispute, failure),
        Reason::Unanswered(failure) => JobResult::retry(work.job, failure),
        Reason::Saved => work.report_void(),
        Reason::OldKey => {
            JobResult::probe_later(work.job, "Stripe's dispute shows no trace of the call")
        }
    }
}

fn refused(work: &Work<'_>, dispute: &Dispute, refusal: &Failure) -> JobResult {
    let Some(call) = work.job.effect.call() else {
        return JobResult::obsolete();
    };
    JobResult::report(Event::DisputeCallRefused {
        dispute: dispute.id,
        call,
        error: stripe_error(refusal),
    })
}

fn report(work: &Work<'_>, dispute: &Dispute, shown: stripe::Dispute) -> JobResult {
    JobResult::report(Event::DisputeSeen(DisputeReport {
        dispute: shown,
        funds: None,
        answers: work.job.effect.call().map(|call| (dispute.id, call)),
        fresh_dispute: Uuid::now_v7(),
    }))
}
