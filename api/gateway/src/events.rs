//! The events of a payment: its transitions.

use axum::extract::State;
use axum::response::Response;
use contracts::id::{EventId, Payment, PaymentId};
use contracts::view::EventView;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;

use crate::error::Error;
use crate::extract::Account;
use crate::{Gateway, answer, openapi};

/// List a payment's events, newest first.
///
/// Every transition of the payment, its attempts and its refunds, numbered without a gap.
#[utoipa::path(
    get,
    path = "/api/v1/payments/{id}/events",
    operation_id = "list_events",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = PaymentId, Path, description = "The payment"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<EventId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<EventId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<EventView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Account(account): Account,
    PathId(id): PathId<Payment>,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.without_filters()?.page::<EventId>()?;
    if page.cursors().any(|event| event.payment != id) {
        return Err(Error::not_found());
    }
    let page = page.map(|event| event.version);
    let (events, has_more) = gateway.engine.events(account, id.uuid(), &page).await?;
    Ok(answer::body(&List::new(events, has_more)))
}
