//! Webhook endpoints: the addresses that a merchant's events are sent to.
//!
//! An API key of the account or one of its admins manages them: a caller who may only pay must neither read the merchant's
//! events nor redirect them.

use std::time::Duration;

use authz::Role;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contracts::id::{WebhookEndpoint, WebhookEndpointId};
use contracts::webhook::{
    CreateWebhookEndpoint, DeliveryStatus, DeliveryView, LONGEST_URL, RotateSecret,
    SECRET_OVERLAP_SECONDS, UpdateWebhookEndpoint, WebhookEndpointView,
};
use engine::body::{check_text, sentence};
use engine::delivery::{Address, EndpointChange, Guard, NewEndpoint};
use infra::http::RequestError;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use uuid::Uuid;

use crate::error::Error;
use crate::extract::{CheckedBody, caller};
use crate::{Gateway, answer, openapi};

/// The path of webhook endpoints.
const PATH: &str = "/api/v1/webhook_endpoints";

/// Create a webhook endpoint.
///
/// What happens from now on is sent there. The answer holds the secret that signs it; it is shown this once.
#[utoipa::path(
    post,
    operation_id = "create_webhook_endpoint",
    path = "/api/v1/webhook_endpoints",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    request_body = CreateWebhookEndpoint,
    responses(
        (status = 201, description = "The endpoint, with its secret", body = WebhookEndpointView, headers(("Location" = String))),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    CheckedBody(body): CheckedBody<CreateWebhookEndpoint>,
) -> Result<Response, Error> {
    let new = NewEndpoint {
        address: address(&gateway.guard, &body.url).await?,
        description: body.description,
        enabled_events: body.enabled_events.unwrap_or_else(|| vec!["*".to_owned()]),
    };
    let made = gateway.engine.add_webhook_endpoint(account, new).await?;
    let location = answer::header_value(format!("{PATH}/{}", made.id));
    let mut response = answer::body(&made);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// List the webhook endpoints, newest first.
#[utoipa::path(
    get,
    operation_id = "list_webhook_endpoints",
    path = "/api/v1/webhook_endpoints",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<WebhookEndpointId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<WebhookEndpointId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<WebhookEndpointView>),
        openapi::OfManagers,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    query: ListQuery,
) -> Result<Response, Error> {
    let page = query.without_filters()?.page::<WebhookEndpointId>()?;
    let page = page.map(|id| id.uuid());
    for cursor in page.cursors() {
        gateway.engine.webhook_endpoint(account, *cursor).await?;
    }
    let (endpoints, has_more) = gateway.engine.webhook_endpoints(account, &page).await?;
    Ok(answer::body(&List::new(endpoints, has_more)))
}

/// Read a webhook endpoint.
#[utoipa::path(
    get,
    operation_id = "read_webhook_endpoint",
    path = "/api/v1/webhook_endpoints/{id}",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The endpoint", body = WebhookEndpointView),
        openapi::OfManagers,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(id): PathId<WebhookEndpoint>,
) -> Result<Response, Error> {
    let endpoint = gateway.engine.webhook_endpoint(account, id.uuid()).await?;
    Ok(answer::body(&endpoint))
}

/// Change a webhook endpoint.
///
/// What is absent stays. A new address takes the deliveries that wait, too. A disabled endpoint skips its deliveries; one
/// that is enabled again is sent what happens from then on.
#[utoipa::path(
    patch,
    operation_id = "update_webhook_endpoint",
    path = "/api/v1/webhook_endpoints/{id}",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    request_body = UpdateWebhookEndpoint,
    responses(
        (status = 200, description = "The endpoint as it is now", body = WebhookEndpointView),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn update(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(id): PathId<WebhookEndpoint>,
    CheckedBody(body): CheckedBody<UpdateWebhookEndpoint>,
) -> Result<Response, Error> {
    let change = EndpointChange {
        address: match &body.url {
            Some(url) => Some(address(&gateway.guard, url).await?),
            None => None,
        },
        description: body.description,
        enabled_events: body.enabled_events,
        status: body.status,
    };
    let changed = gateway
        .engine
        .change_webhook_endpoint(account, id.uuid(), change)
        .await?;
    Ok(answer::body(&changed))
}

/// Delete a webhook endpoint.
///
/// What waits for it is not sent any more.
#[utoipa::path(
    delete,
    operation_id = "delete_webhook_endpoint",
    path = "/api/v1/webhook_endpoints/{id}",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 204, description = "It is gone"),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn remove(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(id): PathId<WebhookEndpoint>,
) -> Result<Response, Error> {
    gateway
        .engine
        .remove_webhook_endpoint(account, id.uuid())
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Send a test event to a webhook endpoint.
///
/// An event of the type `endpoint.test`, signed like every other and whatever `enabled_events` says, is sent once; its payment
/// does not exist. The answer is its delivery: `log` shows the status and the body that the endpoint answered. It is 202 and
/// `pending` if the endpoint has not answered within 12 s; the delivery shows it later. While one test event waits, no other is
/// sent.
#[utoipa::path(
    post,
    operation_id = "test_webhook_endpoint",
    path = "/api/v1/webhook_endpoints/{id}/test",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The call has ended", body = DeliveryView),
        (status = 202, description = "It has not ended yet", body = DeliveryView),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn test(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(id): PathId<WebhookEndpoint>,
) -> Result<Response, Error> {
    let sent = gateway.engine.test_webhook_endpoint(account, id.uuid());
    let delivery = sent.await?;
    let mut response = answer::body(&delivery);
    if delivery.status == DeliveryStatus::Pending {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(response)
}

/// Give a webhook endpoint a new secret.
///
/// The answer shows it this once. The old one signs beside it for a while, so that a receiver that knows only one of the
/// two verifies every delivery.
#[utoipa::path(
    post,
    operation_id = "rotate_webhook_secret",
    path = "/api/v1/webhook_endpoints/{id}/rotate_secret",
    tag = "webhook_endpoints",
    security(("token" = []), ("key" = [])),
    params(("id" = WebhookEndpointId, Path, description = "The endpoint")),
    request_body = RotateSecret,
    responses(
        (status = 200, description = "The endpoint, with its new secret", body = WebhookEndpointView),
        openapi::OfManagersChanges,
    ),
)]
pub(crate) async fn rotate_secret(
    State(gateway): State<Gateway>,
    Manager(account): Manager,
    PathId(id): PathId<WebhookEndpoint>,
    CheckedBody(body): CheckedBody<RotateSecret>,
) -> Result<Response, Error> {
    let seconds = body.expires_in.unwrap_or(SECRET_OVERLAP_SECONDS);
    let overlap = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let endpoint = gateway
        .engine
        .rotate_webhook_secret(account, id.uuid(), overlap)
        .await?;
    Ok(answer::body(&endpoint))
}

/// The account of a caller who may manage its webhook endpoints.
pub(crate) struct Manager(pub(crate) Uuid);

impl FromRequestParts<Gateway> for Manager {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Error> {
        let caller = caller(parts)?;
        if caller.key.is_some() || caller.role >= Role::Admin {
            Ok(Self(caller.account))
        } else {
            Err(Error::Forbidden("an API key or the role admin"))
        }
    }
}

async fn address(guard: &Guard, url: &str) -> Result<Address, RequestError> {
    check_text("url", url, LONGEST_URL)?;
    let checked = guard.check(url).await;
    checked.map_err(|error| RequestError::field("url", sentence(&error.to_string())))
}
