//! What operators do with jobs: one at a time, or many that meet a filter.

use axum::Json;
use axum::extract::State;
use contracts::id::{Job, JobId};
use contracts::operations::JobView;
use engine::{JobFilter, JobState, audit_facts};
use infra::http::RequestError;
use infra::http::body::{JsonBody, OptionalJsonBody};
use infra::http::path::PathId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::reason;
use crate::error::Error;
use crate::operator::Operator;
use crate::{Core, openapi};

/// How many jobs one request acts on.
const PORTION: u16 = 100;
/// The longest time for which a job can be put off.
const LONGEST: time::Duration = time::Duration::days(7);

/// What an operator says with an action on one job.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelJob {
    /// Why, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The version that was shown. Nothing is done if the job has another one.
    #[serde(default)]
    version: Option<i64>,
}

/// Cancel a job that waits and whose call was never sent.
///
/// The payment gets what Stripe's refusal of the call would have led to: an attempt fails, a refund is rejected. Every other
/// job is answered 409 with what to do instead.
#[utoipa::path(
    post,
    path = "/api/v1/ops/jobs/{id}/cancel",
    operation_id = "cancel_job",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(("id" = JobId, Path, description = "The job")),
    request_body = CancelJob,
    responses(
        (status = 200, description = "The job is over", body = JobView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn cancel(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Job>,
    OptionalJsonBody(request): OptionalJsonBody<CancelJob>,
) -> Result<Json<JobView>, Error> {
    let reason = request.reason.as_deref();
    reason::check(reason)?;
    let action = Action::Cancel(request.version);
    Ok(Json(perform(&core, &operator, id, action, reason).await?))
}

/// Until when a job is put off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnoozeJob {
    /// When it is due, from now to seven days from now.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    until: OffsetDateTime,
    /// Why, for the audit record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The version that was shown. Nothing is done if the job has another one.
    #[serde(default)]
    version: Option<i64>,
}

/// Put a job off that waits.
#[utoipa::path(
    post,
    path = "/api/v1/ops/jobs/{id}/snooze",
    operation_id = "snooze_job",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    params(("id" = JobId, Path, description = "The job")),
    request_body = SnoozeJob,
    responses(
        (status = 200, description = "The job waits until then", body = JobView),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn snooze(
    State(core): State<Core>,
    operator: Operator,
    PathId(id): PathId<Job>,
    JsonBody(request): JsonBody<SnoozeJob>,
) -> Result<Json<JobView>, Error> {
    let reason = request.reason.as_deref();
    reason::check(reason)?;
    let now = OffsetDateTime::now_utc();
    if !(now..now + LONGEST).contains(&request.until) {
        let detail = "This must be a time within the next seven days.";
        return Err(RequestError::field("until", detail).into());
    }
    let action = Action::Snooze(request.version, request.until);
    Ok(Json(perform(&core, &operator, id, action, reason).await?))
}

/// Which jobs, and what is done with them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActOnJobs {
    /// `retry` for dead jobs, `cancel` for those that wait.
    #[schema(pattern = "^(retry|cancel)$")]
    pub(crate) action: String,
    /// Only these; without them all that meet the filters.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) ids: Option<Vec<JobId>>,
    /// Only those that do this.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    /// Only those whose error is of this class.
    #[serde(default)]
    pub(crate) error_class: Option<String>,
    /// Only those whose error contains this.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// Continue behind this job: `next` of the answer before.
    #[serde(default)]
    pub(crate) starting_after: Option<JobId>,
    /// Why, for the audit records. It is required, because the action concerns many.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
    /// Only counts the jobs and shows the first of them.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What was done with a portion of the jobs, or would be done.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActedOnJobs {
    /// How many jobs meet the filters, this portion and what follows; an estimate above 10,000.
    pub(crate) matching: i64,
    /// How many were acted on in this portion; none in a dry run.
    pub(crate) acted: usize,
    /// The jobs of this portion that were refused, with the reason.
    pub(crate) refused: Vec<RefusedJob>,
    /// The jobs of this portion as they were before.
    pub(crate) jobs: Vec<JobView>,
    /// Send the request again with this `starting_after` to go on; absent at the end.
    pub(crate) next: Option<JobId>,
}

/// A job that was left as it was.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedJob {
    pub(crate) id: JobId,
    /// Why, and what to do instead.
    pub(crate) detail: String,
}

/// Retry or cancel many jobs, a portion of at most 100 in each request.
///
/// Start with `dry_run`. Then repeat the request with `next` until there is none: each answer is the progress, and whoever
/// stops asking stops the work. A job is acted on only in the version in which the portion was read.
#[utoipa::path(
    post,
    path = "/api/v1/ops/jobs/bulk",
    operation_id = "act_on_jobs",
    tag = "jobs",
    security(("token" = []), ("key" = [])),
    request_body = ActOnJobs,
    responses(
        (status = 200, description = "What was done", body = ActedOnJobs),
        openapi::OfCommands,
    ),
)]
pub(crate) async fn bulk(
    State(core): State<Core>,
    operator: Operator,
    JsonBody(request): JsonBody<ActOnJobs>,
) -> Result<Json<ActedOnJobs>, Error> {
    reason::check(Some(&request.reason))?;
    let state = match request.action.as_str() {
        "retry" => JobState::Dead,
        "cancel" => JobState::Queued,
        _ => {
            let detail = "This must be retry or cancel.";
            return Err(RequestError::field("action", detail).into());
        }
    };
    let (jobs, matching, has_more) = portion(&core, &operator, &request, state).await?;
    let mut answer = ActedOnJobs {
        matching,
        acted: 0,
        refused: Vec::new(),
        next: jobs.last().filter(|_| has_more).map(|job| job.id),
        jobs,
    };
    if request.dry_run {
        return Ok(Json(answer));
    }
    for job in &answer.jobs {
        let version = Some(job.version);
        let action = match state {
            JobState::Dead => Action::Retry(version),
            _ => Action::Cancel(version),
        };
        let reason = Some(request.reason.as_str());
        match perform(&core, &operator, job.id, action, reason).await {
            Ok(_) => answer.acted += 1,
            Err(Error::Engine(error)) if is_of_the_job(&error) => answer.refused.push(RefusedJob {
                id: job.id,
                detail: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(Json(answer))
}

/// Whether the error concerns one job, so that the others can be acted on.
fn is_of_the_job(error: &engine::Error) -> bool {
    matches!(
        error,
        engine::Error::NotFound
            | engine::Error::NotRetried(_)
            | engine::Error::NotCanceled(_)
            | engine::Error::Changed
    )
}

/// The jobs that a request acts on, how many there are in all, and whether more follow.
async fn portion(
    core: &Core,
    operator: &Operator,
    request: &ActOnJobs,
    state: JobState,
) -> Result<(Vec<JobView>, i64, bool), Error> {
    if let Some(ids) = &request.ids {
        if ids.len() > usize::from(PORTION) {
            return Err(RequestError::field("ids", "Give at most 100 ids.").into());
        }
        let mut jobs = Vec::new();
        for id in ids {
            jobs.push(core.engine.job(operator.scope, id.uuid()).await?.job);
        }
        let matching = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        return Ok((jobs, matching, false));
    }
    let filter = JobFilter {
        kind: request.kind.clone(),
        error_class: request.error_class.clone(),
        error: request.error.clone(),
        ..JobFilter::default()
    };
    let counts = core.engine.job_counts(operator.scope, &filter).await?;
    let count = counts.iter().find(|count| count.state == state.as_str());
    let after = request.starting_after.map(|id| id.uuid());
    let (jobs, has_more) = core
        .engine
        .jobs(operator.scope, state, &filter, after, PORTION)
        .await?;
    Ok((jobs, count.map_or(0, |count| count.count), has_more))
}

/// An action on one job, with the version that it must have.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Retry(Option<i64>),
    Cancel(Option<i64>),
    Snooze(Option<i64>, OffsetDateTime),
}

/// Acts on a job, between two records of the audit.
pub(crate) async fn perform(
    core: &Core,
    operator: &Operator,
    id: JobId,
    action: Action,
    reason: Option<&str>,
) -> Result<JobView, Error> {
    let before = core.engine.job(operator.scope, id.uuid()).await?.job;
    let name = match action {
        Action::Retry(_) => "job_retried",
        Action::Cancel(_) => "job_canceled",
        Action::Snooze(..) => "job_snoozed",
    };
    let act = operator.act(name, id.to_string(), Some(before.account_id.uuid()), reason);
    core.record_request(&act, audit_facts(&before)).await?;
    let (engine, scope, id) = (&core.engine, operator.scope, id.uuid());
    let done = match action {
        Action::Retry(version) => engine.retry_job(scope, id, version).await,
        Action::Cancel(version) => engine.cancel_job(scope, id, version).await,
        Action::Snooze(version, until) => engine.snooze_job(scope, id, version, until).await,
    };
    core.record_end(&act, done.as_ref().map(audit_facts)).await;
    Ok(done?)
}
