//! Webhooks of Stripe that came, and deliveries to merchants that failed.

use askama::Template;
use axum::extract::{OriginalUri, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use contracts::id::DeliveryId;
use contracts::operations::ReceivedWebhookView;
use contracts::webhook::DeliveryView;
use engine::{Scope, WebhookStatus};
use infra::http::page::ListQuery;
use serde_json::Value;

use super::error::PageError;
use super::format::{Badge, Moment};
use super::layout::{Frame, html};
use super::pager::Pager;
use super::payments::ROWS;
use super::visit::Visit;
use crate::Core;

/// The lists of the page: name in the address, label.
const LISTS: [(&str, &str); 4] = [
    ("waiting", "From Stripe, waiting"),
    ("dead", "From Stripe, dead"),
    ("done", "From Stripe, done"),
    ("deliveries", "To merchants, failed"),
];

struct Row {
    id: String,
    address: String,
    kind: String,
    status: Badge,
    payment: Option<String>,
    detail: String,
    at: Moment,
    /// Whether a delivery can be sent again from the list.
    is_delivery: bool,
}

impl From<ReceivedWebhookView> for Row {
    fn from(webhook: ReceivedWebhookView) -> Self {
        Self {
            address: format!("/webhooks/{}", webhook.id),
            id: webhook.id,
            kind: webhook.r#type,
            status: Badge(webhook.status),
            payment: webhook.payment_id.map(|id| id.to_string()),
            detail: webhook.error.unwrap_or_default(),
            at: Moment(webhook.received_at),
            is_delivery: false,
        }
    }
}

impl From<DeliveryView> for Row {
    fn from(delivery: DeliveryView) -> Self {
        let code = delivery.last_code;
        let code = code.map_or_else(|| "no answer".to_owned(), |code| format!("answered {code}"));
        Self {
            id: delivery.id.to_string(),
            address: format!("/payments/{}", delivery.payment_id),
            kind: delivery.r#type,
            status: Badge(delivery.status.as_str().to_owned()),
            payment: Some(delivery.payment_id.to_string()),
            detail: format!("{code}, {} tries, {}", delivery.tries, delivery.endpoint_id),
            at: Moment(delivery.finished_at.unwrap_or(delivery.created_at)),
            is_delivery: true,
        }
    }
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct ListPage {
    frame: Frame,
    /// Name, label, and whether it is shown.
    lists: Vec<(&'static str, &'static str, bool)>,
    current: String,
    rows: Vec<Row>,
    pager: Pager,
    address: String,
}

/// Shows one of the lists. Stripe's webhooks belong to no account, so only staff of the house see them.
pub(super) async fn list(
    State(core): State<Core>,
    visit: Visit,
    OriginalUri(uri): OriginalUri,
    query: ListQuery,
) -> Result<Response, PageError> {
    let is_staff = visit.scope == Scope::All;
    let lists: Vec<_> = LISTS
        .into_iter()
        .filter(|(name, _)| is_staff || *name == "deliveries")
        .collect();
    let first = lists.first().map_or("deliveries", |(name, _)| name);
    let current = match query.text("list") {
        "" => first.to_owned(),
        asked => asked.to_owned(),
    };
    if !lists.iter().any(|(name, _)| *name == current) {
        return Err(engine::Error::NotFound.into());
    }
    let (rows, has_more): (Vec<Row>, bool) = if current == "deliveries" {
        let after = query.page::<DeliveryId>()?.starting_after;
        let after = after.map(|id| id.uuid());
        let found = core.engine.failed_deliveries(visit.scope, after, ROWS);
        let (deliveries, has_more) = found.await?;
        (deliveries.into_iter().map(Row::from).collect(), has_more)
    } else {
        let status = WebhookStatus::parse(&current).ok_or(engine::Error::NotFound)?;
        let after = query.page::<String>()?.starting_after;
        let found = core
            .engine
            .received_webhooks(status, after.as_deref(), ROWS);
        let (webhooks, has_more) = found.await?;
        (webhooks.into_iter().map(Row::from).collect(), has_more)
    };
    let last = rows.last().map(|row| row.id.clone());
    let page = ListPage {
        frame: visit.frame("webhooks", "Webhooks"),
        pager: Pager::new(&uri, &query, last.filter(|_| has_more)),
        address: uri.to_string(),
        lists: lists
            .into_iter()
            .map(|(name, label)| (name, label, name == current))
            .collect(),
        current,
        rows,
    };
    Ok(html(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage {
    frame: Frame,
    id: String,
    kind: String,
    status: Badge,
    error: Option<String>,
    payment: Option<String>,
    received: Moment,
    done: Option<Moment>,
    tries: i32,
    replay: String,
    transitions: Vec<String>,
    body: String,
}

/// Shows one webhook of Stripe with its body.
pub(super) async fn show(
    State(core): State<Core>,
    visit: Visit,
    Path(event): Path<String>,
) -> Result<Response, PageError> {
    let detail = core.engine.received_webhook(visit.scope, &event).await?;
    let webhook = detail.webhook;
    let parsed: Option<Value> = serde_json::from_str(&detail.body).ok();
    let body = parsed.and_then(|body| serde_json::to_string_pretty(&body).ok());
    let page = WebhookPage {
        frame: visit.frame("webhooks", format!("Webhook {event}")),
        id: webhook.id,
        kind: webhook.r#type,
        status: Badge(webhook.status),
        error: webhook.error,
        payment: webhook.payment_id.map(|id| id.to_string()),
        received: Moment(webhook.received_at),
        done: webhook.done_at.map(Moment),
        tries: webhook.tries,
        replay: detail.replay.explanation,
        transitions: detail.replay.transitions,
        body: body.unwrap_or(detail.body),
    };
    Ok(html(StatusCode::OK, &page))
}
