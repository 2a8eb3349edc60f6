//! Routes under `/_sim`, for tests and operators: everything that the real Stripe has no route for.

mod ledger;

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::bank::{authentication, cancellation, charges, page, refunds};
use crate::faults::NewRules;
use crate::http::{Request, Response};
use crate::objects::endpoint::Endpoint;
use crate::objects::payment_method::Outcome;
use crate::objects::{payment_method, refund};
use crate::refusal::Refusal;
use crate::simulator::Simulator;
use crate::store::{Call, Store};
use crate::{clock, http};

/// Answers a request under `/_sim`.
pub(crate) fn answer(simulator: &Simulator, request: &Request) -> Response {
    let segments = request.segments();
    match (request.method.as_str(), &segments[1..]) {
        ("GET", ["faults"]) => http::json(StatusCode::OK, &simulator.faults.report()),
        ("PUT", ["faults"]) => parse(request, |rules: NewRules| {
            simulator.faults.replace(rules);
            http::json(StatusCode::OK, &simulator.faults.report())
        }),
        ("DELETE", ["faults"]) => {
            simulator.faults.clear();
            http::json(StatusCode::OK, &simulator.faults.report())
        }
        ("GET", ["ledger"]) => ledger::show(simulator, request),
        ("GET", ["webhooks"]) => http::json(StatusCode::OK, &simulator.webhooks.report()),
        ("POST", ["webhook_endpoints"]) => parse(request, |new| register(simulator, new)),
        ("PUT", ["outcomes"]) => parse(request, |forced| force(simulator, forced)),
        ("DELETE", ["outcomes"]) => {
            simulator.operate(|store| store.forced.clear());
            http::json(StatusCode::OK, &json!({}))
        }
        ("POST", ["payment_intents", id, action]) => move_intent(simulator, id, action),
        ("POST", ["refunds", id, action]) => move_refund(simulator, id, action),
        ("GET", ["authenticate", id]) => page::show(simulator, id),
        ("POST", ["authenticate", id]) => page::submit(simulator, id, request),
        ("GET", ["authenticate.css"]) => http::page("text/css; charset=utf-8", page::STYLE),
        _ => http::not_found(),
    }
}

/// Parses the body as JSON and passes it on, or answers 400 with the mistake in it.
fn parse<T: DeserializeOwned>(request: &Request, then: impl FnOnce(T) -> Response) -> Response {
    match serde_json::from_slice(&request.body) {
        Ok(body) => then(body),
        Err(error) => http::fault(StatusCode::BAD_REQUEST, &error.to_string()),
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

fn register(simulator: &Simulator, new: Registration) -> Response {
    match Endpoint::new(&new.url, new.secret, new.enabled_events, clock::now()) {
        Ok(endpoint) => {
            let shown = simulator.operate(|store| store.register(endpoint));
            http::json(StatusCode::OK, &shown)
        }
        Err(refusal) => http::refused(&refusal),
    }
}

/// All confirmations of `payment_id`, or of `payment_intent`, end as if made with `payment_method`; null ends this.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forced {
    #[serde(alias = "payment_id", alias = "payment_intent")]
    subject: String,
    payment_method: Option<String>,
}

fn force(simulator: &Simulator, forced: Forced) -> Response {
    let subject = forced.subject;
    match forced.payment_method {
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

/// Does now to an intent what otherwise time, a bank or a customer does.
fn move_intent(simulator: &Simulator, id: &str, action: &str) -> Response {
    run(simulator, |store, call| {
        match action {
            "succeed" => charges::settle(store, id, Some(Outcome::Succeeds), call)?,
            "fail" => {
                let outcome =
                    payment_method::find("pm_card_chargeDeclined").map(|method| method.outcome);
                charges::settle(store, id, outcome, call)?;
            }
            "expire" => cancellation::expire(store, id, call)?,
            "authenticate" => authentication::authenticate(store, id, true, call)?,
            "fail_authentication" => authentication::authenticate(store, id, false, call)?,
            _ => return Ok(None),
        }
        let intent = store.intents.existing(id, "intent")?;
        Ok(Some(http::json(StatusCode::OK, &intent.render(None))))
    })
}

/// Does now to a refund what otherwise a bank does.
fn move_refund(simulator: &Simulator, id: &str, action: &str) -> Response {
    run(simulator, |store, call| {
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

fn run(
    simulator: &Simulator,
    operation: impl FnOnce(&mut Store, &Call<'_>) -> Result<Option<Response>, Refusal>,
) -> Response {
    match simulator.operate_internally(operation) {
        Ok(Some(response)) => response,
        Ok(None) => http::not_found(),
        Err(refusal) => http::refused(&refusal),
    }
}
