//! The description of the API, made from the routes themselves (version 3.1).

mod webhooks;

use std::collections::BTreeMap;

use axum::http::Method;
use contracts::schema::IdempotencyKey;
use contracts::webhook::Message;
use infra::http::code::Code;
use infra::http::openapi::{Security, problems};
use infra::http::problem::Problem;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, Modify, OpenApi};

/// The description of the API as a whole; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pawl",
        description = "Payments that move forward one durable transition at a time. Amounts are integers in the currency's smallest unit, as Stripe counts them. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "payments", description = "Create and move payments"),
        (name = "refunds", description = "Give money back"),
        (name = "disputes", description = "Answer what customers dispute at their banks"),
        (name = "webhook_endpoints", description = "The addresses that a merchant's events are sent to"),
        (name = "events", description = "What an endpoint is sent"),
        (name = "webhooks", description = "Stripe's events"),
        (name = "service", description = "The state of the service"),
    ),
    components(schemas(Problem, Code, IdempotencyKey, Message)),
    modifiers(&Security, &Webhooks),
)]
pub(crate) struct Document;

/// Adds the webhooks that merchants receive.
struct Webhooks;

impl Modify for Webhooks {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.webhooks = Some(webhooks::all());
    }
}

/// Whether merchants have this route, written as in the document: `/api/v1/payments/{id}`.
pub(crate) fn has_route(method: &Method, path: &str) -> bool {
    let document = crate::merchants().into_openapi();
    document.paths.paths.get(path).is_some_and(|item| {
        let operation = match *method {
            Method::GET => &item.get,
            Method::POST => &item.post,
            Method::PATCH => &item.patch,
            Method::DELETE => &item.delete,
            _ => &None,
        };
        operation.is_some()
    })
}

/// The problems of a request that reads.
pub(crate) struct OfReads;

impl IntoResponses for OfReads {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 404, 429, 500, 503])
    }
}

/// The problems of a request that moves money.
pub(crate) struct OfCommands;

impl IntoResponses for OfCommands {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 404, 408, 409, 413, 415, 422, 429, 500, 503])
    }
}

/// The problems of a request that reads what admins manage.
pub(crate) struct OfManagers;

impl IntoResponses for OfManagers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 429, 500, 503])
    }
}

/// The problems of a request that changes what admins manage.
pub(crate) struct OfManagersChanges;

impl IntoResponses for OfManagersChanges {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503])
    }
}

/// The problems of a webhook.
pub(crate) struct OfWebhooks;

impl IntoResponses for OfWebhooks {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut problems = problems(&[400, 408, 413, 415, 500, 503]);
        if let Some(RefOr::T(too_large)) = problems.get_mut("413") {
            "The body is over 1 MiB".clone_into(&mut too_large.description);
        }
        problems
    }
}
