//! Many jobs at once: the preview of what would be done, and the work portion by portion, with its progress.

use askama::Template;
use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::Response;
use infra::http::body::JsonBody;
use serde::Deserialize;

use super::error::PageError;
use super::fields::Fields;
use super::format::counted;
use super::layout::{Frame, html};
use super::visit::{Actor, Visit};
use crate::Core;
use crate::ops::act;
use crate::ops::act::{ActOnJobs, ActedOnJobs};

/// How many jobs the preview shows.
const SHOWN: usize = 20;

/// Which jobs, and what is done with them, as the address or the form says it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    action: String,
    kind: String,
    error: String,
    error_class: String,
}

impl Request {
    fn body(&self) -> ActOnJobs {
        let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ActOnJobs {
            action: self.action.clone(),
            ids: None,
            kind: set(&self.kind),
            error_class: set(&self.error_class),
            error: set(&self.error),
            starting_after: None,
            reason: "preview".to_owned(),
            dry_run: true,
        }
    }

    /// The list that was left for this page.
    fn list(&self) -> String {
        let state = if self.action == "cancel" {
            "queued"
        } else {
            "dead"
        };
        let mut pairs = vec![("state", state)];
        let conditions = [
            ("kind", self.kind.as_str()),
            ("error", &self.error),
            ("error_class", &self.error_class),
        ];
        pairs.extend(conditions.into_iter().filter(|(_, it)| !it.is_empty()));
        let text = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("/jobs?{text}")
    }
}

struct Row {
    id: String,
    kind: String,
    payment: String,
    error: String,
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    frame: Frame,
    request: Request,
    list: String,
    matching: String,
    rows: Vec<Row>,
}

/// Shows what would be done.
pub(super) async fn preview(
    State(core): State<Core>,
    visit: Visit,
    Actor(operator): Actor,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, PageError> {
    let request: Request = serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|_| PageError::Field("The address cannot be read.".to_owned()))?;
    let Json(found) = act::bulk(State(core), operator, JsonBody(request.body())).await?;
    let rows = found.jobs.into_iter().take(SHOWN).map(|job| Row {
        id: job.id.to_string(),
        kind: job.kind,
        payment: job.payment_id.to_string(),
        error: job.last_error.unwrap_or_default(),
    });
    let page = BulkPage {
        frame: visit.frame("jobs", "Jobs"),
        list: request.list(),
        matching: counted(found.matching, true),
        rows: rows.collect(),
        request,
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "progress.html")]
struct ProgressPage {
    frame: Frame,
    request: Request,
    list: String,
    reason: String,
    /// Jobs acted on, refused, and matching at the begin.
    done: usize,
    refused: usize,
    all: usize,
    /// The jobs of this portion that were refused, with the reasons.
    refusals: Vec<(String, String)>,
    /// Where the next portion begins; absent at the end.
    next: Option<String>,
}

/// Does one portion and shows how far it is. The page asks for the next portion by itself, or by its button.
pub(super) async fn act_on_portion(
    State(core): State<Core>,
    visit: Visit,
    Actor(operator): Actor,
    fields: Fields,
) -> Result<Response, PageError> {
    let request = Request {
        action: fields.raw("action").to_owned(),
        kind: fields.raw("kind").to_owned(),
        error: fields.raw("error").to_owned(),
        error_class: fields.raw("error_class").to_owned(),
    };
    let reason = fields.text("reason").unwrap_or_default().to_owned();
    let count = |name: &str| fields.raw(name).parse::<usize>().unwrap_or_default();
    let next = fields.text("starting_after").map(str::parse).transpose();
    let body = ActOnJobs {
        starting_after: next.map_err(|_| PageError::Field("The cursor is no job.".to_owned()))?,
        reason: reason.clone(),
        dry_run: false,
        ..request.body()
    };
    let Json(acted) = act::bulk(State(core), operator, JsonBody(body)).await?;
    let ActedOnJobs {
        matching,
        acted,
        refused,
        next,
        ..
    } = acted;
    let all = match count("all") {
        0 => usize::try_from(matching).unwrap_or_default(),
        all => all,
    };
    let page = ProgressPage {
        frame: visit.frame("jobs", "Jobs"),
        list: request.list(),
        reason,
        done: count("done") + acted,
        refused: count("refused") + refused.len(),
        all,
        refusals: refused
            .into_iter()
            .map(|job| (job.id.to_string(), job.detail))
            .collect(),
        next: next.map(|id| id.to_string()),
        request,
    };
    Ok(html(StatusCode::OK, &page))
}
