//! Explanations: why a payment, a refund or a dispute is where it is, and what moves it next.

use axum::extract::State;
use axum::response::Response;
use contracts::explanation::ExplanationView;
use contracts::id::{Dispute, DisputeId, Payment, PaymentId, Refund, RefundId};
use infra::http::path::PathId;

use crate::error::Error;
use crate::extract::Account;
use crate::{Gateway, answer, openapi};

/// Explain a payment.
///
/// Where it stands, why, what it waits for, what happens next and when, and what a client or an operator can do. It is read
/// from Postgres at this moment, and never from a cache.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/explain",
    operation_id = "explain_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(("id" = PaymentId, Path, description = "The payment")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        openapi::OfReads,
    ),
)]
pub(crate) async fn payment(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
) -> Result<Response, Error> {
    let explanation = gateway.engine.explain(account, id.uuid()).await?;
    Ok(answer::body(&explanation))
}

/// Explain a refund.
///
/// The same as for a payment; `next` also shows the timers of the payment that it gives back.
#[utoipa::path(
    get,
    path = "/api/v1/refunds/{id}/explain",
    operation_id = "explain_refund",
    tag = "refunds",
    security(("token" = []), ("key" = [])),
    params(("id" = RefundId, Path, description = "The refund")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        openapi::OfReads,
    ),
)]
pub(crate) async fn refund(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Refund>,
) -> Result<Response, Error> {
    let explanation = gateway.engine.explain_refund(account, id.uuid()).await?;
    Ok(answer::body(&explanation))
}

/// Explain a dispute.
///
/// The same as for a payment; `next` also shows the timers of the disputed payment.
#[utoipa::path(
    get,
    path = "/api/v1/disputes/{id}/explain",
    operation_id = "explain_dispute",
    tag = "disputes",
    security(("token" = []), ("key" = [])),
    params(("id" = DisputeId, Path, description = "The dispute")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        openapi::OfReads,
    ),
)]
pub(crate) async fn dispute(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Dispute>,
) -> Result<Response, Error> {
    let explanation = gateway.engine.explain_dispute(account, id.uuid()).await?;
    Ok(answer::body(&explanation))
}
