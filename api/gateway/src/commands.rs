//! The commands that move an existing payment, confirm, capture and cancel, and the list of captures.

use axum::extract::State;
use axum::response::Response;
use contracts::id::{CaptureId, Payment, PaymentId};
use contracts::request::{CancelPayment, CapturePayment, ConfirmPayment};
use contracts::schema::IdempotencyKey;
use contracts::view::{CaptureView, PaymentView};
use engine::{Command, Idempotency};
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;

use crate::error::Error;
use crate::extract::{Account, IdempotentBody};
use crate::if_none_match::IfNoneMatch;
use crate::payments::{PATH, answer_after_wait};
use crate::prefer::Wait;
use crate::{Gateway, answer, openapi};

/// Confirm a payment.
///
/// Charges the customer with the payment method that is given, or the payment's own.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/confirm",
    operation_id = "confirm_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for a result"),
    ),
    request_body = ConfirmPayment,
    responses(
        (status = 200, description = "The confirmation is durable", body = PaymentView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn confirm(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    sent: IdempotentBody<ConfirmPayment>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, format!("{PATH}/{id}/confirm"));
    run(&gateway, id, sent.body.into(), idempotency, sent.wait).await
}

/// Capture a payment.
///
/// Takes what was authorised, or a part of it; the rest is released, unless `final` is false and the payment's `multicapture`
/// is `available`.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/capture",
    operation_id = "capture_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for a result"),
    ),
    request_body = CapturePayment,
    responses(
        (status = 200, description = "The capture is durable", body = PaymentView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn capture(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    sent: IdempotentBody<CapturePayment>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, format!("{PATH}/{id}/capture"));
    run(&gateway, id, sent.body.into(), idempotency, sent.wait).await
}

/// List a payment's captures, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/captures",
    operation_id = "list_captures",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<CaptureId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<CaptureId>, Query, description = "Go back to before this one"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag`s that the client has, or `*`; compared weakly, ignored if malformed"),
    ),
    responses(
        (status = 200, description = "A page", body = List<CaptureView>, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list_captures(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    query: ListQuery,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    let page = query.without_filters()?.page::<CaptureId>()?;
    let page = page.map(|id| id.uuid());
    let (captures, has_more) = gateway.engine.captures(account, id.uuid(), &page).await?;
    Ok(answer::hashed(&List::new(captures, has_more), &known))
}

/// Cancel a payment.
///
/// While another call to Stripe is open the wish is kept, and acted on once that call's outcome is known.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/cancel",
    operation_id = "cancel_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for a result"),
    ),
    request_body = CancelPayment,
    responses(
        (status = 200, description = "The cancellation is durable", body = PaymentView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    sent: IdempotentBody<CancelPayment>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, format!("{PATH}/{id}/cancel"));
    run(&gateway, id, sent.body.into(), idempotency, sent.wait).await
}

/// Runs a command on a payment and answers after the wait that the client asked for.
async fn run(
    gateway: &Gateway,
    id: PaymentId,
    command: Command,
    idempotency: Idempotency,
    wait: Option<Wait>,
) -> Result<Response, Error> {
    let account = idempotency.account;
    let answer = gateway
        .engine
        .command(id.uuid(), command, idempotency)
        .await?;
    Ok(answer_after_wait(&gateway.engine, account, answer, wait).await)
}
