//! Dead jobs: jobs that the engine does not try again until an operator decides.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::id::{Job, JobId};
use contracts::view::JobView;
use engine::JOB_STATES;
use infra::http::RequestError;
use infra::http::body::OptionalJsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::operator::{Operator, Viewer};
use crate::{Core, openapi};

/// The most characters of a reason.
const MAX_REASON: usize = 500;

/// List the jobs of the account in one state, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/ops/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(
        ("state" = Option<String>, Query, description = "`queued`, `running`, `unknown`, `done` or `dead`; `dead` when absent"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<JobId>, Query, description = "Continue behind this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<JobView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Json<List<JobView>>, Error> {
    let state = query.filter("state")?.unwrap_or("dead");
    if !JOB_STATES.contains(&state) {
        return Err(RequestError::parameter("state", "There is no such state.").into());
    }
    if query.ending_before.is_some() {
        return Err(RequestError::unknown_parameter("ending_before").into());
    }
    let page = query.page::<JobId>()?.map(|id| id.uuid());
    let (jobs, has_more) = core
        .engine
        .jobs(viewer.account, state, page.starting_after, page.limit)
        .await?;
    Ok(Json(List::new(jobs, has_more)))
}

/// The reason of an operator.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryJob {
    /// Why the job is retried, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Retry a dead job.
///
/// The job is queued again with the `Idempotency-Key` that it always had. The audit record is written first.
#[utoipa::path(
    post,
    path = "/api/v1/ops/jobs/{id}/retry",
    operation_id = "retry_job",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(("id" = JobId, Path, description = "The job")),
    request_body = RetryJob,
    responses(
        (status = 202, description = "The job is queued"),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn retry(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Job>,
    OptionalJsonBody(RetryJob { reason }): OptionalJsonBody<RetryJob>,
) -> Result<StatusCode, Error> {
    let reason = reason.as_deref();
    check_reason(reason)?;
    operator
        .record(&core, "job_retried", id.to_string(), reason)
        .await?;
    core.engine
        .retry(operator.caller.account, id.uuid())
        .await?;
    Ok(StatusCode::ACCEPTED)
}

/// Refuses a reason that the audit cannot show.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Error> {
    if reason.is_none_or(is_printable) {
        return Ok(());
    }
    let detail = "A reason is 1 to 500 printable characters.";
    Err(RequestError::field("reason", detail).into())
}

fn is_printable(reason: &str) -> bool {
    (1..=MAX_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control)
}
