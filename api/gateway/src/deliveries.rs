//! Deliveries: the log of the events that a webhook endpoint was sent, and sending one again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::id::{Delivery, DeliveryId, WebhookEndpoint, WebhookEndpointId};
use contracts::webhook::{DeliveryStatus, DeliveryView};
use infra::http::RequestError;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::{PathId, PathIds};

use crate::error::Error;
use crate::webhook_endpoints::Manager;
use crate::{Gateway, answer, openapi};

/// List an endpoint's deliveries, newest first.
///
/// They are kept for 30 days.
#[utoipa::path(
    get,
    operation_id = "list_deliveries",
    path = "/api/v1/webhook_endpoints/{id}/deliveries",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        ("status" = Option<DeliveryStatus>, Query, description = "Only those in this status"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<DeliveryId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<DeliveryId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<DeliveryView>),
        openapi::OfManagers,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(endpoint): PathId<WebhookEndpoint>,
    query: ListQuery,
) -> Result<Response, Error> {
    let endpoint = endpoint.uuid();
    let status = match query.filter("status")? {
        Some(name) => Some(
            DeliveryStatus::ALL
                .into_iter()
                .find(|status| status.as_str() == name)
                .ok_or_else(|| {
                    RequestError::parameter("status", "A delivery has no such status.")
                })?,
        ),
        None => None,
    };
    let page = query.page::<DeliveryId>()?.map(|id| id.uuid());
    for cursor in page.cursors() {
        gateway.engine.delivery(account, endpoint, *cursor).await?;
    }
    let (deliveries, has_more) = gateway
        .engine
        .deliveries(account, endpoint, status, &page)
        .await?;
    Ok(answer::body(&List::new(deliveries, has_more)))
}

/// Read a delivery, with its tries.
#[utoipa::path(
    get,
    operation_id = "read_delivery",
    path = "/api/v1/webhook_endpoints/{id}/deliveries/{delivery_id}",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        ("delivery_id" = DeliveryId, Path, description = "The delivery"),
    ),
    responses(
        (status = 200, description = "The delivery", body = DeliveryView),
        openapi::OfManagers,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathIds(endpoint, delivery): PathIds<WebhookEndpoint, Delivery>,
) -> Result<Response, Error> {
    let delivery = gateway
        .engine
        .delivery(account, endpoint.uuid(), delivery.uuid())
        .await?;
    Ok(answer::body(&delivery))
}

/// Send a delivery again.
///
/// It is sent at once, and then by the schedule, with the same `webhook-id`. One that waits for its next try is brought
/// forward.
#[utoipa::path(
    post,
    operation_id = "resend_delivery",
    path = "/api/v1/webhook_endpoints/{id}/deliveries/{delivery_id}/resend",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(
        ("id" = WebhookEndpointId, Path, description = "The endpoint"),
        ("delivery_id" = DeliveryId, Path, description = "The delivery"),
    ),
    responses(
        (status = 202, description = "It will be sent", body = DeliveryView),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn resend(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathIds(endpoint, delivery): PathIds<WebhookEndpoint, Delivery>,
) -> Result<Response, Error> {
    let delivery = gateway
        .engine
        .resend(account, endpoint.uuid(), delivery.uuid())
        .await?;
    let mut response = answer::body(&delivery);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
