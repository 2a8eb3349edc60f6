//! The last comparison of Stripe's objects with the database.

use axum::Json;
use axum::extract::State;
use contracts::audit::DriftReport;

use crate::error::Error;
use crate::operator::Viewer;
use crate::{Core, openapi};

/// Read the last comparison with Stripe.
///
/// A worker compares all payments with Stripe's every day, `pawl audit` at once. The answer shows the sums and the
/// differences of the account, for staff of the house of all accounts: "0 drifts, checked at …". 404 before the first comparison.
#[utoipa::path(
    get,
    path = "/api/v1/ops/drift",
    operation_id = "read_drift",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    responses(
        (status = 200, description = "The last comparison", body = DriftReport),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn read(
    State(core): State<Core>,
    viewer: Viewer,
) -> Result<Json<DriftReport>, Error> {
    let report = core.engine.drift(viewer.scope).await?;
    Ok(Json(report.ok_or(Error::NotAudited)?))
}
