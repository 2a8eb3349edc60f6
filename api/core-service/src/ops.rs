//! Jobs that the engine gave up and a person must look at.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use contracts::id::JobId;
use contracts::view::JobView;
use engine::JOB_STATES;
use infra::http::list::List;
use infra::http::problem::Code;
use serde::Deserialize;

use crate::Core;
use crate::error::Error;
use crate::operator::{Operator, Viewer};

/// How many jobs a page has when nobody says.
const DEFAULT_LIMIT: u16 = 10;
/// The most it may have.
const LONGEST: u16 = 100;

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Which jobs are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `dead` when absent: those that wait for a person.
    state: Option<String>,
    limit: Option<u16>,
    starting_after: Option<JobId>,
}

/// `GET /api/v1/ops/jobs`: the account's jobs in a state, the newest first.
pub(crate) async fn jobs(
    State(core): State<Core>,
    viewer: Viewer,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<List<JobView>>, Error> {
    let Query(asked) = asked.map_err(|_| Error::Parameter("query"))?;
    let state = asked.state.as_deref().unwrap_or("dead");
    if !JOB_STATES.contains(&state) {
        return Err(Error::Parameter("state"));
    }
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LONGEST).contains(&limit) {
        return Err(Error::Parameter("limit"));
    }
    let after = asked.starting_after.map(|id| id.uuid());
    let (jobs, has_more) = core
        .engine
        .jobs(viewer.account, state, after, limit)
        .await?;
    Ok(Json(List::new(jobs, has_more)))
}

/// Why an operator does something.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    #[serde(default)]
    reason: Option<String>,
}

/// `POST /api/v1/ops/jobs/{id}/retry`: 202 once the dead job is back in the queue, with the key it always had. It is
/// written down first, with the `reason` of the body if there is one.
pub(crate) async fn retry(
    State(core): State<Core>,
    operator: Operator,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Error> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::Body(Code::BodyTooLarge, "The body is over 64 KiB.")
        }
        _ => Error::Body(Code::RequestTimeout, "The body did not arrive."),
    })?;
    let why = why(&headers, &body)?;
    let id: JobId = id.parse().map_err(|_| engine::Error::NotFound)?;
    operator
        .record(&core, "job_retried", id.to_string(), why.reason.as_deref())
        .await?;
    core.engine
        .retry(operator.caller.account, id.uuid())
        .await?;
    Ok(StatusCode::ACCEPTED)
}

fn why(headers: &HeaderMap, body: &[u8]) -> Result<Why, Error> {
    if body.is_empty() {
        return Ok(Why::default());
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let is_json = kind
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        let detail = "Send the body as application/json.";
        return Err(Error::Body(Code::UnsupportedMediaType, detail));
    }
    let why: Why = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Error::Body(
                Code::InvalidField,
                "The body may hold a `reason`, a string, and nothing else.",
            )
        } else {
            Error::Body(Code::MalformedJson, "The body is no valid JSON.")
        }
    })?;
    let fits = why.reason.as_deref().is_none_or(|reason| {
        (1..=LONGEST_REASON).contains(&reason.chars().count())
            && !reason.chars().any(char::is_control)
    });
    if !fits {
        let detail = "A reason is 1 to 500 printable characters.";
        return Err(Error::Body(Code::InvalidField, detail));
    }
    Ok(why)
}
