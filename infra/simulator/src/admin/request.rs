//! Bodies and operations of the routes under `/_sim`.

use hyper::StatusCode;
use serde::de::DeserializeOwned;

use crate::http;
use crate::http::{Request, Response};
use crate::refusal::Refusal;
use crate::simulator::Simulator;
use crate::store::{Call, Store};

/// Parses the body as JSON and passes it on, or answers 400 with the mistake in it.
pub(crate) fn parse<T: DeserializeOwned>(
    request: &Request,
    then: impl FnOnce(T) -> Response,
) -> Response {
    match serde_json::from_slice(&request.body) {
        Ok(body) => then(body),
        Err(error) => http::fault(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Runs an operation that no request of Stripe's API caused; `None` is a path without a route.
pub(crate) fn run(
    simulator: &Simulator,
    operation: impl FnOnce(&mut Store, &Call<'_>) -> Result<Option<Response>, Refusal>,
) -> Response {
    match simulator.operate_internally(operation) {
        Ok(Some(response)) => response,
        Ok(None) => http::not_found(),
        Err(refusal) => http::refused(&refusal),
    }
}

/// The charge that a body names by itself or by its intent.
pub(crate) fn charge(
    store: &Store,
    charge: Option<String>,
    intent: Option<String>,
) -> Result<String, Refusal> {
    if let Some(charge) = charge {
        return Ok(charge);
    }
    let intent = intent.unwrap_or_default();
    let intent = store.intents.existing(&intent, "payment_intent")?;
    Ok(intent.latest_charge().unwrap_or_default().to_owned())
}
