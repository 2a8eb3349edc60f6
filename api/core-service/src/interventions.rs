//! What an operator does to one payment: a resync at once, and a move by hand.

use authz::Caller;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::explanation::ExplanationView;
use contracts::id::{Payment, PaymentId};
use contracts::operation::{ForcePayment, ResyncPayment};
use engine::Force;
use infra::http::body::{JsonBody, OptionalJsonBody};
use infra::http::path::PathId;

use crate::error::Error;
use crate::operator::Operator;
use crate::ops::check_reason;
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
    check_reason(reason.as_deref())?;
    operator
        .record(&core, "payment_resynced", id.to_string(), reason.as_deref())
        .await?;
    let account = operator.caller.account;
    core.engine.resync(account, id.uuid()).await?;
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
        openapi::OfMoves,
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
    check_reason(Some(&reason))?;
    let about = format!("to {status}: {reason}");
    operator
        .record(&core, "payment_forced", id.to_string(), Some(&about))
        .await?;
    let force = Force {
        to: status,
        reason,
        actor: actor(&operator.caller),
        version,
    };
    let account = operator.caller.account;
    core.engine.force(account, id.uuid(), force).await?;
    Ok(Json(core.engine.explain(account, id.uuid()).await?))
}

/// The person or the key that acts, as the audit shows it.
fn actor(caller: &Caller) -> String {
    match (caller.user, caller.key) {
        (Some(user), _) => authz::id::UserId::from_uuid(user).to_string(),
        (None, Some(key)) => authz::id::KeyId::from_uuid(key).to_string(),
        (None, None) => "unknown".to_owned(),
    }
}
