//! Creates the intent of a payment, without confirming it: a lost answer costs nothing, and one GET finds the intent.

use uuid::Uuid;
use workflows::payment::{Call, CaptureMethod, Kind};
use workflows::stream::Event;

use super::{Deed, Work, stripe_error};
use crate::stripe::{Answered, Class, CreateIntent, Created, Failure};

/// How far Stripe's clock and ours may be apart when an intent is looked for by the time it was made.
const CLOCKS_APART_SECONDS: i64 = 3600;

/// What a time-out and a grain of a second may add to the age of a call.
const SLACK_SECONDS: i64 = 60;

pub(super) async fn perform(work: Work<'_>) -> Deed {
    let payment = &work.record.stream.payment;
    if payment.open_call != Some(Call::CreateIntent) {
        return Deed::moot();
    }
    if work.key_is_too_old() {
        return look(&work, None).await;
    }
    let key = match work.key() {
        Ok(key) => key,
        Err(deed) => return deed,
    };
    let notes = &work.record.notes;
    let create = CreateIntent {
        payment: payment.id,
        account: work.record.account,
        amount: payment.money.amount(),
        currency: payment.money.currency().code(),
        manual_capture: payment.capture_method == CaptureMethod::Manual,
        payment_method: payment.payment_method.clone(),
        // A browser that confirms brings a return address of its own.
        redirects: payment.return_url.is_some() || !payment.confirm,
        description: notes.description.clone(),
        statement_descriptor: notes.statement_descriptor.clone(),
        receipt_email: notes
            .customer
            .as_ref()
            .and_then(|customer| customer.email.clone()),
    };
    let failure = match work.stripe.create_intent(&create, &key).await {
        Ok(answered) => return created(&work, answered.object),
        Err(failure) => failure,
    };
    match failure.class {
        Class::Retry | Class::Unknown => Deed::again(work.job, &failure),
        Class::Saved | Class::Conflict | Class::AlreadyDone => look(&work, Some(&failure)).await,
        Class::Refused | Class::Business => Deed::event(Event::IntentRejected {
            error: stripe_error(&failure),
        }),
        Class::Impossible => Deed::dead(failure.to_string()),
    }
}

fn created(work: &Work<'_>, intent: workflows::stripe::Intent) -> Deed {
    let kind = Kind::of_intent(intent.status);
    work.seen(intent, Call::CreateIntent, kind)
}

/// Looks for the intent by our id. When Stripe has ended the call (`over`) and there is none, the call is made anew under
/// another key; under a key that is too old, only a person may decide that.
async fn look(work: &Work<'_>, over: Option<&Failure>) -> Deed {
    match work
        .stripe
        .find_intent(work.record.stream.payment.id, made_within(work, over))
        .await
    {
        Ok(Answered {
            object: Some(intent),
            ..
        }) => created(work, intent),
        Ok(_) if over.is_some() => Deed::event(Event::CallProvedVoid {
            call: Call::CreateIntent,
            refund: None,
            amount: None,
            fresh_attempt: Uuid::now_v7(),
        }),
        Ok(_) => {
            Deed::dead("its key is older than 23 hours and Stripe shows no intent of this payment")
        }
        Err(failure) => work.asked_in_vain(&failure),
    }
}

/// When the intent can have been made. Stripe tells its own time with a refusal, and the call is no older than its key:
/// a narrow range, which the clocks have no part in.
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
