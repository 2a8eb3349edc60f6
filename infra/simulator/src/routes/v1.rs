//! A request under `/v1`: authorization, faults before execution, idempotency key, then execution.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use hyper::header::AUTHORIZATION;

use crate::faults::rule;
use crate::faults::rule::{Fault, Rule, Stage};
use crate::form::Form;
use crate::http::{Dropped, Request, Response};
use crate::id;
use crate::objects::event::Cause;
use crate::refusal::Refusal;
use crate::routes::execution::Execution;
use crate::routes::list::Route;
use crate::routes::reply::{Outcome, Reply};
use crate::routes::{idempotency, list};
use crate::simulator::Simulator;

/// Answers a request under `/v1` as Stripe does, or as a fault requires.
pub(crate) async fn answer(
    simulator: &Arc<Simulator>,
    request: &Request,
) -> Result<Response, Dropped> {
    let request_id = id::new("req");
    let outcome = match admit(simulator, request, &request_id).await {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::Answered(Reply::from(&refusal)),
    };
    match outcome {
        Outcome::Answered(reply) => {
            tracing::debug!(method = %request.method, path = %request.path, status = reply.status, %request_id, "answered");
            Ok(reply.into_response(request, &request_id))
        }
        Outcome::Dropped => {
            tracing::debug!(method = %request.method, path = %request.path, %request_id, "dropped");
            Err(Dropped)
        }
    }
}

async fn admit(
    simulator: &Arc<Simulator>,
    request: &Request,
    request_id: &str,
) -> Result<Outcome, Refusal> {
    authorize(request)?;
    let segments = request.segments();
    let (route, object_id) = list::find(&request.method, &segments[1..])
        .ok_or_else(|| Refusal::unknown_path(request.method.as_str(), &request.path))?;
    let asked = match request.header("pawl-sim-fault") {
        Some(text) => rule::parse_header(text).map_err(Refusal::invalid)?,
        None => Vec::new(),
    };
    let Some(delay) = inject_before(simulator, route, &asked)? else {
        return Ok(Outcome::Dropped);
    };
    let is_post = request.method == Method::POST;
    let form = Form::parse(if is_post {
        &request.body
    } else {
        request.query.as_bytes()
    })?;
    let execution = Execution {
        simulator: Arc::clone(simulator),
        route,
        id: object_id.to_owned(),
        form,
        fingerprint: idempotency::fingerprint(&request.path, &request.body),
        cause: Cause {
            id: Some(request_id.to_owned()),
            idempotency_key: if is_post {
                Some(idempotency_key(request)?)
            } else {
                None
            },
        },
        asked,
        delay,
    };
    execution.run().await
}

/// Injects the faults before execution: a refusal, `None` for a dropped connection, or the delay of the execution.
fn inject_before(
    simulator: &Simulator,
    route: Route,
    asked: &[Rule],
) -> Result<Option<Duration>, Refusal> {
    let mut delay = Duration::ZERO;
    for rule in simulator.faults.draw(Stage::Before, route.name, asked) {
        match rule.fault {
            Fault::RateLimited => return Err(Refusal::rate_limit()),
            Fault::KeyRefused => {
                return Err(Refusal::unauthorized("Invalid API Key provided"));
            }
            Fault::Forbidden => return Err(Refusal::forbidden(route.name)),
            Fault::Conflict => return Err(Refusal::lock_timeout()),
            Fault::ErrorBefore => {
                return Err(Refusal::internal(
                    rule.status.unwrap_or(500),
                    rule.should_retry,
                ));
            }
            Fault::DropBefore => return Ok(None),
            _ => delay += rule.time(),
        }
    }
    Ok(Some(delay))
}

/// Accepts a test key as bearer token or as user name of basic authentication.
fn authorize(request: &Request) -> Result<(), Refusal> {
    let header = request.headers.get(AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok()).ok_or_else(|| {
        Refusal::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, \
             using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    })?;
    let basic = || {
        let decoded = BASE64_STANDARD
            .decode(header.strip_prefix("Basic ")?)
            .ok()?;
        let text = String::from_utf8(decoded).ok()?;
        Some(text.split(':').next().unwrap_or_default().to_owned())
    };
    let key = match header.strip_prefix("Bearer ") {
        Some(key) => key.to_owned(),
        None => basic().unwrap_or_default(),
    };
    if ["sk_test_", "rk_test_"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
    {
        return Ok(());
    }
    let shown: String = key.chars().take(8).collect();
    Err(Refusal::unauthorized(format!(
        "Invalid API Key provided: {shown}****"
    )))
}

/// Reads the idempotency key. Stripe only recommends one; here every POST must have one, to find clients that omit it.
fn idempotency_key(request: &Request) -> Result<String, Refusal> {
    match request.header("idempotency-key") {
        Some(key) if (1..=255).contains(&key.len()) => Ok(key.to_owned()),
        Some(_) => Err(Refusal::invalid(
            "Idempotency keys have 1 to 255 characters.",
        )),
        None => Err(Refusal::invalid(
            "Every POST needs an Idempotency-Key here (Stripe itself would only recommend one).",
        )),
    }
}
