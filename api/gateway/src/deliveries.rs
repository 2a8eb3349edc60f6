//! Deliveries: the log of what a webhook endpoint was sent, and sending it again.

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use contracts::id::{DeliveryId, WebhookEndpoint, WebhookEndpointId};
use contracts::webhook::{DeliveryStatus, DeliveryView};
use infra::http::list::List;

use crate::error::Error;
use crate::extract::Named;
use crate::page::Query;
use crate::webhook_endpoints::Manager;
use crate::{Gateway, answer, openapi, page};

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
    Named(endpoint): Named<WebhookEndpoint>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let endpoint = endpoint.uuid();
    let query = Query::parse(query.as_deref())?;
    let status = match query.filter("status")? {
        Some(word) => Some(
            DeliveryStatus::ALL
                .into_iter()
                .find(|status| status.as_str() == word)
                .ok_or_else(|| page::invalid("status", "A delivery has no such status."))?,
        ),
        None => None,
    };
    let page = query.page(|id: DeliveryId| id.uuid())?;
    for cursor in [page.starting_after, page.ending_before]
        .into_iter()
        .flatten()
    {
        gateway.engine.delivery(account, endpoint, cursor).await?;
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
    Both(endpoint, delivery): Both,
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
    Both(endpoint, delivery): Both,
) -> Result<Response, Error> {
    let delivery = gateway
        .engine
        .resend(account, endpoint.uuid(), delivery.uuid())
        .await?;
    let mut response = answer::body(&delivery);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// The two ids in the path. What cannot be an id is unknown, like any other that nobody has.
pub(crate) struct Both(WebhookEndpointId, DeliveryId);

impl FromRequestParts<Gateway> for Both {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        let Path((endpoint, delivery)) =
            Path::<(String, String)>::from_request_parts(parts, gateway)
                .await
                .map_err(|_| Error::not_found())?;
        match (endpoint.parse(), delivery.parse()) {
            (Ok(endpoint), Ok(delivery)) => Ok(Self(endpoint, delivery)),
            _ => Err(Error::not_found()),
        }
    }
}
