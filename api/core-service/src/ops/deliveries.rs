//! Deliveries to merchants that failed for good, and their resend.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::id::{Delivery, DeliveryId};
use contracts::webhook::DeliveryView;
use infra::http::RequestError;
use infra::http::body::OptionalJsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::reason;
use crate::error::Error;
use crate::operator::{Operator, Viewer};
use crate::{Core, openapi};

/// List the deliveries that failed for good, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/ops/deliveries",
    operation_id = "list_failed_deliveries",
    tag = "deliveries",
    security(("token" = []), ("key" = [])),
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<DeliveryId>, Query, description = "Continue behind this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<DeliveryView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Json<List<DeliveryView>>, Error> {
    if query.ending_before.is_some() {
        return Err(RequestError::unknown_parameter("ending_before").into());
    }
    let query = query.without_filters()?;
    let page = query.page::<DeliveryId>()?.map(|id| id.uuid());
    let listed = core
        .engine
        .failed_deliveries(viewer.scope, page.starting_after, page.limit);
    let (deliveries, has_more) = listed.await?;
    Ok(Json(List::new(deliveries, has_more)))
}

/// Show a delivery with its tries.
#[utoipa::path(
    get,
    path = "/api/v1/ops/deliveries/{id}",
    operation_id = "get_delivery_of_any",
    tag = "deliveries",
    security(("token" = []), ("key" = [])),
    params(("id" = DeliveryId, Path, description = "The delivery")),
    responses(
        (status = 200, description = "The delivery", body = DeliveryView),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn show(
    State(core): State<Core>,
    viewer: Viewer,
    PathId(id): PathId<Delivery>,
) -> Result<Json<DeliveryView>, Error> {
    let (_, delivery) = core.engine.delivery_in(viewer.scope, id.uuid()).await?;
    Ok(Json(delivery))
}

/// What an operator says with a resend.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendDelivery {
    /// Why, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Send a delivery again, at once and then by the schedule.
///
/// Two requests at the same moment send it once. A disabled endpoint is answered 409.
#[utoipa::path(
    post,
    path = "/api/v1/ops/deliveries/{id}/resend",
    operation_id = "resend_delivery_of_any",
    tag = "deliveries",
    security(("token" = []), ("key" = [])),
    params(("id" = DeliveryId, Path, description = "The delivery")),
    request_body = ResendDelivery,
    responses(
        (status = 202, description = "It is sent", body = DeliveryView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn resend(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Delivery>,
    OptionalJsonBody(request): OptionalJsonBody<ResendDelivery>,
) -> Result<(StatusCode, Json<DeliveryView>), Error> {
    let resent = resend_once(&core, &operator, id, request.reason.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(resent)))
}

/// Sends a delivery again, between two records of the audit.
pub(crate) async fn resend_once(
    core: &Core,
    operator: &Operator,
    id: DeliveryId,
    reason: Option<&str>,
) -> Result<DeliveryView, Error> {
    reason::check(reason)?;
    let (account, before) = core.engine.delivery_in(operator.scope, id.uuid()).await?;
    let act = operator.act("delivery_resent", id.to_string(), Some(account), reason);
    let facts = json!({ "status": before.status, "tries": before.tries });
    core.record_request(&act, facts).await?;
    let endpoint = before.endpoint_id.uuid();
    let resent = core.engine.resend(account, endpoint, id.uuid()).await;
    let end = resent
        .as_ref()
        .map(|it| json!({ "status": it.status, "tries": it.tries }));
    core.record_end(&act, end).await;
    Ok(resent?)
}
