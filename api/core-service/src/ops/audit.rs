//! The audit: who did what, to what, why, when and from where.

use authz::audit::Record;
use authz::id::{AuditId, KeyId, UserId};
use authz::{Role, StaffRole};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use engine::Scope;
use infra::http::RequestError;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::id::AccountId;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Error;
use crate::operator::Viewer;
use crate::{Core, openapi};

/// An action that somebody did or tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    id: AuditId,
    /// Always `audit`.
    object: &'static str,
    /// The account that it concerns, if one does.
    account_id: Option<AccountId>,
    /// The person who acted, if one is known.
    user_id: Option<UserId>,
    /// The key that acted, if one did.
    api_key_id: Option<KeyId>,
    /// What was done: `login`, `job_retried`, …
    action: String,
    /// What it was done to.
    target: Option<String>,
    /// `requested` is written before the action, `done` or `refused` after it.
    outcome: String,
    /// Why it was done, or refused.
    reason: Option<String>,
    /// What it was like before.
    before: Option<Value>,
    /// What it was like afterwards.
    after: Option<Value>,
    /// From which address.
    ip: Option<String>,
    /// The request that did it.
    request_id: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

impl From<Record> for AuditView {
    fn from(record: Record) -> Self {
        Self {
            id: record.id.into(),
            object: "audit",
            account_id: record.account_id.map(AccountId::from),
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

/// List what was done, newest first: for admins of an account that account's records, for admins of the house all.
#[utoipa::path(
    get,
    path = "/api/v1/ops/audit",
    operation_id = "list_ops_audit",
    tag = "audit",
    security(("token" = []), ("key" = [])),
    params(
        ("format" = Option<String>, Query, description = "`json`, or `csv` for a file; `json` when absent"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<AuditId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<AuditId>, Query, description = "Go back to before this one"),
    ),
    responses(
        (status = 200, description = "A page", content(
            (List<AuditView> = "application/json"),
            (String = "text/csv"),
        )),
        openapi::OfReads,
    ),
)]
pub(crate) async fn list(
    State(core): State<Core>,
    viewer: Viewer,
    query: ListQuery,
) -> Result<Response, Error> {
    let account = visible_to(viewer.scope, viewer.staff, viewer.role)?;
    let is_csv = match query.filter("format")? {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => {
            let detail = "This must be json or csv.";
            return Err(RequestError::parameter("format", detail).into());
        }
    };
    let page = query
        .page::<AuditId>()?
        .map(|id: AuditId| -> Uuid { id.uuid() });
    let (records, has_more) = core.verifier.audit(account, &page).await?;
    let records: Vec<AuditView> = records.into_iter().map(AuditView::from).collect();
    if is_csv {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
            (
                header::CONTENT_DISPOSITION,
                "attachment; filename=\"audit.csv\"",
            ),
        ];
        return Ok((headers, csv(&records)).into_response());
    }
    Ok(Json(List::new(records, has_more)).into_response())
}

/// The account whose records an admin sees; none for an admin of the house, who sees all.
pub(crate) fn visible_to(
    scope: Scope,
    staff: Option<StaffRole>,
    role: Role,
) -> Result<Option<Uuid>, Error> {
    match scope {
        Scope::All if staff >= Some(StaffRole::Admin) => Ok(None),
        Scope::Account(account) if role >= Role::Admin => Ok(Some(account)),
        _ => Err(Error::Forbidden),
    }
}

/// The records as a table (RFC 4180).
fn csv(records: &[AuditView]) -> String {
    let mut text = String::from(
        "id,created_at,account_id,user_id,api_key_id,action,target,outcome,reason,before,after,ip,request_id\r\n",
    );
    for record in records {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let cells = [
            Some(record.id.to_string()),
            record.created_at.format(&Rfc3339).ok(),
            record.account_id.map(|id| id.to_string()),
            record.user_id.map(|id| id.to_string()),
            record.api_key_id.map(|id| id.to_string()),
            Some(record.action.clone()),
            record.target.clone(),
            Some(record.outcome.clone()),
            record.reason.clone(),
            json(&record.before),
            json(&record.after),
            record.ip.clone(),
            record.request_id.clone(),
        ];
        let line: Vec<String> = cells.iter().map(|cell| quoted(cell.as_deref())).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell in quotes. One that a spreadsheet would run as a formula begins with an apostrophe.
fn quoted(cell: Option<&str>) -> String {
    let cell = cell.unwrap_or_default();
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_cell_is_neither_two_cells_nor_a_formula() {
        for (cell, expected) in [
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(Some(cell)), expected);
        }
        assert_eq!(quoted(None), "\"\"");
    }
}
