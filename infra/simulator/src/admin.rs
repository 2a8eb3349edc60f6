//! Routes under `/_sim`, for tests and operators: everything that the real Stripe has no route for.

mod clock;
mod dashboard;
mod disputes;
mod events;
mod holds;
mod ledger;
mod request;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::admin::request::{parse, run};
use crate::bank::{authentication, cancellation, charges, page, refunds};
use crate::faults::NewRules;
use crate::http;
use crate::http::{Request, Response};
use crate::objects::endpoint::Endpoint;
use crate::objects::failure::Replacement;
use crate::objects::payment_method::Outcome;
use crate::objects::{payment_method, refund};
use crate::simulator::Simulator;

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
        ("GET", ["clock"]) => clock::show(simulator),
        ("POST", ["clock", "advance"]) => clock::advance(simulator, request),
        ("GET", ["ledger"]) => ledger::show(simulator, request),
        ("GET", ["webhooks"]) => http::json(StatusCode::OK, &simulator.webhooks.report()),
        ("POST", ["webhook_endpoints"]) => parse(request, |new| register(simulator, new)),
        ("PUT", ["outcomes"]) => parse(request, |forced| force(simulator, forced)),
        ("DELETE", ["outcomes"]) => {
            simulator.operate(|store| {
                store.forced.clear();
                store.replaced.clear();
            });
            http::json(StatusCode::OK, &json!({}))
        }
        ("POST", ["payment_intents", id, action]) => move_intent(simulator, id, action),
        ("POST", ["refunds", id, action]) => move_refund(simulator, id, action),
        ("POST", ["dashboard", path @ ..]) => dashboard::act(simulator, request, path),
        ("POST", ["disputes"]) => disputes::open(simulator, request),
        ("POST", ["disputes", id, action]) => disputes::decide(simulator, id, action),
        ("POST", ["fraud_warnings"]) => holds::warn(simulator, request),
        ("POST", ["reviews"]) => holds::review(simulator, request),
        ("POST", ["events"]) => events::send(simulator, request),
        ("GET", ["authenticate", id]) => page::show(simulator, id),
        ("POST", ["authenticate", id]) => page::submit(simulator, id, request),
        ("GET", ["authenticate.css"]) => http::page("text/css; charset=utf-8", page::STYLE),
        _ => http::not_found(),
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
    let registered = simulator.operate(|store| {
        let endpoint = Endpoint::new(&new.url, new.secret, new.enabled_events, store.now())?;
        Ok(store.register(endpoint))
    });
    match registered {
        Ok(shown) => http::json(StatusCode::OK, &shown),
        Err(refusal) => http::refused(&refusal),
    }
}

/// All confirmations of `payment_id`, or of `payment_intent`, end as if made with `payment_method`; null ends this.
/// The parts of `failure` replace those of the failure in which they end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forced {
    #[serde(alias = "payment_id", alias = "payment_intent")]
    subject: String,
    payment_method: Option<String>,
    failure: Option<Replacement>,
}

fn force(simulator: &Simulator, forced: Forced) -> Response {
    let method = forced.payment_method;
    if method
        .as_deref()
        .is_some_and(|name| payment_method::find(name).is_none())
    {
        let message = "There is no such test payment method.";
        return http::fault(StatusCode::BAD_REQUEST, message);
    }
    simulator.operate(|store| {
        let subject = forced.subject;
        match forced.failure {
            Some(failure) => store.replaced.insert(subject.clone(), failure),
            None => store.replaced.remove(&subject),
        };
        match method {
            Some(name) => store.forced.insert(subject, name),
            None => store.forced.remove(&subject),
        };
    });
    http::json(StatusCode::OK, &json!({}))
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
