//! The description of the operations API, made from its routes (version 3.1).

use std::collections::BTreeMap;

use infra::http::code::Code;
use infra::http::openapi::{Security, exact, problems};
use infra::http::problem::Problem;
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Core, SERVICE, drift, interventions, ops};

/// The description of the API as a whole; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pawl core service",
        description = "What operators see and do. Staff of the house reach all accounts, members of an account their own. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "jobs", description = "What the engine has to do, does and did"),
        (name = "webhooks", description = "Webhooks of Stripe"),
        (name = "deliveries", description = "Deliveries to merchants that failed"),
        (name = "machines", description = "The rules of payments, attempts and refunds"),
        (name = "queues", description = "The kinds of jobs, which can be paused"),
        (name = "audit", description = "Who did what"),
        (name = "payments", description = "Payments with all that belongs to them"),
        (name = "service", description = "The state of the service"),
    ),
    components(schemas(Problem, Code)),
    modifiers(&Security),
)]
struct Document;

/// The routes that have a description: both are made from one list.
pub(crate) fn described() -> OpenApiRouter<Core> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(drift::read))
        .routes(routes!(interventions::resync))
        .routes(routes!(interventions::force))
        .routes(routes!(ops::jobs::list))
        .routes(routes!(ops::jobs::counts))
        .routes(routes!(ops::jobs::errors))
        .routes(routes!(ops::jobs::show))
        .routes(routes!(ops::jobs::retry))
        .routes(routes!(ops::act::bulk))
        .routes(routes!(ops::act::cancel))
        .routes(routes!(ops::act::snooze))
        .routes(routes!(ops::queues::list))
        .routes(routes!(ops::queues::pause))
        .routes(routes!(ops::queues::resume))
        .routes(routes!(ops::payments::search))
        .routes(routes!(ops::payments::timeline))
        .routes(routes!(ops::webhooks::list))
        .routes(routes!(ops::webhooks::show))
        .routes(routes!(ops::webhooks::replay))
        .routes(routes!(ops::deliveries::list))
        .routes(routes!(ops::deliveries::show))
        .routes(routes!(ops::deliveries::resend))
        .routes(routes!(ops::machines::show))
        .routes(routes!(ops::audit::list))
}

/// The document with the routes of every service.
pub(crate) fn finished(document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = exact(document);
    let requires = "Operators can see and do everything while Postgres answers.";
    infra::health::describe(&mut document, SERVICE, requires);
    document
}

/// The problems of a request that reads.
pub(crate) struct OfReads;

impl IntoResponses for OfReads {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 500, 503])
    }
}

/// The problems of a request that reads one thing.
pub(crate) struct OfReadsOfOne;

impl IntoResponses for OfReadsOfOne {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 500, 503])
    }
}

/// The problems of a request that changes something.
pub(crate) struct OfCommands;

impl IntoResponses for OfCommands {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503])
    }
}
