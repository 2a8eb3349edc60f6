//! The door under `/_sim`: faults, the ledger, endpoints with a known secret, forced outcomes. For tests and operators.

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::faults::Order;
use crate::form::Form;
use crate::http::{Request, Response};
use crate::lock::Lock;
use crate::payment_method::Outcome;
use crate::refusal::Refusal;
use crate::simulator::Simulator;
use crate::store::{Call, Store};
use crate::{
    authentication, clock, endpoint, http, intents, ledger, payment_method, refund, refunds,
};

/// Answers a request under `/_sim`.
pub(crate) fn answer(simulator: &Simulator, request: &Request) -> Response {
    let segments = request.segments();
    match (request.method.as_str(), &segments[1..]) {
        ("GET", ["faults"]) => http::json(StatusCode::OK, &simulator.faults.report()),
        ("PUT", ["faults"]) => with(request, |order: Order| {
            simulator.faults.put(order);
            http::json(StatusCode::OK, &simulator.faults.report())
        }),
        ("DELETE", ["faults"]) => {
            simulator.faults.lift();
            http::json(StatusCode::OK, &simulator.faults.report())
        }
        ("GET", ["ledger"]) => show_ledger(simulator, request),
        ("GET", ["webhooks"]) => http::json(StatusCode::OK, &simulator.webhooks.report()),
        ("POST", ["webhook_endpoints"]) => with(request, |order| register(simulator, order)),
        ("PUT", ["outcomes"]) => with(request, |order| force(simulator, order)),
        ("DELETE", ["outcomes"]) => {
            simulator.operate(|store| store.forced.clear());
            http::json(StatusCode::OK, &json!({}))
        }
        ("POST", ["payment_intents", id, action]) => move_intent(simulator, id, action),
        ("POST", ["refunds", id, action]) => move_refund(simulator, id, action),
        ("GET", ["authenticate", id]) => authentication::show(simulator, id),
        ("POST", ["authenticate", id]) => authentication::end(simulator, id, request),
        ("GET", ["authenticate.css"]) => {
            http::page("text/css; charset=utf-8", authentication::STYLE)
        }
        _ => http::not_found(),
    }
}

/// Reads the body as JSON and goes on with it, or says what is wrong with it.
fn with<T: DeserializeOwned>(request: &Request, then: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(&request.body) {
        Ok(order) => then(order),
        Err(fault) => http::fault(StatusCode::BAD_REQUEST, &fault.to_string()),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    http::response(status, "application/json", refusal.body())
}

/// All payments, one of them (`payment_id`), or a page of them (`limit`, `offset`).
fn show_ledger(simulator: &Simulator, request: &Request) -> Response {
    let asked = || -> Result<(Option<String>, usize, usize), Refusal> {
        let form = Form::parse(request.query.as_bytes())?;
        form.only(&["payment_id", "offset", "limit"])?;
        let number = |name| {
            let number = form.integer(name)?;
            Ok::<_, Refusal>(number.and_then(|number| usize::try_from(number).ok()))
        };
        Ok((
            form.owned("payment_id"),
            number("offset")?.unwrap_or(0),
            number("limit")?.unwrap_or(usize::MAX),
        ))
    };
    match asked() {
        Ok((payment, offset, limit)) => {
            let report = ledger::report(&simulator.store.hold(), payment.as_deref(), offset, limit);
            http::json(StatusCode::OK, &report)
        }
        Err(refusal) => refused(&refusal),
    }
}

/// An endpoint whose secret the caller chose, in place of one with the same URL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    url: String,
    secret: Option<String>,
    #[serde(default = "everything")]
    enabled_events: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn register(simulator: &Simulator, order: Registration) -> Response {
    match Endpoint::new(&order.url, order.secret, order.enabled_events, clock::now()) {
        Ok(endpoint) => {
            let shown = simulator.operate(|store| endpoint::register(store, endpoint));
            http::json(StatusCode::OK, &shown)
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Every confirmation of `payment_id`, or of `payment_intent`, behaves as if made with `payment_method`; null lifts it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forced {
    #[serde(alias = "payment_id", alias = "payment_intent")]
    subject: String,
    payment_method: Option<String>,
}

fn force(simulator: &Simulator, order: Forced) -> Response {
    let subject = order.subject;
    match order.payment_method {
        Some(name) if payment_method::find(&name).is_none() => http::fault(
            StatusCode::BAD_REQUEST,
            "There is no such test payment method.",
        ),
        Some(name) => {
            simulator.operate(|store| store.forced.insert(subject, name));
            http::json(StatusCode::OK, &json!({}))
        }
        None => {
            simulator.operate(|store| store.forced.remove(&subject));
            http::json(StatusCode::OK, &json!({}))
        }
    }
}

/// What time, a bank or a customer would do to an intent, done now.
fn move_intent(simulator: &Simulator, id: &str, action: &str) -> Response {
    moved(simulator, |store, call| {
        match action {
            "succeed" => intents::settle(store, id, Some(Outcome::Succeeds), call)?,
            "fail" => {
                let outcome =
                    payment_method::find("pm_card_chargeDeclined").map(|method| method.outcome);
                intents::settle(store, id, outcome, call)?;
            }
            "expire" => intents::expire(store, id, call)?,
            "authenticate" => intents::authenticate(store, id, true, call)?,
            "fail_authentication" => intents::authenticate(store, id, false, call)?,
            _ => return Ok(None),
        }
        let intent = store.intents.existing(id, "intent")?;
        Ok(Some(http::json(StatusCode::OK, &intent.render(None))))
    })
}

/// What a bank would do to a refund, done now.
fn move_refund(simulator: &Simulator, id: &str, action: &str) -> Response {
    moved(simulator, |store, call| {
        let outcome = match action {
            "succeed" => refund::Status::Succeeded,
            "fail" => refund::Status::Failed,
            _ => return Ok(None),
        };
        refunds::settle(store, id, Some(outcome), call)?;
        let refund = store.refunds.existing(id, "refund")?;
        Ok(Some(http::json(StatusCode::OK, &refund.render())))
    })
}

fn moved(
    simulator: &Simulator,
    operation: impl FnOnce(&mut Store, &Call<'_>) -> Result<Option<Response>, Refusal>,
) -> Response {
    match simulator.operate_unasked(operation) {
        Ok(Some(response)) => response,
        Ok(None) => http::not_found(),
        Err(refusal) => refused(&refusal),
    }
}
