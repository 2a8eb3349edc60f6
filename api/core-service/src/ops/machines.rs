//! The machines, and how many payments are in each status.

use axum::Json;
use axum::extract::State;
use contracts::operations::{MachineView, StatusCount};
use engine::Engine;
use infra::http::list::List;
use infra::http::page::ListQuery;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::operator::Viewer;
use crate::{Core, openapi};

/// The machines with the numbers of payments.
#[derive(Serialize, ToSchema)]
pub(crate) struct Machines {
    /// The rules of each machine.
    machines: List<MachineView>,
    /// How many payments are in each status.
    payments: List<StatusCount>,
}

/// Show the rules of the machines, and how many payments are in each status.
#[utoipa::path(
    get,
    path = "/api/v1/ops/machines",
    operation_id = "get_machines",
    tag = "machines",
    security(("token" = []), ("key" = [])),
    responses(
        (status = 200, description = "The machines", body = Machines),
        openapi::OfReads,
    ),
)]
pub(crate) async fn show(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Json<Machines>, Error> {
    let _no_others = query.without_filters()?;
    let counts = core.engine.status_counts(viewer.scope).await?;
    Ok(Json(Machines {
        machines: List::new(Engine::machines(), false),
        payments: List::new(counts, false),
    }))
}
