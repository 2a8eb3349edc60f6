//! Refunds: create, read and list.

use axum::extract::State;
use axum::response::Response;
use contracts::id::{Payment, PaymentId, Refund, RefundId};
use contracts::request::CreateRefund;
use contracts::schema::{IdempotencyKey, RefundStatus};
use contracts::view::RefundView;
use infra::http::list::List;
use infra::http::page::{ListQuery, Page};
use infra::http::path::PathId;
use uuid::Uuid;

use crate::error::Error;
use crate::extract::{Account, IdempotentBody};
use crate::if_none_match::IfNoneMatch;
use crate::{Gateway, answer, filter, openapi};

/// Refund a payment.
///
/// The amount is reserved in the transaction that accepts the refund, so that no two refunds together give back more
/// than was captured.
#[utoipa::path(
    post,
    path = "/api/v1/payments/{id}/refunds",
    operation_id = "create_refund",
    tag = "refunds",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for Stripe's answer"),
    ),
    request_body = CreateRefund,
    responses(
        (status = 201, description = "The refund is durable", body = RefundView, headers(("Location" = String))),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    sent: IdempotentBody<CreateRefund>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, format!("/api/v1/payments/{id}/refunds"));
    let wait = sent.wait;
    let command = sent.body.into();
    let engine = &gateway.engine;
    let answer = engine.command(id.uuid(), command, idempotency).await?;
    let refund = RefundId::from_uuid(answer.subject);
    let location = format!("/api/v1/refunds/{refund}");
    let response = answer::accepted_after(wait, answer, location, |deadline| async move {
        let waited = engine.wait_for_refund(account, refund.uuid(), deadline);
        waited.await.ok().map(|view| answer::bytes(&view))
    });
    Ok(response.await)
}

/// Read a refund.
#[utoipa::path(
    get,
    path = "/api/v1/refunds/{id}",
    operation_id = "read_refund",
    tag = "refunds",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = RefundId, Path, description = "The refund"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag`s that the client has, or `*`; compared weakly, ignored if malformed"),
    ),
    responses(
        (status = 200, description = "The refund", body = RefundView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        openapi::OfReads,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Refund>,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    let refund = gateway
        .engine
        .refund(account, id.uuid())
        .await?
        .ok_or_else(Error::not_found)?;
    Ok(answer::hashed(&refund, &known))
}

/// List a payment's refunds, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/refunds",
    operation_id = "list_refunds",
    tag = "refunds",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<RefundId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<RefundId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<RefundView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.without_filters()?.page::<RefundId>()?;
    let page = page.map(|id| id.uuid());
    check_cursors(&gateway, account, &page).await?;
    let (refunds, has_more) = gateway.engine.refunds(account, id.uuid(), &page).await?;
    Ok(answer::body(&List::new(refunds, has_more)))
}

/// List the refunds of all payments, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/refunds",
    operation_id = "list_all_refunds",
    tag = "refunds",
    security(("token" = []), ("key" = [])),
    params(
        ("payment" = Option<PaymentId>, Query, description = "Only refunds of this payment"),
        ("status" = Option<RefundStatus>, Query, description = "Only refunds of this status"),
        ("created[gte]" = Option<String>, Query, format = DateTime, description = "Only refunds accepted at or after this time"),
        ("created[lt]" = Option<String>, Query, format = DateTime, description = "Only refunds accepted before this time"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<RefundId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<RefundId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<RefundView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list_all(
    State(gateway): State<Gateway>,
    Account(account): Account,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.page::<RefundId>()?.map(|id| id.uuid());
    let filter = filter::of_refunds(query.filters)?;
    check_cursors(&gateway, account, &page).await?;
    let (refunds, has_more) = gateway
        .engine
        .refunds_of_account(account, &filter, &page)
        .await?;
    Ok(answer::body(&List::new(refunds, has_more)))
}

/// Refuses a cursor that names no refund of the account.
async fn check_cursors(gateway: &Gateway, account: Uuid, page: &Page<Uuid>) -> Result<(), Error> {
    for cursor in page.cursors() {
        gateway
            .engine
            .refund(account, *cursor)
            .await?
            .ok_or_else(Error::not_found)?;
    }
    Ok(())
}
