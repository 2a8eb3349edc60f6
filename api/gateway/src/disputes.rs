//! Disputes: list, read, send evidence and accept. Stripe opens each; its answer or its event moves it.

use axum::extract::State;
use axum::response::Response;
use contracts::id::{Dispute, DisputeId, PaymentId};
use contracts::request::{AcceptDispute, SubmitEvidence};
use contracts::schema::{DisputeStatus, IdempotencyKey};
use contracts::view::DisputeView;
use engine::{Command, Disputed, Idempotency};
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use uuid::Uuid;

use crate::error::Error;
use crate::extract::{Account, IdempotentBody, LongIdempotentBody};
use crate::prefer::Wait;
use crate::{Gateway, answer, filter, openapi};

const PATH: &str = "/api/v1/disputes";

/// Whether the path is of evidence, whose bodies may have 1 MiB: 150,000 characters of text need up to 600 KB.
pub(crate) fn takes_evidence(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|rest| rest.ends_with("/evidence"))
}

/// List the disputes of all payments, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/disputes",
    operation_id = "list_disputes",
    tag = "disputes",
    security(("token" = []), ("key" = [])),
    params(
        ("payment" = Option<PaymentId>, Query, description = "Only disputes of this payment"),
        ("status" = Option<DisputeStatus>, Query, description = "Only disputes of this status"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<DisputeId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<DisputeId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<DisputeView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Account(account): Account,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.page::<DisputeId>()?.map(|id| id.uuid());
    let filter = filter::of_disputes(query.filters)?;
    for cursor in page.cursors() {
        existing(&gateway, account, *cursor).await?;
    }
    let (disputes, has_more) = gateway.engine.disputes(account, filter, &page).await?;
    Ok(answer::body(&List::new(disputes, has_more)))
}

/// Read a dispute.
#[utoipa::path(
    get,
    path = "/api/v1/disputes/{id}",
    operation_id = "read_dispute",
    tag = "disputes",
    security(("token" = []), ("key" = [])),
    params(("id" = DisputeId, Path, description = "The dispute")),
    responses(
        (status = 200, description = "The dispute", body = DisputeView),
        openapi::OfReads,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Dispute>,
) -> Result<Response, Error> {
    let found = existing(&gateway, account, id.uuid()).await?;
    Ok(answer::body(&found.view))
}

/// Send evidence of a dispute.
///
/// Stripe stores it, and passes it to the bank unless `submit` is false. It is accepted while the dispute needs a response; the
/// dispute moves with Stripe's answer.
#[utoipa::path(
    post,
    path = "/api/v1/disputes/{id}/evidence",
    operation_id = "submit_evidence",
    tag = "disputes",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for Stripe's answer"),
    ),
    request_body = SubmitEvidence,
    responses(
        (status = 200, description = "The evidence is durable and will be sent to Stripe", body = DisputeView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn submit_evidence(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Dispute>,
    sent: LongIdempotentBody<SubmitEvidence>,
) -> Result<Response, Error> {
    let sent = &sent.sent;
    let idempotency = sent.idempotency(account, format!("{PATH}/{id}/evidence"));
    let command = Command::SubmitEvidence {
        dispute: id.uuid(),
        evidence: sent.body.evidence.clone(),
        submit: sent.body.submit.unwrap_or(true),
    };
    run(&gateway, id, command, idempotency, sent.wait).await
}

/// Accept a dispute.
///
/// It is lost then, and cannot be answered any more.
#[utoipa::path(
    post,
    path = "/api/v1/disputes/{id}/accept",
    operation_id = "accept_dispute",
    tag = "disputes",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = DisputeId, Path, description = "The dispute"),
        ("Idempotency-Key" = IdempotencyKey, Header, description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: wait up to N seconds for Stripe's answer"),
    ),
    request_body = AcceptDispute,
    responses(
        (status = 200, description = "The acceptance is durable and will be sent to Stripe", body = DisputeView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn accept(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Dispute>,
    sent: IdempotentBody<AcceptDispute>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, format!("{PATH}/{id}/accept"));
    let command = Command::AcceptDispute { dispute: id.uuid() };
    run(&gateway, id, command, idempotency, sent.wait).await
}

/// Runs a command about a dispute and answers after the wait that the client asked for.
async fn run(
    gateway: &Gateway,
    id: DisputeId,
    command: Command,
    idempotency: Idempotency,
    wait: Option<Wait>,
) -> Result<Response, Error> {
    let account = idempotency.account;
    let payment = existing(gateway, account, id.uuid()).await?.payment;
    let engine = &gateway.engine;
    let answer = engine.command(payment, command, idempotency).await?;
    let location = format!("{PATH}/{id}");
    let response = answer::accepted_after(wait, answer, location, |deadline| async move {
        let waited = engine.wait_for_dispute(account, id.uuid(), deadline);
        waited.await.ok().map(|view| answer::bytes(&view))
    });
    Ok(response.await)
}

async fn existing(gateway: &Gateway, account: Uuid, id: Uuid) -> Result<Disputed, Error> {
    let found = gateway.engine.dispute(account, id).await?;
    found.ok_or_else(Error::not_found)
}
