//! Stripe's webhooks: those that wait, those that are dead, and what became of the others.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contracts::operations::{ReceivedWebhookDetail, ReceivedWebhookView};
use engine::{Scope, WebhookStatus};
use infra::http::RequestError;
use infra::http::body::OptionalJsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::reason;
use crate::error::Error;
use crate::operator::{Operator, Viewer};
use crate::{Core, openapi};

/// List webhooks of Stripe. They belong to no account, so that this takes a member of the house's staff.
#[utoipa::path(
    get,
    path = "/api/v1/ops/webhooks",
    operation_id = "list_received_webhooks",
    tag = "webhooks",
    security(("token" = []), ("key" = [])),
    params(
        ("status" = Option<String>, Query, description = "`waiting` (`received`, `retrying`, `deferred`), `dead`, or `done` (`applied`, `ignored`, `foreign`, `other_mode`, `not_understood`); `dead` when absent"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<String>, Query, description = "Continue behind this event"),
    ),
    responses(
        (status = 200, description = "A page", body = List<ReceivedWebhookView>),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn list(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Json<List<ReceivedWebhookView>>, Error> {
    if viewer.scope != Scope::All {
        return Err(Error::Forbidden);
    }
    if query.ending_before.is_some() {
        return Err(RequestError::unknown_parameter("ending_before").into());
    }
    let name = query.filter("status")?.unwrap_or("dead");
    let status = WebhookStatus::parse(name)
        .ok_or_else(|| RequestError::parameter("status", "There is no such status."))?;
    let page = query.page::<String>()?;
    let after = page.starting_after.as_deref();
    let (webhooks, has_more) = core
        .engine
        .received_webhooks(status, after, page.limit)
        .await?;
    Ok(Json(List::new(webhooks, has_more)))
}

/// Show a webhook with its body, and what a replay would do.
#[utoipa::path(
    get,
    path = "/api/v1/ops/webhooks/{event}",
    operation_id = "get_received_webhook",
    tag = "webhooks",
    security(("token" = []), ("key" = [])),
    params(("event" = String, Path, description = "Stripe's id of the event")),
    responses(
        (status = 200, description = "The webhook", body = ReceivedWebhookDetail),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn show(
    State(core): State<Core>,
    viewer: Viewer,
    Path(event): Path<String>,
) -> Result<Json<ReceivedWebhookDetail>, Error> {
    Ok(Json(
        core.engine.received_webhook(viewer.scope, &event).await?,
    ))
}

/// What an operator says with a replay.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayWebhook {
    /// Why, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// Apply a webhook again.
///
/// A worker takes it within a second. An event that the payment already reflects is ignored, so that a second replay changes
/// nothing. With `dry_run` the answer says what it would do now.
#[utoipa::path(
    post,
    path = "/api/v1/ops/webhooks/{event}/replay",
    operation_id = "replay_received_webhook",
    tag = "webhooks",
    security(("token" = []), ("key" = [])),
    params(("event" = String, Path, description = "Stripe's id of the event")),
    request_body = ReplayWebhook,
    responses(
        (status = 200, description = "What a replay would do", body = ReceivedWebhookDetail),
        (status = 202, description = "It waits", body = ReceivedWebhookView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn replay(
    State(core): State<Core>,
    operator: Operator,
    Path(event): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<ReplayWebhook>,
) -> Result<Response, Error> {
    if request.dry_run {
        let webhook = core.engine.received_webhook(operator.scope, &event).await?;
        return Ok(Json(webhook).into_response());
    }
    let replayed = replay_once(&core, &operator, &event, request.reason.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed)).into_response())
}

/// Applies a webhook again, between two records of the audit.
pub(crate) async fn replay_once(
    core: &Core,
    operator: &Operator,
    event: &str,
    reason: Option<&str>,
) -> Result<ReceivedWebhookView, Error> {
    reason::check(reason)?;
    let before = core.engine.received_webhook(operator.scope, event).await?;
    let account = match before.webhook.payment_id {
        Some(payment) => {
            let payment = core.engine.payment_in(operator.scope, payment.uuid()).await;
            payment.ok().map(|payment| payment.account_id.uuid())
        }
        None => None,
    };
    let act = operator.act("webhook_replayed", event.to_owned(), account, reason);
    let facts = json!({ "status": before.webhook.status });
    core.record_request(&act, facts).await?;
    let replayed = core.engine.replay_webhook(operator.scope, event).await;
    let end = replayed
        .as_ref()
        .map(|webhook| json!({ "status": webhook.status }));
    core.record_end(&act, end).await;
    Ok(replayed?)
}
