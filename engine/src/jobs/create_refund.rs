//! `create_refund`: makes a refund at Stripe.

use uuid::Uuid;
use workflows::refund::Status;
use workflows::stream::{Event, RefundReport};
use workflows::stripe::{REFUND_ID, Refund, StripeError, id_of};

use super::{JobResult, Performed, Work, stripe_error};
use crate::stripe::{Class, CreateRefund};

pub(super) async fn perform(work: &Work<'_>, id: Uuid) -> Performed {
    let mut refunds = work.record.stream.refunds.iter();
    let wanted = refunds.find(|it| it.id == id && it.status == Status::LocalRequested);
    let Some(refund) = wanted else {
        return Ok(JobResult::obsolete());
    };
    let (intent_id, key) = (work.intent_id()?, work.key()?);
    if work.key_is_too_old() {
        return settle_by_list(work, id, false).await;
    }
    let create = CreateRefund {
        refund: id,
        payment: work.record.stream.payment.id,
        account: work.record.account,
        intent_id: intent_id.to_owned(),
        amount: refund.amount,
        reason: refund.reason.clone(),
    };
    let failure = match work.stripe.create_refund(&create, &key).await {
        Ok(answered) => return Ok(report(id, answered.object)),
        Err(failure) => failure,
    };
    match failure.class {
        Class::Retry | Class::Unknown => Ok(JobResult::retry(work.job, &failure)),
        Class::Saved => settle_by_list(work, id, true).await,
        // `charge_already_refunded` among them: too little is left of the charge, so the refund can never be made.
        Class::Refused | Class::Business | Class::Conflict | Class::AlreadyDone => {
            adopt_or_reject(work, id, stripe_error(&failure)).await
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

/// Decides by the list of refunds, where Stripe has ended the call or the key is too old.
async fn settle_by_list(work: &Work<'_>, id: Uuid, call_is_over: bool) -> Performed {
    Ok(match find(work, id).await? {
        Some(refund) => report(id, refund),
        None if call_is_over => work.report_void(),
        None => {
            JobResult::dead_letter("its key is older than 23 hours and Stripe shows no such refund")
        }
    })
}

/// Believes a refusal only where the refund does not exist: the refused call may repeat one whose answer was lost.
async fn adopt_or_reject(work: &Work<'_>, id: Uuid, error: StripeError) -> Performed {
    Ok(match find(work, id).await? {
        Some(refund) => report(id, refund),
        None => JobResult::report(Event::RefundRejected { refund: id, error }),
    })
}
