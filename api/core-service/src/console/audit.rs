//! The audit: who did what, to what, why and when.

use askama::Template;
use authz::audit::Record;
use authz::id::{AuditId, KeyId, UserId};
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::Response;
use infra::http::page::ListQuery;
use uuid::Uuid;

use super::error::PageError;
use super::format::{Badge, Moment};
use super::layout::{Frame, html};
use super::pager::Pager;
use super::payments::ROWS;
use super::visit::Visit;
use crate::Core;
use crate::ops::audit::visible_to;

struct Row {
    id: String,
    action: String,
    target: String,
    outcome: Badge,
    who: String,
    reason: String,
    at: Moment,
}

impl From<Record> for Row {
    fn from(record: Record) -> Self {
        let user = record.user_id.map(|id| UserId::from(id).to_string());
        let key = || record.api_key_id.map(|id| KeyId::from(id).to_string());
        Self {
            id: AuditId::from(record.id).to_string(),
            who: user
                .or_else(key)
                .unwrap_or_else(|| "the command line".to_owned()),
            action: record.action,
            target: record.target.unwrap_or_default(),
            outcome: Badge(record.outcome),
            reason: record.reason.unwrap_or_default(),
            at: Moment(record.at),
        }
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Row>,
    pager: Pager,
    address: String,
}

/// Shows the records, the newest first; for admins only.
pub(super) async fn list(
    State(core): State<Core>,
    visit: Visit,
    OriginalUri(uri): OriginalUri,
    query: ListQuery,
) -> Result<Response, PageError> {
    let account = visible_to(visit.scope, visit.staff, visit.role)
        .map_err(|error| PageError::Framed(Box::new(visit.frame("audit", "Audit")), error))?;
    let page = query.page::<AuditId>()?;
    let mut page = page.map(|id: AuditId| -> Uuid { id.uuid() });
    page.limit = ROWS;
    let found = core.verifier.audit(account, &page).await;
    let (records, has_more) = found.map_err(crate::error::Error::from)?;
    let last = records.last().map(|it| AuditId::from(it.id).to_string());
    let page = AuditPage {
        frame: visit.frame("audit", "Audit"),
        rows: records.into_iter().map(Row::from).collect(),
        pager: Pager::new(&uri, &query, last.filter(|_| has_more)),
        address: uri.to_string(),
    };
    Ok(html(StatusCode::OK, &page))
}
