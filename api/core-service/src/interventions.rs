//! What an operator does to one payment: a resync at once, and a move by hand.

use authz::audit::Act;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::explanation::ExplanationView;
use contracts::id::{Payment, PaymentId};
use contracts::operation::{ForcePayment, ResyncPayment};
use engine::Force;
use infra::http::body::{JsonBody, OptionalJsonBody};
use infra::http::path::PathId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::Error;
use crate::operator::Operator;
use crate::ops::reason;
use crate::{Core, openapi};

/// Resync a payment.
///
/// Its intent and its refunds are read at Stripe as soon as a worker is free, and what differs is corrected. The audit record
/// is written first. The answer explains the payment as it is before the read.
#[utoipa::path(
    post,
    path = "/api/v1/ops/payments/{id}/resync",
    operation_id = "resync_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(("id" = PaymentId, Path, description = "The payment")),
    request_body = ResyncPayment,
    responses(
        (status = 202, description = "The resync is requested", body = ExplanationView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn resync(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Payment>,
    OptionalJsonBody(ResyncPayment { reason }): OptionalJsonBody<ResyncPayment>,
) -> Result<(StatusCode, Json<ExplanationView>), Error> {
    let reason = reason.as_deref();
    reason::check(reason)?;
    let account = core.engine.account_of(operator.scope, id.uuid()).await?;
    let act = operator.act("payment_resynced", id.to_string(), Some(account), reason);
    record_request(&core, &act, account, id).await?;
    let done = core.engine.resync(account, id.uuid()).await;
    record_end(&core, &act, account, id, done).await?;
    let explanation = core.engine.explain(account, id.uuid()).await?;
    Ok((StatusCode::ACCEPTED, Json(explanation)))
}

/// Move a payment by hand.
///
/// It changes what Pawl knows and nothing at Stripe: the status, and its open call, which is closed. It is for a payment
/// whose outcome is known from outside, such as from Stripe's support. The audit record is written first; the history keeps
/// the operator and the reason.
#[utoipa::path(
    post,
    path = "/api/v1/ops/payments/{id}/force",
    operation_id = "force_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(("id" = PaymentId, Path, description = "The payment")),
    request_body = ForcePayment,
    responses(
        (status = 200, description = "The payment was moved", body = ExplanationView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn force(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Payment>,
    JsonBody(force): JsonBody<ForcePayment>,
) -> Result<Json<ExplanationView>, Error> {
    let ForcePayment {
        status,
        reason,
        version,
    } = force;
    reason::check(Some(&reason))?;
    let account = core.engine.account_of(operator.scope, id.uuid()).await?;
    let about = format!("to {status}: {reason}");
    let act = operator.act(
        "payment_forced",
        id.to_string(),
        Some(account),
        Some(&about),
    );
    record_request(&core, &act, account, id).await?;
    let force = Force {
        to: status,
        reason,
        actor: operator.name(),
        version,
    };
    let done = core.engine.force(account, id.uuid(), force).await;
    record_end(&core, &act, account, id, done).await?;
    Ok(Json(core.engine.explain(account, id.uuid()).await?))
}

/// Records an action on a payment that is about to be done, with the status before it.
async fn record_request(
    core: &Core,
    act: &Act<'_>,
    account: Uuid,
    id: PaymentId,
) -> Result<(), Error> {
    let before = core.engine.explain(account, id.uuid()).await?;
    let before = json!({ "status": before.status });
    core.record_request(act, before).await
}

/// Records what came of it, with the status after it.
async fn record_end(
    core: &Core,
    act: &Act<'_>,
    account: Uuid,
    id: PaymentId,
    done: Result<(), engine::Error>,
) -> Result<(), Error> {
    let after = match &done {
        Ok(()) => core.engine.explain(account, id.uuid()).await,
        Err(_) => Err(engine::Error::NotFound),
    };
    let status = after.map_or(Value::Null, |after| json!(after.status));
    let end = done.as_ref().map(|()| json!({ "status": status }));
    core.record_end(act, end).await;
    Ok(done?)
}
