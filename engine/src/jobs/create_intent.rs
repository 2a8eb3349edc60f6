//! `create_intent`: creates the intent of a payment without confirming it. A lost answer costs nothing: one read finds the
//! intent.

use workflows::effect::Call;
use workflows::payment::CaptureMethod;
use workflows::stream::Event;

use super::{JobResult, Performed, Work, stripe_error};
use crate::stripe::{Class, CreateIntent, Created, Failure};

/// How far Stripe's clock and ours may differ when an intent is searched by its time of creation.
const CLOCKS_APART_SECONDS: i64 = 3600;

/// How much a time-out and a resolution of one second may add to the age of a call.
const SLACK_SECONDS: i64 = 60;

pub(super) async fn perform(work: &Work<'_>) -> Performed {
    let payment = &work.record.stream.payment;
    if payment.open_call != Some(Call::CreateIntent) {
        return Ok(JobResult::obsolete());
    }
    if work.key_is_too_old() {
        return Ok(find(work, None).await);
    }
    let key = work.key()?;
    let notes = &work.record.notes;
    let create = CreateIntent {
        payment: payment.id,
        account: work.record.account,
        amount: payment.money.amount(),
        currency: payment.money.currency().code(),
        manual_capture: payment.capture_method == CaptureMethod::Manual,
        multicapture: payment.multicapture.is_some(),
        payment_method: payment.payment_method.clone(),
        payment_method_types: notes.payment_method_types.clone(),
        // A browser that confirms brings a return address of its own.
        redirects: payment.return_url.is_some() || !payment.confirm,
        description: notes.description.clone(),
        statement_descriptor: notes.statement_descriptor.clone(),
        receipt_email: notes
            .customer
            .as_ref()
            .and_then(|customer| customer.email.clone()),
        request: work.job.request.clone(),
    };
    let failure = match work.stripe.create_intent(&create, &key).await {
        Ok(answered) => return Ok(work.report_intent(answered.object, None)),
        Err(failure) => failure,
    };
    Ok(match failure.class {
        Class::Retry | Class::KeyRefused | Class::Unknown => JobResult::retry(work.job, &failure),
        Class::Saved | Class::Conflict | Class::AlreadyDone => find(work, Some(&failure)).await,
        Class::Refused | Class::Business => JobResult::report(Event::IntentRejected {
            error: stripe_error(&failure),
        }),
        Class::Impossible => JobResult::dead_letter(failure.to_string()),
    })
}

/// Searches the intent by our id. Where Stripe has ended the call (`over`) and there is none, the call is made anew under
/// another key; under a key that is too old, the search goes on, and only an operator may decide that.
async fn find(work: &Work<'_>, over: Option<&Failure>) -> JobResult {
    let payment = work.record.stream.payment.id;
    let found = work.stripe.find_intent(payment, made_within(work, over));
    match found.await.map(|answered| answered.object) {
        Ok(Some(intent)) => work.report_intent(intent, None),
        Ok(None) if over.is_some() => work.report_void(),
        Ok(None) => JobResult::probe_later(work.job, "Stripe lists no intent of this payment"),
        Err(failure) => work.read_failed(&failure),
    }
}

/// The range of times at which the intent can have been created. A refusal carries Stripe's own time, and the call is no
/// older than its key: a narrow range that does not depend on our clock.
fn made_within(work: &Work<'_>, over: Option<&Failure>) -> Created {
    if let Some(answered) = over.and_then(|failure| failure.answered_at) {
        let age = i64::try_from(work.job.key_age.as_secs()).unwrap_or(i64::MAX / 2);
        return Created {
            from: answered - age - SLACK_SECONDS,
            to: answered + SLACK_SECONDS,
        };
    }
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let made = work.record.created_at.unix_timestamp();
    Created {
        from: made - CLOCKS_APART_SECONDS,
        to: now + CLOCKS_APART_SECONDS,
    }
}
