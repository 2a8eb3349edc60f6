//! `GET /api/v1/auth/audit`: the audit records of an account, for its admins.

use std::sync::Arc;

use authz::audit;
use authz::audit::Record;
use authz::id::{Audit, AuditId, KeyId, UserId};
use axum::Json;
use axum::extract::State;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::problem::Problem;
use infra::postgres;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::caller::Admin;
use crate::{Auth, Error, page};

/// An action that a caller did or tried.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordView {
    id: AuditId,
    #[schema(pattern = "^audit$")]
    object: &'static str,
    /// The person who acted, if one is known.
    user_id: Option<UserId>,
    /// The key that acted, if one did.
    api_key_id: Option<KeyId>,
    /// What was done: `login`, `role_changed`, …
    action: String,
    /// What it was done to.
    target: Option<String>,
    #[schema(pattern = "^(requested|done|refused)$")]
    outcome: String,
    reason: Option<String>,
    /// What it was like before.
    before: Option<Value>,
    /// What it was like afterwards.
    after: Option<Value>,
    /// From which address.
    ip: Option<String>,
    request_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        Self {
            id: record.id.into(),
            object: "audit",
            user_id: record.user_id.map(UserId::from),
            api_key_id: record.api_key_id.map(KeyId::from),
            action: record.action,
            target: record.target,
            outcome: record.outcome,
            reason: record.reason,
            before: record.before,
            after: record.after,
            ip: record.ip,
            request_id: record.request_id,
            created_at: record.at,
        }
    }
}

/// List what was done, newest first.
#[utoipa::path(
    get,
    operation_id = "list_audit",
    path = "/api/v1/auth/audit",
    tag = "members",
    security(("key" = [], "token" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, 10 when absent", minimum = 1, maximum = 100),
        ("starting_after" = Option<AuditId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<AuditId>, Query, description = "Go back to before this one; given both, this cursor counts"),
    ),
    responses(
        (status = 200, description = "A page", body = List<RecordView>),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    query: ListQuery,
) -> Result<Json<List<RecordView>>, Error> {
    let page = page::parse::<Audit>(query)?;
    let records = audit::page(&auth.pool, admin.caller.account, &page);
    let (records, has_more) = postgres::within(records).await?;
    let records = records.into_iter().map(RecordView::from);
    Ok(Json(List::new(records.collect(), has_more)))
}
