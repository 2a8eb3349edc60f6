//! Payments as operators see them.

use axum::Json;
use axum::extract::State;
use contracts::id::{Payment, PaymentId};
use contracts::operations::TimelineEntry;
use contracts::view::PaymentView;
use engine::PaymentSearch;
use infra::http::RequestError;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;

use super::moment::moment;
use crate::error::Error;
use crate::operator::Viewer;
use crate::{Core, openapi};

/// Search payments, newest first.
///
/// `q` is an id of Pawl's (`pay_…`, `job_…`, `re_…`, `evt_…`, `del_…`) or of Stripe's (`pi_…`, `re_…`, `evt_…`), an order id of a
/// merchant, or the e-mail address of a customer. Without `q` and metadata the newest 10,000 payments below the cursor are
/// searched.
#[utoipa::path(
    get,
    path = "/api/v1/ops/payments",
    operation_id = "search_payments",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(
        ("q" = Option<String>, Query, description = "An id, an order id or an e-mail address"),
        ("status" = Option<String>, Query, description = "Only those in this status"),
        ("amount[gte]" = Option<i64>, Query, description = "Only those of at least this amount"),
        ("amount[lte]" = Option<i64>, Query, description = "Only those of at most this amount"),
        ("created[gte]" = Option<String>, Query, description = "Only those accepted at or after this time", format = DateTime),
        ("created[lt]" = Option<String>, Query, description = "Only those accepted before this time", format = DateTime),
        ("metadata[key]" = Option<String>, Query, description = "Only those whose metadata has this value under that key"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "1 to 100, 10 when absent"),
        ("starting_after" = Option<PaymentId>, Query, description = "Continue behind this one"),
    ),
    responses(
        (status = 200, description = "A page", body = List<PaymentView>),
        openapi::OfReads,
    ),
)]
pub(crate) async fn search(
    State(core): State<Core>,
    viewer: Viewer,
    mut query: ListQuery,
) -> Result<Json<List<PaymentView>>, Error> {
    if query.ending_before.is_some() {
        return Err(RequestError::unknown_parameter("ending_before").into());
    }
    let search = parse(std::mem::take(&mut query.filters))?;
    let page = query.page::<PaymentId>()?.map(|id| id.uuid());
    let found = core
        .engine
        .search_payments(viewer.scope, &search, page.starting_after, page.limit);
    let (payments, has_more) = found.await?;
    Ok(Json(List::new(payments, has_more)))
}

fn parse(parameters: Vec<(String, String)>) -> Result<PaymentSearch, RequestError> {
    let mut search = PaymentSearch::default();
    for (name, value) in parameters {
        if name.contains('\0') || value.contains('\0') || value.chars().count() > 500 {
            let detail = "This is too long, or holds a character that no payment has.";
            return Err(RequestError::parameter(name, detail));
        }
        match name.as_str() {
            "q" => search.text = Some(value),
            "status" => {
                let status = value.parse();
                let status = status
                    .map_err(|_| RequestError::parameter("status", "There is no such status."))?;
                search.status = Some(status);
            }
            "amount[gte]" => search.amount.0 = Some(amount(&name, &value)?),
            "amount[lte]" => search.amount.1 = Some(amount(&name, &value)?),
            "created[gte]" => search.created.0 = Some(moment(&name, &value)?),
            "created[lt]" => search.created.1 = Some(moment(&name, &value)?),
            _ => {
                let key = name
                    .strip_prefix("metadata[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .ok_or_else(|| RequestError::unknown_parameter(&name))?;
                search.metadata.insert(key.to_owned(), value);
            }
        }
    }
    Ok(search)
}

fn amount(name: &str, text: &str) -> Result<i64, RequestError> {
    let amount = text.parse().ok().filter(|amount| *amount >= 0);
    let detail = "This must be a whole number of the currency's smallest unit.";
    amount.ok_or_else(|| RequestError::parameter(name, detail))
}

/// Show all that happened to a payment in one order, the oldest first.
///
/// Transitions, messages for Kafka, tries of jobs, requests to Stripe with their ids and keys, webhooks of Stripe, and the
/// deliveries to the merchant.
#[utoipa::path(
    get,
    path = "/api/v1/ops/payments/{id}/timeline",
    operation_id = "get_timeline",
    tag = "payments",
    security(("token" = []), ("key" = [])),
    params(("id" = PaymentId, Path, description = "The payment")),
    responses(
        (status = 200, description = "The timeline", body = List<TimelineEntry>),
        openapi::OfReadsOfOne,
    ),
)]
pub(crate) async fn timeline(
    State(core): State<Core>,
    viewer: Viewer,
    PathId(id): PathId<Payment>,
) -> Result<Json<List<TimelineEntry>>, Error> {
    let entries = core.engine.timeline(viewer.scope, id.uuid()).await?;
    Ok(Json(List::new(entries, false)))
}
