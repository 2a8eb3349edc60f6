//! Payments: create, read and list.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use contracts::id::{Payment, PaymentId};
use contracts::request::CreatePayment;
use contracts::schema::{IdempotencyKey, MetadataFilter, PaymentStatus};
use contracts::view::PaymentView;
use engine::body::new_payment;
use engine::{Answer, Engine};
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use uuid::Uuid;

use crate::early_view::FoundEarly;
use crate::error::Error;
use crate::extract::{Account, IdempotentBody};
use crate::if_none_match::IfNoneMatch;
use crate::prefer::Wait;
use crate::{Gateway, answer, filter, openapi};

/// The path of payments.
pub(crate) const PATH: &str = "/api/v1/payments";

/// Create a payment.
///
/// The payment is durable when the answer comes; Stripe is called afterwards. With `Prefer: wait=N` the answer waits up
/// to N seconds (at most 30) for the first status that asks something of the client or is at rest.
#[utoipa::path(
    post,
    path = "/api/v1/payments",
    operation_id = "create_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("Idempotency-Key" = IdempotencyKey, Header, example = "order-1042", description = "Names what you mean to do; the same in every retry"),
        ("Prefer" = Option<String>, Header, example = "wait=5", description = "`wait=N`: wait up to N seconds for a result"),
    ),
    request_body(content = CreatePayment, example = json!({
        "amount": 1099,
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "confirm": true,
        "return_url": "https://shop.example/done",
        "description": "Order 1042",
        "metadata": {"shop": "north"},
    })),
    responses(
        (status = 201, description = "The payment is durable", body = PaymentView,
            headers(("Location" = String), ("Idempotent-Replayed" = String), ("Preference-Applied" = String))),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Account(account): Account,
    sent: IdempotentBody<CreatePayment>,
) -> Result<Response, Error> {
    let idempotency = sent.idempotency(account, PATH.to_owned());
    let wait = sent.wait;
    let answer = gateway
        .engine
        .create(new_payment(sent.body)?, idempotency)
        .await?;
    Ok(answer_after_wait(&gateway.engine, account, answer, wait).await)
}

/// Read a payment.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}",
    operation_id = "read_payment",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag`s that the client has, or `*`; compared weakly, ignored if malformed"),
    ),
    responses(
        (status = 200, description = "The payment", body = PaymentView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        openapi::OfReads,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    FoundEarly(early): FoundEarly,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    let (engine, id) = (&gateway.engine, id.uuid());
    let found = match early {
        Some(early) if early.id == id => engine.payment_from(account, id, early.cached).await?,
        _ => engine.payment(account, id).await?,
    };
    let view = found.ok_or_else(Error::not_found)?;
    Ok(answer::view(view, &known))
}

/// Read a payment by Stripe's id of its intent.
#[utoipa::path(
    get,
    path = "/api/v1/payment_intents/{intent_id}",
    operation_id = "read_payment_by_intent",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("intent_id" = String, Path, description = "Stripe's id, `pi_…`"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag`s that the client has, or `*`; compared weakly, ignored if malformed"),
    ),
    responses(
        (status = 200, description = "The payment", body = PaymentView, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        openapi::OfReads,
    ),
)]
pub(crate) async fn by_intent(
    State(gateway): State<Gateway>,
    Account(account): Account,
    intent: Result<Path<String>, PathRejection>,
    known: IfNoneMatch,
) -> Result<Response, Error> {
    // What is no UTF-8 or holds NUL is no id of Stripe's, and nothing that Postgres takes.
    let intent = intent.map_err(|_| Error::not_found())?.0;
    if intent.contains('\0') {
        return Err(Error::not_found());
    }
    let view = gateway
        .engine
        .payment_by_intent(account, &intent)
        .await?
        .ok_or_else(Error::not_found)?;
    Ok(answer::view(view, &known))
}

/// List payments, newest first.
///
/// A list shows neither `client_secret` nor `next_action`.
#[utoipa::path(
    get,
    path = "/api/v1/payments",
    operation_id = "list_payments",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("status" = Option<PaymentStatus>, Query, description = "Only payments of this status"),
        ("reference" = Option<String>, Query, description = "Only the payment with this order id of the merchant"),
        ("amount" = Option<i64>, Query, minimum = 0, description = "Only payments of this amount"),
        ("amount[gte]" = Option<i64>, Query, minimum = 0, description = "Only payments of at least this amount"),
        ("amount[lte]" = Option<i64>, Query, minimum = 0, description = "Only payments of at most this amount"),
        ("created[gte]" = Option<String>, Query, format = DateTime, description = "Only payments accepted at or after this time"),
        ("created[lt]" = Option<String>, Query, format = DateTime, description = "Only payments accepted before this time"),
        ("metadata" = inline(Option<MetadataFilter>), Query, style = DeepObject, explode, example = json!({}), description = "`metadata[key]=value`: only payments that bear this"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<PaymentId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<PaymentId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<PaymentView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Account(account): Account,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.page::<PaymentId>()?.map(|id| id.uuid());
    let filter = filter::parse(query.filters)?;
    for cursor in page.cursors() {
        gateway
            .engine
            .payment(account, *cursor)
            .await?
            .ok_or_else(Error::not_found)?;
    }
    let (payments, has_more) = gateway.engine.payments(account, &filter, &page).await?;
    Ok(answer::body(&List::new(payments, has_more)))
}

/// The answer to a command on a payment, after the wait that the client asked for.
pub(crate) async fn answer_after_wait(
    engine: &Engine,
    account: Uuid,
    answer: Answer,
    wait: Option<Wait>,
) -> Response {
    let (payment, version) = (answer.payment, answer.version);
    let location = format!("{PATH}/{}", PaymentId::from_uuid(payment));
    answer::accepted_after(wait, answer, location, |deadline| async move {
        let waited = engine.wait(account, payment, version, deadline).await;
        let newer = waited.ok().filter(|view| view.version > version);
        newer.map(|view| view.body)
    })
    .await
}
