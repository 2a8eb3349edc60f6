//! `create_refund`: makes a refund at Stripe.

use uuid::Uuid;
use workflows::refund::Status;
use workflows::stream::{Event, RefundReport};
use workflows::stripe::{REFUND_ID, Refund, id_of};

use super::{JobResult, Performed, READ_FROM_TRY, Reason, Work, stripe_error};
use crate::stripe::{Class, CreateRefund};

pub(super) async fn perform(work: &Work<'_>, id: Uuid) -> Performed {
    let mut refunds = work.record.stream.refunds.iter();
    let wanted = refunds.find(|it| it.id == id && it.status == Status::LocalRequested);
    let Some(refund) = wanted else {
        return Ok(JobResult::obsolete());
    };
    let (intent_id, key) = (work.intent_id()?, work.key()?);
    if work.key_is_too_old() {
        return settle_by_list(work, id, Reason::OldKey).await;
    }
    let create = CreateRefund {
        refund: id,
        payment: work.record.stream.payment.id,
        account: work.record.account,
        intent_id: intent_id.to_owned(),
        amount: refund.amount,
        reason: refund.reason.clone(),
        request: work.job.request.clone(),
    };
    let failure = match work.stripe.create_refund(&create, &key).await {
        Ok(answered) => return Ok(report(id, answered.object)),
        Err(failure) => failure,
    };
    match failure.class {
        Class::Unknown if work.job.tries >= READ_FROM_TRY => {
            settle_by_list(work, id, Reason::Unanswered(&failure)).await
        }
        Class::Retry | Class::KeyRefused | Class::Unknown => {
            Ok(JobResult::retry(work.job, &failure))
        }
        Class::Saved => settle_by_list(work, id, Reason::Saved).await,
        // `charge_already_refunded` among them: too little is left of the charge, so the refund can never be made.
        Class::Refused | Class::Business | Class::Conflict | Class::AlreadyDone => {
            // A refusal is believed only where the refund does not exist: the call may repeat one whose answer was lost.
            settle_by_list(work, id, Reason::Answered(&failure)).await
        }
        Class::Impossible => Ok(JobResult::dead_letter(failure.to_string())),
    }
}

fn report(id: Uuid, refund: Refund) -> JobResult {
    JobResult::report(Event::RefundSeen(RefundReport {
        refund,
        answers: Some(id),
        fresh_refund: Uuid::now_v7(),
    }))
}

/// Finds the refund among those of the intent, by our id in Stripe's metadata.
async fn find(work: &Work<'_>, id: Uuid) -> Result<Option<Refund>, JobResult> {
    let listed = work.stripe.list_refunds(work.intent_id()?).await;
    let listed = listed.map_err(|failure| work.read_failed(&failure))?;
    let ours = |refund: &Refund| {
        let marked = refund.metadata.get(REFUND_ID);
        marked.is_some_and(|text| id_of(text) == Some(id))
    };
    Ok(listed.object.into_iter().find(ours))
}

/// Decides by the list of refunds, where Stripe has ended the call or does not answer it, or the key is too old.
async fn settle_by_list(work: &Work<'_>, id: Uuid, reason: Reason<'_>) -> Performed {
    let Some(refund) = find(work, id).await? else {
        return match reason {
            Reason::Saved => Ok(work.report_void()),
            Reason::OldKey => Ok(JobResult::probe_later(
                work.job,
                "Stripe lists no such refund of the payment",
            )),
            Reason::Unanswered(failure) => Ok(JobResult::retry(work.job, failure)),
            Reason::Answered(failure) => Ok(JobResult::report(Event::RefundRejected {
                refund: id,
                error: stripe_error(failure),
            })),
        };
    };
    Ok(report(id, refund))
}
