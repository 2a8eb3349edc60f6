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
        description = "What operators see and do: jobs that the engine does not try again by itself. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "jobs", description = "Jobs that need an operator"),
        (name = "payments", description = "Payments that an operator resyncs or moves by hand"),
        (name = "service", description = "The state of the service"),
    ),
    components(schemas(Problem, Code)),
    modifiers(&Security),
)]
struct Document;

/// The routes that have a description: both are made from one list.
pub(crate) fn described() -> OpenApiRouter<Core> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(ops::list))
        .routes(routes!(ops::retry))
        .routes(routes!(drift::read))
        .routes(routes!(interventions::resync))
        .routes(routes!(interventions::force))
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
pub(crate) struct OfOneRead;

impl IntoResponses for OfOneRead {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 500, 503])
    }
}

/// The problems of a request that moves a payment.
pub(crate) struct OfMoves;

impl IntoResponses for OfMoves {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 503])
    }
}

/// The problems of a request that changes something.
pub(crate) struct OfCommands;

impl IntoResponses for OfCommands {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 413, 415, 422, 500, 503])
    }
}
