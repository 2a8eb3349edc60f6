//! The one list of Stripe's routes that exist here.

use hyper::Method;
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::{charges, endpoint, events, intents, refunds};

/// What a route does to the store: it answers Stripe's JSON.
pub(crate) type Operation = fn(&mut Store, &Call<'_>) -> Result<Box<RawValue>, Refusal>;

/// One route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// Its name in rules of faults.
    pub(crate) name: &'static str,
    /// The parameters it knows; others are refused.
    pub(crate) parameters: &'static [&'static str],
    /// What it does.
    pub(crate) operation: Operation,
}

/// The route of a request below `/v1` and the id in its path.
pub(crate) fn find<'a>(method: &Method, path: &[&'a str]) -> Option<(Route, &'a str)> {
    let (resource, rest) = path.split_first()?;
    let (id, action) = match rest {
        [] => ("", ""),
        [id] => (*id, "/{id}"),
        [id, action] => (*id, *action),
        _ => return None,
    };
    let route = match *resource {
        "payment_intents" => payment_intents(method.as_str(), action),
        "refunds" => refunds(method.as_str(), action),
        "charges" => charges(method.as_str(), action),
        "events" => events(method.as_str(), action),
        "webhook_endpoints" => webhook_endpoints(method.as_str(), action),
        _ => None,
    };
    Some((route?, id))
}

fn payment_intents(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route("payment_intents.create", intents::CREATE, intents::create),
        ("GET", "") => route("payment_intents.list", intents::LIST, intents::list),
        ("GET", "/{id}") => route(
            "payment_intents.retrieve",
            intents::RETRIEVE,
            intents::retrieve,
        ),
        ("POST", "confirm") => route(
            "payment_intents.confirm",
            intents::CONFIRM,
            intents::confirm,
        ),
        ("POST", "capture") => route(
            "payment_intents.capture",
            intents::CAPTURE,
            intents::capture,
        ),
        ("POST", "cancel") => route("payment_intents.cancel", intents::CANCEL, intents::cancel),
        _ => return None,
    })
}

fn refunds(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route("refunds.create", refunds::CREATE, refunds::create),
        ("GET", "") => route("refunds.list", refunds::LIST, refunds::list),
        ("GET", "/{id}") => route("refunds.retrieve", refunds::RETRIEVE, refunds::retrieve),
        _ => return None,
    })
}

fn charges(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route("charges.list", charges::LIST, charges::list),
        ("GET", "/{id}") => route("charges.retrieve", charges::RETRIEVE, charges::retrieve),
        _ => return None,
    })
}

fn events(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route("events.list", events::LIST, events::list),
        ("GET", "/{id}") => route("events.retrieve", events::RETRIEVE, events::retrieve),
        _ => return None,
    })
}

fn webhook_endpoints(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route(
            "webhook_endpoints.create",
            endpoint::CREATE,
            endpoint::create,
        ),
        ("GET", "") => route("webhook_endpoints.list", endpoint::LIST, endpoint::list),
        ("GET", "/{id}") => route(
            "webhook_endpoints.retrieve",
            &["expand"],
            endpoint::retrieve,
        ),
        ("DELETE", "/{id}") => route("webhook_endpoints.delete", &[], endpoint::delete),
        _ => return None,
    })
}

fn route(name: &'static str, parameters: &'static [&'static str], operation: Operation) -> Route {
    Route {
        name,
        parameters,
        operation,
    }
}
