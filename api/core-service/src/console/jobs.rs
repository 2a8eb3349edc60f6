//! Jobs: the lists by state, and one job with its tries.

use askama::Template;
use axum::extract::{OriginalUri, Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use contracts::id::JobId;
use contracts::operations::{JobCount, JobTryView, JobView};
use engine::{JobFilter, JobState};
use infra::http::page::ListQuery;
use workflows::effect::Kind;

use super::error::PageError;
use super::format::{Badge, Moment, counted};
use super::layout::{Frame, html};
use super::pager::Pager;
use super::payments::ROWS;
use super::timeline::{call_detail, try_detail};
use super::visit::Visit;
use crate::Core;
use crate::ops::jobs::filter;

/// The conditions of the list as the person typed them.
#[derive(Default)]
pub(super) struct Form {
    pub(super) kind: String,
    pub(super) error: String,
    pub(super) error_class: String,
    pub(super) payment: String,
}

impl Form {
    fn read(query: &ListQuery) -> Self {
        let text = |name| query.text(name).to_owned();
        Self {
            kind: text("kind"),
            error: text("error"),
            error_class: text("error_class"),
            payment: text("payment"),
        }
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("kind", self.kind.as_str()),
            ("error", &self.error),
            ("error_class", &self.error_class),
            ("payment", &self.payment),
        ];
        all.into_iter().filter(|(_, it)| !it.is_empty()).collect()
    }

    fn is_set(&self) -> bool {
        !self.pairs().is_empty()
    }

    /// Every kind of job, and whether it is chosen.
    fn kinds(&self) -> Vec<(&'static str, bool)> {
        let kinds = Kind::all().map(Kind::as_str);
        kinds.map(|kind| (kind, kind == self.kind)).collect()
    }

    fn filter(&self) -> Result<JobFilter, PageError> {
        let pairs = self.pairs().into_iter();
        let mut parameters = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(filter(&mut parameters)?)
    }

    /// An address with these conditions and others.
    fn address(&self, path: &str, more: &[(&'static str, &str)]) -> String {
        let pairs: Vec<(&str, &str)> = more.iter().copied().chain(self.pairs()).collect();
        let text = serde_urlencoded::to_string(pairs).unwrap_or_default();
        format!("{path}?{text}")
    }
}

/// The link to the jobs of a state, with their number.
struct Tab {
    state: &'static str,
    address: String,
    count: String,
    is_current: bool,
}

struct Row {
    id: String,
    kind: String,
    state: Badge,
    version: i64,
    is_dead: bool,
    payment: String,
    tries: i32,
    error: String,
    when: Moment,
}

impl From<JobView> for Row {
    fn from(job: JobView) -> Self {
        Self {
            id: job.id.to_string(),
            is_dead: job.state == "dead",
            state: Badge(job.state),
            kind: job.kind,
            version: job.version,
            payment: job.payment_id.to_string(),
            tries: job.tries,
            error: job.last_error.unwrap_or_default(),
            when: Moment(job.finished_at.unwrap_or(job.due_at)),
        }
    }
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct ListPage {
    frame: Frame,
    form: Form,
    state: &'static str,
    is_dead: bool,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    pager: Pager,
    /// What can be done with all jobs of the list: the name of the action and the address of its preview.
    bulk: Option<(&'static str, String)>,
    /// The address of this page, from which the rows are read again.
    address: String,
}

/// Shows the jobs of one state that meet the conditions in the address.
pub(super) async fn list(
    State(core): State<Core>,
    visit: Visit,
    OriginalUri(uri): OriginalUri,
    query: ListQuery,
) -> Result<Response, PageError> {
    let form = Form::read(&query);
    let state = match query.text("state") {
        "" => JobState::Dead,
        name => name
            .parse()
            .map_err(|_| PageError::Field("There is no such state of a job.".to_owned()))?,
    };
    let filter = form.filter()?;
    let after = query.page::<JobId>()?.map(|id| id.uuid()).starting_after;
    let (jobs, has_more) = core
        .engine
        .jobs(visit.scope, state, &filter, after, ROWS)
        .await?;
    let counts = core.engine.job_counts(visit.scope, &filter).await?;
    let last = jobs.last().map(|job| job.id.to_string());
    let frame = visit.frame("jobs", "Jobs");
    let bulk = bulk(&form, state).filter(|_| frame.may_act && !jobs.is_empty());
    let page = ListPage {
        tabs: tabs(&form, state, &counts),
        rows: jobs.into_iter().map(Row::from).collect(),
        pager: Pager::new(&uri, &query, last.filter(|_| has_more)),
        address: uri.to_string(),
        state: state.as_str(),
        is_dead: state == JobState::Dead,
        frame,
        bulk,
        form,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The preview of what can be done with all jobs that are listed. The jobs of one payment are few enough without it.
fn bulk(form: &Form, state: JobState) -> Option<(&'static str, String)> {
    let (action, label) = match state {
        JobState::Dead => ("retry", "Retry all of these…"),
        JobState::Queued => ("cancel", "Cancel all of these…"),
        _ => return None,
    };
    let address = form.address("/jobs/bulk", &[("action", action)]);
    form.payment.is_empty().then_some((label, address))
}

fn tabs(form: &Form, current: JobState, counts: &[JobCount]) -> Vec<Tab> {
    let states = JobState::ALL.iter().map(|state| {
        let name = state.as_str();
        let count = counts.iter().find(|count| count.state == name);
        Tab {
            state: name,
            address: form.address("/jobs", &[("state", name)]),
            count: count.map_or_else(String::new, |it| counted(it.count, it.exact)),
            is_current: *state == current,
        }
    });
    states.collect()
}

/// A try with its calls.
struct Try {
    number: i32,
    outcome: Badge,
    at: Moment,
    detail: String,
    calls: Vec<(String, String)>,
}

impl From<JobTryView> for Try {
    fn from(tried: JobTryView) -> Self {
        let calls = tried.calls.iter();
        Self {
            number: tried.number,
            at: Moment(tried.ended_at),
            detail: try_detail(&tried),
            calls: calls
                .map(|call| (call.call.clone(), call_detail(call)))
                .collect(),
            outcome: Badge(tried.outcome),
        }
    }
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    id: String,
    kind: String,
    state: Badge,
    version: i64,
    payment: String,
    error: Option<String>,
    unknown: Option<String>,
    facts: Vec<(&'static str, String)>,
    due: Moment,
    created: Moment,
    arguments: String,
    may_retry: bool,
    /// Whether it waits, so that it can be canceled or put off.
    waits: bool,
    retry: String,
    tries: Vec<Try>,
}

/// Shows one job.
pub(super) async fn show(
    State(core): State<Core>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = id.parse::<JobId>().map_err(|_| engine::Error::NotFound)?;
    let detail = core.engine.job(visit.scope, id.uuid()).await?;
    let job = detail.job;
    let facts = [
        ("Tries", Some(job.tries.to_string())),
        ("Claimed by workers", Some(job.picks.to_string())),
        ("Idempotency key", Some(detail.idempotency_key)),
        ("Error class", job.error_class),
        ("Worker", detail.worker),
        ("Account", Some(job.account_id.to_string())),
    ];
    let page = JobPage {
        frame: visit.frame("jobs", format!("Job {id}")),
        id: id.to_string(),
        waits: job.state == "queued",
        state: Badge(job.state),
        kind: job.kind,
        version: job.version,
        payment: job.payment_id.to_string(),
        error: job.last_error,
        unknown: job.unknown.map(|unknown| unknown.missing),
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect(),
        due: Moment(job.due_at),
        created: Moment(job.created_at),
        arguments: serde_json::to_string_pretty(&detail.arguments).unwrap_or_default(),
        may_retry: detail.retry.allowed,
        retry: detail.retry.explanation,
        tries: detail.log.into_iter().rev().map(Try::from).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}

/// Where a form leads back to: the page that sent it, if it is one of jobs.
pub(super) fn back(to: &str, otherwise: String) -> String {
    let path = to.parse::<Uri>().ok();
    let is_list = path.is_some_and(|uri| uri.authority().is_none() && uri.path() == "/jobs");
    if is_list { to.to_owned() } else { otherwise }
}
