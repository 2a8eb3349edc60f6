//! Jobs: what the engine has to do, does and did, and what it gave up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use contracts::id::{Job, JobId, PaymentId};
use contracts::operations::{ErrorGroupView, JobCount, JobDetail, JobView, RetryView};
use engine::{JobFilter, JobState};
use infra::http::RequestError;
use infra::http::body::OptionalJsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::act::{Action, perform};
use super::moment::moment;
use super::reason;
use crate::error::Error;
use crate::operator::{Operator, Viewer};
use crate::{Core, openapi};

/// The filters of jobs, which the lists, the counts and the actions on many share.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters that `filter` reads")]
pub(crate) struct Filters {
    /// Only those that do this: `create_intent`, `confirm_intent`, …
    kind: Option<String>,
    /// Only those whose error is of this class
    error_class: Option<String>,
    /// Only those whose error contains this, in any case
    error: Option<String>,
    /// Only those of this payment
    #[param(value_type = Option<PaymentId>)]
    payment: Option<String>,
    /// Only those written at or after this time
    #[param(rename = "created[gte]", value_type = Option<String>, format = DateTime)]
    created_from: Option<String>,
    /// Only those written before this time
    #[param(rename = "created[lt]", value_type = Option<String>, format = DateTime)]
    created_to: Option<String>,
}

/// Reads the filters among the parameters, and leaves the others.
pub(crate) fn filter(parameters: &mut Vec<(String, String)>) -> Result<JobFilter, RequestError> {
    let mut filter = JobFilter::default();
    let mut others = Vec::new();
    for (name, value) in std::mem::take(parameters) {
        if value.contains('\0') || value.chars().count() > 500 {
            return Err(RequestError::parameter(
                name,
                "This is too long, or holds a character that no job has.",
            ));
        }
        match name.as_str() {
            "kind" => filter.kind = Some(value),
            "error_class" => filter.error_class = Some(value),
            "error" => filter.error = Some(value),
            "payment" => {
                let id = value.parse::<PaymentId>();
                let id = id.map_err(|_| {
                    RequestError::parameter("payment", "This is no id of a payment.")
                })?;
                filter.payment = Some(id.uuid());
            }
            "created[gte]" => filter.created.0 = Some(moment(&name, &value)?),
            "created[lt]" => filter.created.1 = Some(moment(&name, &value)?),
            _ => others.push((name, value)),
        }
    }
    *parameters = others;
    Ok(filter)
}

/// List jobs in one state.
///
/// Those that are queued come in the order in which they are due, all others newest first. Of the done jobs the newest 10,000
/// below the cursor are searched.
#[utoipa::path(
    get,
    path = "/api/v1/ops/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(
        ("state" = Option<String>, Query, description = "`queued`, `running`, `unknown`, `done` or `dead`; `dead` when absent"),
        Filters,
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
    mut query: ListQuery,
) -> Result<Json<List<JobView>>, Error> {
    if query.ending_before.is_some() {
        return Err(RequestError::unknown_parameter("ending_before").into());
    }
    let filter = filter(&mut query.filters)?;
    let state = query.filter("state")?.unwrap_or("dead");
    let state: JobState = state
        .parse()
        .map_err(|_| RequestError::parameter("state", "There is no such state."))?;
    let page = query.page::<JobId>()?.map(|id| id.uuid());
    let (jobs, has_more) = core
        .engine
        .jobs(
            viewer.scope,
            state,
            &filter,
            page.starting_after,
            page.limit,
        )
        .await?;
    Ok(Json(List::new(jobs, has_more)))
}

/// Count the jobs of each state that meet the filters.
///
/// Above 10,000 jobs in a state its number is an estimate.
#[utoipa::path(
    get,
    path = "/api/v1/ops/jobs/counts",
    operation_id = "count_jobs",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(Filters),
    responses(
        (status = 200, description = "A number for each state", body = List<JobCount>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn counts(
    State(core): State<Core>,
    viewer: Viewer,
    mut query: ListQuery,
) -> Result<Json<List<JobCount>>, Error> {
    let filter = filter(&mut query.filters)?;
    let _no_others = query.without_filters()?;
    let counts = core.engine.job_counts(viewer.scope, &filter).await?;
    Ok(Json(List::new(counts, false)))
}

/// Group the dead jobs by the class of their error, the most frequent first.
#[utoipa::path(
    get,
    path = "/api/v1/ops/jobs/errors",
    operation_id = "list_job_errors",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    responses(
        (status = 200, description = "At most 100 classes", body = List<ErrorGroupView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn errors(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Json<List<ErrorGroupView>>, Error> {
    let _no_others = query.without_filters()?;
    let groups = core.engine.job_errors(viewer.scope).await?;
    Ok(Json(List::new(groups, false)))
}

/// Show a job with its arguments, its tries and what a retry would do.
#[utoipa::path(
    get,
    path = "/api/v1/ops/jobs/{id}",
    operation_id = "get_job",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 200, description = "The job", body = JobDetail),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn show(
    State(core): State<Core>,
    viewer: Viewer,
    PathId(id): PathId<Job>,
) -> Result<Json<JobDetail>, Error> {
    Ok(Json(core.engine.job(viewer.scope, id.uuid()).await?))
}

/// What an operator says with a retry.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryJob {
    /// Why the job is retried, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The version that was shown. The job is retried only if it still has it, so that two clicks act once.
    #[serde(default)]
    version: Option<i64>,
    /// Only says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// Retry a dead job.
///
/// The job is queued again with the `Idempotency-Key` that it always had. The audit record is written first. A job that is not
/// dead is answered 409 with what to do instead. With `dry_run` nothing is done.
#[utoipa::path(
    post,
    path = "/api/v1/ops/jobs/{id}/retry",
    operation_id = "retry_job",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(("id" = JobId, Path, description = "The job")),
    request_body = RetryJob,
    responses(
        (status = 200, description = "What a retry would do", body = RetryView),
        (status = 202, description = "The job is queued", body = JobView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn retry(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Job>,
    OptionalJsonBody(request): OptionalJsonBody<RetryJob>,
) -> Result<Response, Error> {
    let reason = request.reason.as_deref();
    reason::check(reason)?;
    if request.dry_run {
        let job = core.engine.job(operator.scope, id.uuid()).await?;
        return Ok(Json(job.retry).into_response());
    }
    let action = Action::Retry(request.version);
    let retried = perform(&core, &operator, id, action, reason).await?;
    Ok((StatusCode::ACCEPTED, Json(retried)).into_response())
}
