//! Queues: the jobs of a kind. A pause stops them for all accounts, so that only staff of the house may pause.

use axum::Json;
use axum::extract::{Path, State};
use contracts::operations::QueueView;
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

/// List the kinds of jobs, with their pauses and how many jobs wait.
#[utoipa::path(
    get,
    path = "/api/v1/ops/queues",
    operation_id = "list_queues",
    tag = "queues",
    security(("token" = []), ("key" = [])),
    responses(
        (status = 200, description = "All kinds", body = List<QueueView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(core): State<Core>,
    _viewer: Viewer,
    query: ListQuery,
) -> Result<Json<List<QueueView>>, Error> {
    let _no_others = query.without_filters()?;
    Ok(Json(List::new(core.engine.queues().await?, false)))
}

/// Why a queue is paused or resumed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeQueue {
    /// For the audit record, and shown beside the pause.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Pause a kind of jobs for all accounts.
///
/// From now on none is begun; workers obey within 2 s, and a call that is on its way is finished. This takes a member of the
/// house's staff.
#[utoipa::path(
    post,
    path = "/api/v1/ops/queues/{kind}/pause",
    operation_id = "pause_queue",
    tag = "queues",
    security(("token" = []), ("key" = [])),
    params(("kind" = String, Path, description = "`create_intent`, `confirm_intent`, …")),
    request_body = ChangeQueue,
    responses(
        (status = 200, description = "The queues as they are now", body = List<QueueView>),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn pause(
    State(core): State<Core>,
    operator: Operator,
    Path(kind): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<ChangeQueue>,
) -> Result<Json<List<QueueView>>, Error> {
    change(&core, &operator, &kind, request.reason.as_deref(), true).await
}

/// Resume a kind of jobs for all accounts.
///
/// Jobs that are due are performed within a few seconds. This takes a member of the house's staff.
#[utoipa::path(
    post,
    path = "/api/v1/ops/queues/{kind}/resume",
    operation_id = "resume_queue",
    tag = "queues",
    security(("token" = []), ("key" = [])),
    params(("kind" = String, Path, description = "`create_intent`, `confirm_intent`, …")),
    request_body = ChangeQueue,
    responses(
        (status = 200, description = "The queues as they are now", body = List<QueueView>),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn resume(
    State(core): State<Core>,
    operator: Operator,
    Path(kind): Path<String>,
    OptionalJsonBody(request): OptionalJsonBody<ChangeQueue>,
) -> Result<Json<List<QueueView>>, Error> {
    change(&core, &operator, &kind, request.reason.as_deref(), false).await
}

/// Pauses or resumes the jobs of a kind, between two records of the audit, and shows the queues as they are then.
pub(crate) async fn change(
    core: &Core,
    operator: &Operator,
    kind: &str,
    reason: Option<&str>,
    pauses: bool,
) -> Result<Json<List<QueueView>>, Error> {
    operator.check_staff()?;
    reason::check(reason)?;
    let queues = core.engine.queues().await?;
    let before = queues.iter().find(|queue| queue.kind == kind);
    let before = before.ok_or(engine::Error::NotFound)?;
    let action = if pauses {
        "queue_paused"
    } else {
        "queue_resumed"
    };
    let act = operator.act(action, kind.to_owned(), None, reason);
    let facts = json!({ "paused": before.paused });
    core.record_request(&act, facts).await?;
    let changed = if pauses {
        let by = operator.name();
        core.engine.pause_queue(kind, reason, &by).await
    } else {
        core.engine.resume_queue(kind).await
    };
    let end = changed.as_ref().map(|_| json!({ "paused": pauses }));
    core.record_end(&act, end).await;
    changed?;
    Ok(Json(List::new(core.engine.queues().await?, false)))
}
