//! Payments: the list with its filters, and one payment with all that belongs to it.

use std::iter;

use askama::Template;
use axum::extract::{OriginalUri, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use contracts::id::PaymentId;
use contracts::operations::{TimelineEntry, TimelineItem};
use contracts::view::PaymentView;
use engine::PaymentSearch;
use infra::http::page::ListQuery;
use workflows::edges::{Machine, NONE};
use workflows::payment::Status;

use super::error::PageError;
use super::format::{Badge, Moment, money};
use super::layout::{Frame, html};
use super::pager::Pager;
use super::timeline::Entry;
use super::visit::Visit;
use super::{picture, timeline};
use crate::Core;

/// How many rows a page of a list has.
pub(super) const ROWS: u16 = 50;

/// The conditions of the list as the person typed them.
#[derive(Default)]
struct Form {
    q: String,
    status: String,
    from: String,
    to: String,
    metadata: String,
}

impl Form {
    fn read(query: &ListQuery) -> Self {
        let text = |name| query.text(name).to_owned();
        Self {
            q: text("q"),
            status: text("status"),
            from: text("from"),
            to: text("to"),
            metadata: text("metadata"),
        }
    }

    fn is_set(&self) -> bool {
        let all = [&self.q, &self.status, &self.from, &self.to, &self.metadata];
        all.iter().any(|text| !text.is_empty())
    }

    /// Every status that a payment can have, and whether it is chosen.
    fn statuses(&self) -> Vec<(&'static str, bool)> {
        let statuses = Status::ALL.iter().map(|status| status.as_str());
        statuses.map(|it| (it, it == self.status)).collect()
    }

    fn search(&self) -> Result<PaymentSearch, PageError> {
        let status = match self.status.as_str() {
            "" => None,
            text => Some(text.parse::<Status>().map_err(|_| {
                PageError::Field("There is no such status of a payment.".to_owned())
            })?),
        };
        let mut search = PaymentSearch {
            status,
            text: Some(self.q.clone()).filter(|q| !q.is_empty()),
            amount: (amount(&self.from)?, amount(&self.to)?),
            ..PaymentSearch::default()
        };
        if let Some((key, value)) = self.metadata.split_once('=') {
            search
                .metadata
                .insert(key.trim().to_owned(), value.trim().to_owned());
        } else if !self.metadata.is_empty() {
            let detail = "Metadata is searched as key=value.";
            return Err(PageError::Field(detail.to_owned()));
        }
        Ok(search)
    }
}

fn amount(text: &str) -> Result<Option<i64>, PageError> {
    if text.is_empty() {
        return Ok(None);
    }
    let detail = "An amount is a whole number in the smallest unit of its currency, such as 1099.";
    let amount = text.parse::<i64>().ok().filter(|amount| *amount >= 0);
    amount
        .map(Some)
        .ok_or_else(|| PageError::Field(detail.to_owned()))
}

struct Row {
    id: String,
    amount: String,
    status: Badge,
    description: String,
    created: Moment,
}

impl From<PaymentView> for Row {
    fn from(view: PaymentView) -> Self {
        let notes = [view.reference, view.description];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        Self {
            id: view.id.to_string(),
            amount: money(view.amount, &view.currency),
            status: Badge(view.status.into_owned()),
            description: notes.join(" · "),
            created: Moment(view.created_at),
        }
    }
}

#[derive(Template)]
#[template(path = "payments.html")]
struct ListPage {
    frame: Frame,
    form: Form,
    rows: Vec<Row>,
    pager: Pager,
    /// The address of this page, from which the rows are read again.
    address: String,
}

/// Shows the payments that meet the conditions in the address, the newest first.
pub(super) async fn list(
    State(core): State<Core>,
    visit: Visit,
    OriginalUri(uri): OriginalUri,
    query: ListQuery,
) -> Result<Response, PageError> {
    let form = Form::read(&query);
    let after = query
        .page::<PaymentId>()?
        .map(|id| id.uuid())
        .starting_after;
    let search = form.search()?;
    let found = core
        .engine
        .search_payments(visit.scope, &search, after, ROWS);
    // On the heap: a payment is large.
    let (views, has_more) = Box::pin(found).await?;
    if let [only] = views.as_slice()
        && only.id.to_string() == form.q
    {
        return Ok(Redirect::to(&format!("/payments/{}", only.id)).into_response());
    }
    let last = views.last().map(|view| view.id.to_string());
    let page = ListPage {
        frame: visit.frame("payments", "Payments"),
        form,
        rows: views.into_iter().map(Row::from).collect(),
        pager: Pager::new(&uri, &query, last.filter(|_| has_more)),
        address: uri.to_string(),
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "payment.html")]
struct PaymentPage {
    frame: Frame,
    id: String,
    amount: String,
    status: Badge,
    /// Whose turn it is, in a sentence.
    summary: String,
    may_resync: bool,
    /// What a move by hand must name.
    version: i64,
    /// The statuses to which a move by hand can be asked for.
    others: Vec<&'static str>,
    error: Option<String>,
    timeline: Vec<Entry>,
    money: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, String)>,
    created: Moment,
    updated: Moment,
    picture: String,
    raw: String,
}

/// Shows one payment.
pub(super) async fn show(
    State(core): State<Core>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = id
        .parse::<PaymentId>()
        .map_err(|_| engine::Error::NotFound)?;
    let view = core.engine.payment_in(visit.scope, id.uuid()).await?;
    let explained = core
        .engine
        .explain(view.account_id.uuid(), id.uuid())
        .await?;
    let history = core.engine.timeline(visit.scope, id.uuid()).await?;
    let picture = picture::machine(Machine::Payment, &path(&history), Some(&view.status));
    let page = PaymentPage {
        frame: visit.frame("payments", format!("Payment {id}")),
        amount: money(view.amount, &view.currency),
        status: Badge(view.status.to_string()),
        error: view.last_error.as_ref().map(sentence),
        timeline: timeline::entries(history),
        money: amounts(&view),
        facts: facts(&view),
        created: Moment(view.created_at),
        updated: Moment(view.updated_at),
        picture,
        raw: serde_json::to_string_pretty(&view).unwrap_or_default(),
        summary: explained.summary,
        may_resync: view.intent_id.is_some(),
        version: view.version,
        others: others(&view.status),
        id: id.to_string(),
    };
    Ok(html(StatusCode::OK, &page))
}

/// The statuses of the payment in their order, from before the first.
fn path(history: &[TimelineEntry]) -> Vec<&str> {
    let reached = history.iter().filter_map(|entry| match &entry.entry {
        TimelineItem::Transition { transition }
            if transition.machine == Machine::Payment.as_str() =>
        {
            Some(transition.to.as_ref())
        }
        _ => None,
    });
    let mut path: Vec<&str> = iter::once(NONE).chain(reached).collect();
    path.dedup();
    path
}

/// Every status but this one.
fn others(status: &str) -> Vec<&'static str> {
    let all = Status::ALL.iter().map(|it| it.as_str());
    all.filter(|it| *it != status).collect()
}

fn sentence(error: &contracts::view::ErrorView) -> String {
    let parts = [&error.message, &error.code, &error.decline_code];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" · ")
}

fn amounts(view: &PaymentView) -> Vec<(&'static str, String)> {
    let money = |amount| money(amount, &view.currency);
    vec![
        ("Requested", money(view.amount)),
        ("Capturable", money(view.amount_capturable)),
        ("Captured", money(view.amount_captured)),
        ("Refunded", money(view.amount_refunded)),
        ("Reserved for refunds", money(view.amount_reserved)),
        ("Kept", money(view.amount_captured - view.amount_refunded)),
    ]
}

fn facts(view: &PaymentView) -> Vec<(&'static str, String)> {
    let attempt = view.latest_attempt.as_ref();
    let customer = view.customer.as_ref();
    let facts = [
        ("Intent", view.intent_id.clone()),
        ("Reference", view.reference.clone()),
        ("Description", view.description.clone()),
        ("Customer", customer.and_then(|it| it.name.clone())),
        ("E-mail", customer.and_then(|it| it.email.clone())),
        (
            "Attempt",
            attempt.map(|it| format!("{} {}", it.number, it.status)),
        ),
        ("Charge", attempt.and_then(|it| it.charge_id.clone())),
        (
            "Payment method",
            attempt.and_then(|it| it.payment_method.clone()),
        ),
        ("Disputed", view.disputed.then(|| "yes".to_owned())),
        ("Version", Some(view.version.to_string())),
        ("Account", Some(view.account_id.to_string())),
    ];
    let known = facts.into_iter();
    known
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .collect()
}
