//! The first page: what needs a person, and how much of everything there is.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::operations::{ErrorGroupView, QueueView};
use engine::{JobFilter, JobState, Scope};

use super::error::PageError;
use super::format;
use super::format::{Badge, Moment, counted};
use super::layout::{Frame, html};
use super::visit::Visit;
use crate::Core;

/// A number with its name, and the page that shows what it counts.
struct Tile {
    name: String,
    value: String,
    address: String,
    /// Whether a person should look at it.
    is_urgent: bool,
}

struct Queue {
    kind: String,
    paused: bool,
    reason: String,
    waiting: String,
    oldest: Option<Moment>,
}

impl From<QueueView> for Queue {
    fn from(queue: QueueView) -> Self {
        Self {
            kind: queue.kind,
            paused: queue.paused,
            reason: queue.reason.unwrap_or_default(),
            waiting: counted(queue.waiting, true),
            oldest: queue.oldest_due_at.map(Moment),
        }
    }
}

struct Group {
    error: String,
    kind: String,
    count: String,
    address: String,
}

impl From<ErrorGroupView> for Group {
    fn from(group: ErrorGroupView) -> Self {
        let pairs = [("state", "dead"), ("error_class", &group.error_class)];
        let text = serde_urlencoded::to_string(pairs).unwrap_or_default();
        Self {
            address: format!("/jobs?{text}"),
            count: counted(group.count, true),
            kind: group.kind,
            error: group.error,
        }
    }
}

struct Unknown {
    id: String,
    kind: String,
    payment: String,
    missing: String,
    next: Moment,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    tiles: Vec<Tile>,
    payments: Vec<(Badge, String, String)>,
    groups: Vec<Group>,
    unknown: Vec<Unknown>,
    queues: Vec<Queue>,
    may_switch: bool,
    drift: String,
    drift_at: Option<Moment>,
}

/// How many unknown outcomes the page shows.
const SHOWN: u16 = 10;

/// Shows what there is.
pub(super) async fn show(State(core): State<Core>, visit: Visit) -> Result<Response, PageError> {
    let all = JobFilter::default();
    let engine = &core.engine;
    let counts = engine.job_counts(visit.scope, &all).await?;
    let mut statuses = engine.status_counts(visit.scope).await?;
    statuses.retain(|status| status.count > 0);
    let groups = engine.job_errors(visit.scope).await?;
    let (unknown, _) = engine
        .jobs(visit.scope, JobState::Unknown, &all, None, SHOWN)
        .await?;
    let is_staff = visit.scope == Scope::All;
    let queues = if is_staff {
        engine.queues().await?
    } else {
        Vec::new()
    };
    let audited = engine.drift(visit.scope).await?;
    let frame = visit.frame("", "Overview");
    let tiles = counts.iter().map(|count| Tile {
        name: format!("{} jobs", count.state),
        value: counted(count.count, count.exact),
        address: format!("/jobs?state={}", count.state),
        is_urgent: count.count > 0 && matches!(count.state.as_str(), "dead" | "unknown"),
    });
    let page = OverviewPage {
        tiles: tiles.collect(),
        payments: format::statuses(statuses),
        groups: groups.into_iter().take(10).map(Group::from).collect(),
        unknown: unknown
            .into_iter()
            .filter_map(|job| {
                let unknown = job.unknown?;
                Some(Unknown {
                    id: job.id.to_string(),
                    kind: job.kind,
                    payment: job.payment_id.to_string(),
                    missing: unknown.missing,
                    next: Moment(job.due_at),
                })
            })
            .collect(),
        may_switch: frame.may_act && is_staff,
        queues: queues.into_iter().map(Queue::from).collect(),
        drift: audited.as_ref().map_or_else(
            || "Nothing has been compared with Stripe yet: a worker compares every day.".to_owned(),
            |report| match report.audit.drifts.len() {
                0 => "Every payment and sum is as at Stripe.".to_owned(),
                1 => "1 difference: `pawl audit --last` names it.".to_owned(),
                more => format!("{more} differences: `pawl audit --last` names them."),
            },
        ),
        drift_at: audited.map(|report| Moment(report.audit.checked_at)),
        frame,
    };
    Ok(html(StatusCode::OK, &page))
}
