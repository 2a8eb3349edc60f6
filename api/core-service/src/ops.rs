//! Jobs that the engine gave up and a person must look at.

use authz::Role;
use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, request::Parts},
};
use contracts::{List, id::JobId, view::JobView};
use engine::JOB_STATES;
use serde::Deserialize;

use crate::{Core, error::Error};

/// How many jobs a page has when nobody says.
const DEFAULT_LIMIT: u16 = 10;
/// The most it may have.
const LONGEST: u16 = 100;

/// Proof that an operator or an admin is calling.
pub(crate) struct Operator;

impl FromRequestParts<Core> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, core: &Core) -> Result<Self, Error> {
        let caller = core.verifier.caller(&parts.headers).await?;
        if caller.role < Role::Operator {
            return Err(Error::Forbidden);
        }
        Ok(Self)
    }
}

/// Which jobs are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `dead` when absent: those that wait for a person.
    state: Option<String>,
    limit: Option<u16>,
    starting_after: Option<JobId>,
}

/// `GET /api/v1/ops/jobs`: jobs in a state, the newest first.
pub(crate) async fn jobs(
    State(core): State<Core>,
    _: Operator,
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
    let (jobs, has_more) = core.engine.jobs(state, after, limit).await?;
    Ok(Json(List::new(jobs, has_more)))
}

/// `POST /api/v1/ops/jobs/{id}/retry`: 202 once the dead job is back in the queue, with the key it always had.
pub(crate) async fn retry(
    State(core): State<Core>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id: JobId = id.parse().map_err(|_| engine::Error::NotFound)?;
    core.engine.retry(id.uuid()).await?;
    Ok(StatusCode::ACCEPTED)
}
