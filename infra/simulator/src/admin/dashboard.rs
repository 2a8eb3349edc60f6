//! `POST /_sim/dashboard/…`: another tool acts on the same account, for example somebody in Stripe's dashboard.
//!
//! Each `POST /v1/…` has its counterpart here with the same parameters in JSON. It needs neither API key nor
//! idempotency key, no fault is injected, and the events name no request.

use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::form::Form;
use crate::http;
use crate::http::{Request, Response};
use crate::refusal::Refusal;
use crate::routes::list;
use crate::simulator::Simulator;

/// Runs the operation of `POST /v1/` and `path`.
pub(crate) fn act(simulator: &Simulator, request: &Request, path: &[&str]) -> Response {
    let Some((route, id)) = list::find(&Method::POST, path) else {
        return http::not_found();
    };
    let result = parameters(request).and_then(|form| {
        form.only(route.parameters)?;
        simulator.operate_as_dashboard(id, &form, route.operation)
    });
    match result {
        Ok(object) => http::json(StatusCode::OK, &object),
        Err(refusal) => http::refused(&refusal),
    }
}

fn parameters(request: &Request) -> Result<Form, Refusal> {
    if request.body.is_empty() {
        return Ok(Form::default());
    }
    let parsed = serde_json::from_slice::<Map<String, Value>>(&request.body);
    let object = parsed.map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok(Form::from_json(&Value::Object(object)))
}
