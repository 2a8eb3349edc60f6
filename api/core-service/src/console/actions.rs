//! What the forms of the pages do: the same as the routes of the operations API, with the same rights and audit records.

use axum::extract::{Path, State};
use axum::response::Redirect;
use contracts::id::{DeliveryId, JobId, PaymentId};
use contracts::operation::{ForcePayment, ResyncPayment};
use infra::http::body::{JsonBody, OptionalJsonBody};
use infra::http::path::PathId;
use time::OffsetDateTime;

use super::error::PageError;
use super::fields::Fields;
use super::jobs::back;
use super::visit::Actor;
use crate::ops::act::{Action, perform};
use crate::ops::{deliveries, queues, reason, webhooks};
use crate::{Core, interventions};

type Done = Result<Redirect, PageError>;

/// The reason of a form, if it has one.
fn reason_of(fields: &Fields) -> Result<Option<String>, PageError> {
    let text = fields.text("reason");
    reason::check(text)?;
    Ok(text.map(str::to_owned))
}

fn version(fields: &Fields) -> Result<Option<i64>, PageError> {
    let version = fields.text("version").map(str::parse).transpose();
    version.map_err(|_| PageError::Field("The version is not a number.".to_owned()))
}

fn job(id: &str) -> Result<JobId, PageError> {
    Ok(id.parse().map_err(|_| engine::Error::NotFound)?)
}

/// Retries a dead job.
pub(super) async fn retry(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let (id, action) = (job(&id)?, Action::Retry(version(&fields)?));
    let reason = reason_of(&fields)?;
    perform(&core, &operator, id, action, reason.as_deref()).await?;
    Ok(Redirect::to(&back(
        fields.raw("back"),
        format!("/jobs/{id}"),
    )))
}

/// Cancels a job that waits.
pub(super) async fn cancel(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let (id, action) = (job(&id)?, Action::Cancel(version(&fields)?));
    let reason = reason_of(&fields)?;
    perform(&core, &operator, id, action, reason.as_deref()).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Puts a job off that waits, by minutes from now.
pub(super) async fn snooze(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let id = job(&id)?;
    let minutes = fields
        .text("minutes")
        .and_then(|text| text.parse::<i64>().ok());
    let minutes = minutes.filter(|minutes| (1..10_080).contains(minutes));
    let minutes = minutes.ok_or_else(|| {
        PageError::Field("A job is put off by 1 to 10079 minutes, a week.".to_owned())
    })?;
    let until = OffsetDateTime::now_utc() + time::Duration::minutes(minutes);
    let action = Action::Snooze(version(&fields)?, until);
    let reason = reason_of(&fields)?;
    perform(&core, &operator, id, action, reason.as_deref()).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Requests that a payment is compared with Stripe's objects.
pub(super) async fn resync(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let id: PaymentId = id.parse().map_err(|_| engine::Error::NotFound)?;
    let body = ResyncPayment {
        reason: reason_of(&fields)?,
    };
    let _explanation =
        interventions::resync(State(core), operator, PathId(id), OptionalJsonBody(body)).await?;
    Ok(Redirect::to(&format!("/payments/{id}")))
}

/// Moves a payment by hand, if it still has the version that the page showed.
pub(super) async fn force(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let id: PaymentId = id.parse().map_err(|_| engine::Error::NotFound)?;
    let missing = |what: &str| PageError::Field(format!("A move by hand needs {what}."));
    let status = fields.text("status").and_then(|text| text.parse().ok());
    let body = ForcePayment {
        status: status.ok_or_else(|| missing("the status to move to"))?,
        reason: reason_of(&fields)?.ok_or_else(|| missing("a reason"))?,
        version: version(&fields)?.ok_or_else(|| missing("the version that the page showed"))?,
    };
    let _explanation =
        interventions::force(State(core), operator, PathId(id), JsonBody(body)).await?;
    Ok(Redirect::to(&format!("/payments/{id}")))
}

/// Applies a webhook of Stripe again.
pub(super) async fn replay(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(event): Path<String>,
    fields: Fields,
) -> Done {
    let reason = reason_of(&fields)?;
    webhooks::replay_once(&core, &operator, &event, reason.as_deref()).await?;
    Ok(Redirect::to(&format!("/webhooks/{event}")))
}

/// Sends a delivery to a merchant again.
pub(super) async fn resend(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Done {
    let id: DeliveryId = id.parse().map_err(|_| engine::Error::NotFound)?;
    let reason = reason_of(&fields)?;
    deliveries::resend_once(&core, &operator, id, reason.as_deref()).await?;
    Ok(Redirect::to("/webhooks?list=deliveries"))
}

/// Pauses or resumes the jobs of a kind.
pub(super) async fn switch_queue(
    State(core): State<Core>,
    Actor(operator): Actor,
    Path((kind, change)): Path<(String, String)>,
    fields: Fields,
) -> Done {
    let reason = reason_of(&fields)?;
    let pause = match change.as_str() {
        "pause" => true,
        "resume" => false,
        _ => return Err(engine::Error::NotFound.into()),
    };
    let _queues = queues::change(&core, &operator, &kind, reason.as_deref(), pause).await?;
    Ok(Redirect::to("/"))
}
