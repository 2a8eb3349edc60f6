//! The door under `/v1`: caller, faults before execution, idempotency key, then execution.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};

use crate::event::{API_VERSION, Cause};
use crate::execution::Execution;
use crate::faults::{Fault, Rule, Stage};
use crate::form::Form;
use crate::http::{Dropped, Request, Response};
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::simulator::Simulator;
use crate::{faults, http, idempotency, routes};

/// What a request under `/v1` is answered, or that it is not.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An answer.
    Answered(Reply),
    /// The connection is closed.
    Dropped,
}

/// An answer before it is dressed as HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// The JSON text, or what a fault made of it.
    pub(crate) body: Bytes,
    /// `Stripe-Should-Retry`.
    pub(crate) should_retry: Option<bool>,
    /// The request whose saved answer this is.
    pub(crate) original: Option<String>,
    /// Whether the body is a page instead of JSON.
    pub(crate) html: bool,
}

impl Reply {
    /// The answer to something that was done.
    pub(crate) fn done(body: Box<str>) -> Self {
        Self {
            status: 200,
            body: Bytes::from(String::from(body)),
            should_retry: None,
            original: None,
            html: false,
        }
    }
}

impl From<&Refusal> for Reply {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status,
            body: Bytes::from(refusal.body()),
            should_retry: refusal.should_retry,
            original: None,
            html: false,
        }
    }
}

/// Answers a request under `/v1` as Stripe does, or as a fault wants it.
pub(crate) async fn answer(
    simulator: &Arc<Simulator>,
    request: &Request,
) -> Result<Response, Dropped> {
    let request_id = crate::id::new("req");
    let outcome = match admit(simulator, request, &request_id).await {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::Answered(Reply::from(&refusal)),
    };
    match outcome {
        Outcome::Answered(reply) => {
            tracing::debug!(method = %request.method, path = %request.path, status = reply.status, %request_id, "answered");
            Ok(dress(request, &request_id, reply))
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
    let (route, id) = routes::find(&request.method, &segments[1..])
        .ok_or_else(|| Refusal::unknown_path(request.method.as_str(), &request.path))?;
    let asked = match request.header("pawl-sim-fault") {
        Some(text) => faults::of_header(text).map_err(Refusal::invalid)?,
        None => Vec::new(),
    };
    let Some(delay) = before(simulator, route, &asked)? else {
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
        id: id.to_owned(),
        form,
        fingerprint: idempotency::fingerprint(&request.path, &request.body),
        cause: Cause {
            id: Some(request_id.to_owned()),
            idempotency_key: if is_post { Some(key(request)?) } else { None },
        },
        asked,
        delay,
    };
    execution.run().await
}

/// The faults before execution: a refusal, none for a drop, else how long execution is delayed.
fn before(
    simulator: &Simulator,
    route: Route,
    asked: &[Rule],
) -> Result<Option<Duration>, Refusal> {
    let mut delay = Duration::ZERO;
    for rule in simulator.faults.draw(Stage::Before, route.name, asked) {
        match rule.fault {
            Fault::RateLimited => return Err(Refusal::rate_limit()),
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

/// A test key as bearer token or as the user of basic authentication.
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

/// The idempotency key; that every POST brings one is this simulator's assertion about its clients.
fn key(request: &Request) -> Result<String, Refusal> {
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

fn dress(request: &Request, request_id: &str, reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if reply.html {
        "text/html"
    } else {
        "application/json"
    };
    let mut response = http::response(status, kind, reply.body);
    let version = request.header("stripe-version").unwrap_or(API_VERSION);
    let should_retry = reply
        .should_retry
        .map(|retry| if retry { "true" } else { "false" });
    let headers = [
        ("request-id", Some(request_id)),
        ("stripe-version", Some(version)),
        ("idempotency-key", request.header("idempotency-key")),
        ("stripe-should-retry", should_retry),
        (
            "idempotent-replayed",
            reply.original.is_some().then_some("true"),
        ),
        ("original-request", reply.original.as_deref()),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}
