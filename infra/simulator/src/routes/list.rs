//! The list of all routes under `/v1`.

use hyper::Method;
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::routes::intents::{cancel, capture, confirm, create, read, update};
use crate::routes::{
    charges, disputes, events, fraud_warnings, refunds, reviews, webhook_endpoints,
};
use crate::store::{Call, Store};

/// The operation of a route on the store; it returns Stripe's JSON.
pub(crate) type Operation = fn(&mut Store, &Call<'_>) -> Result<Box<RawValue>, Refusal>;

/// One route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// Its name in the rules of faults.
    pub(crate) name: &'static str,
    /// The parameters that it accepts; others are refused.
    pub(crate) parameters: &'static [&'static str],
    /// Its operation.
    pub(crate) operation: Operation,
}

/// Finds the route of a request under `/v1` and the id in its path.
pub(crate) fn find<'a>(method: &Method, path: &[&'a str]) -> Option<(Route, &'a str)> {
    let (resource, rest) = match path {
        ["radar", "early_fraud_warnings", rest @ ..] => ("early_fraud_warnings", rest),
        [resource, rest @ ..] => (*resource, rest),
        [] => return None,
    };
    let (id, action) = match rest {
        [] => ("", ""),
        [id] => (*id, "/{id}"),
        [id, action] => (*id, *action),
        _ => return None,
    };
    let route = match resource {
        "payment_intents" => payment_intents(method.as_str(), action),
        "refunds" => refunds(method.as_str(), action),
        "charges" => charges(method.as_str(), action),
        "disputes" => disputes(method.as_str(), action),
        "early_fraud_warnings" => fraud_warnings(method.as_str(), action),
        "reviews" => reviews(method.as_str(), action),
        "events" => events(method.as_str(), action),
        "webhook_endpoints" => endpoints(method.as_str(), action),
        _ => None,
    };
    Some((route?, id))
}

fn payment_intents(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route("payment_intents.create", create::PARAMETERS, create::create),
        ("GET", "") => route("payment_intents.list", read::LIST, read::list),
        ("GET", "/{id}") => route("payment_intents.retrieve", read::RETRIEVE, read::retrieve),
        ("POST", "/{id}") => route("payment_intents.update", update::PARAMETERS, update::update),
        ("POST", "confirm") => route(
            "payment_intents.confirm",
            confirm::PARAMETERS,
            confirm::confirm,
        ),
        ("POST", "capture") => route(
            "payment_intents.capture",
            capture::PARAMETERS,
            capture::capture,
        ),
        ("POST", "cancel") => route("payment_intents.cancel", cancel::PARAMETERS, cancel::cancel),
        _ => return None,
    })
}

fn refunds(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route("refunds.create", refunds::CREATE, refunds::create),
        ("GET", "") => route("refunds.list", refunds::LIST, refunds::list),
        ("GET", "/{id}") => route("refunds.retrieve", refunds::RETRIEVE, refunds::retrieve),
        ("POST", "/{id}") => route("refunds.update", refunds::UPDATE, refunds::update),
        ("POST", "cancel") => route("refunds.cancel", refunds::CANCEL, refunds::cancel),
        _ => return None,
    })
}

fn charges(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route("charges.list", charges::LIST, charges::list),
        ("GET", "/{id}") => route("charges.retrieve", charges::RETRIEVE, charges::retrieve),
        ("POST", "/{id}") => route("charges.update", charges::UPDATE, charges::update),
        _ => return None,
    })
}

fn disputes(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route("disputes.list", disputes::LIST, disputes::list),
        ("GET", "/{id}") => route("disputes.retrieve", disputes::RETRIEVE, disputes::retrieve),
        ("POST", "/{id}") => route("disputes.update", disputes::UPDATE, disputes::update),
        ("POST", "close") => route("disputes.close", disputes::CLOSE, disputes::close),
        _ => return None,
    })
}

fn fraud_warnings(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route(
            "early_fraud_warnings.list",
            fraud_warnings::LIST,
            fraud_warnings::list,
        ),
        ("GET", "/{id}") => route(
            "early_fraud_warnings.retrieve",
            fraud_warnings::RETRIEVE,
            fraud_warnings::retrieve,
        ),
        _ => return None,
    })
}

fn reviews(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("GET", "") => route("reviews.list", reviews::LIST, reviews::list),
        ("GET", "/{id}") => route("reviews.retrieve", reviews::RETRIEVE, reviews::retrieve),
        ("POST", "approve") => route("reviews.approve", reviews::APPROVE, reviews::approve),
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

fn endpoints(method: &str, action: &str) -> Option<Route> {
    Some(match (method, action) {
        ("POST", "") => route(
            "webhook_endpoints.create",
            webhook_endpoints::CREATE,
            webhook_endpoints::create,
        ),
        ("GET", "") => route(
            "webhook_endpoints.list",
            webhook_endpoints::LIST,
            webhook_endpoints::list,
        ),
        ("GET", "/{id}") => route(
            "webhook_endpoints.retrieve",
            &["expand[]"],
            webhook_endpoints::retrieve,
        ),
        ("DELETE", "/{id}") => route("webhook_endpoints.delete", &[], webhook_endpoints::delete),
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
