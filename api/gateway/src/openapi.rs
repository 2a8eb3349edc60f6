//! The description of the API, made from the routes themselves (version 3.1).

use std::collections::BTreeMap;

use axum::http::Method;
use contracts::schema::IdempotencyKey;
use infra::http::problem::{Code, Problem};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, Header, Object, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema as _, ToSchema as _};

/// What is true of the API as a whole; the routes add themselves.
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
        (name = "webhook_endpoints", description = "What merchants are told, and where"),
        (name = "webhooks", description = "What Stripe tells"),
        (name = "service", description = "What the service says about itself"),
    ),
    components(schemas(Problem, Code, IdempotencyKey)),
    modifiers(&Security),
)]
pub(crate) struct Document;

/// The document, with what attributes cannot say: an optional parameter may be absent, and is never the word `null`; and a
/// command that needs no field needs no body.
pub(crate) fn exact(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = document.components.clone().unwrap_or_default();
    let needs_nothing = |content: &RefOr<Content>| {
        let RefOr::T(content) = content else {
            return false;
        };
        let Some(RefOr::Ref(schema)) = &content.schema else {
            return false;
        };
        let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
        let schema = components.schemas.get(name);
        matches!(schema, Some(RefOr::T(Schema::Object(object))) if object.required.is_empty())
    };
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        operations.into_iter().flatten()
    });
    for operation in operations {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter
                && let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
                && let SchemaType::Array(types) = &mut object.schema_type
            {
                types.retain(|kind| *kind != Type::Null);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body
            && body.content.values().any(needs_nothing)
        {
            body.required = Some(Required::False);
        }
    }
    document
}

/// Whether merchants have such a route, written as in the document: `/api/v1/payments/{id}`.
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

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "token",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
        components.add_security_scheme(
            "key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        );
    }
}

/// How a request that reads is refused.
pub(crate) struct OfReads;

impl IntoResponses for OfReads {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 404, 429, 500, 503])
    }
}

/// How a request that moves money is refused.
pub(crate) struct OfCommands;

impl IntoResponses for OfCommands {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 404, 408, 409, 413, 415, 422, 429, 500, 503])
    }
}

/// How a request that reads what an account is managed by is refused.
pub(crate) struct OfManagers;

impl IntoResponses for OfManagers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 429, 500, 503])
    }
}

/// How a request that changes it is refused.
pub(crate) struct OfManagersChanges;

impl IntoResponses for OfManagersChanges {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503])
    }
}

/// How a webhook is refused.
pub(crate) struct OfWebhooks;

impl IntoResponses for OfWebhooks {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 408, 413, 415, 500, 503])
    }
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    statuses
        .iter()
        .map(|&status| (status.to_string(), problem(status).into()))
        .collect()
}

/// A problem with this status, and the headers that come with it.
fn problem(status: u16) -> Response {
    let response = ResponseBuilder::new().description(meaning(status)).content(
        "application/problem+json",
        Content::new(Some(Ref::from_schema_name(Problem::name()))),
    );
    match status {
        401 => response.header(
            "WWW-Authenticate",
            Header::new(Object::with_type(Type::String)),
        ),
        409 | 429 | 503 => response.header("Retry-After", Header::new(u32::schema())),
        _ => response,
    }
    .build()
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be read",
        401 => "No valid token or API key",
        403 => "The caller's role does not allow it",
        404 => "There is no such thing in this account",
        408 => "The body did not arrive in time",
        409 => "The state of things does not allow it now",
        413 => "The body is over 64 KiB",
        415 => "The body is not application/json",
        422 => "A field is not valid",
        429 => "Too many requests",
        503 => "Not available for the moment: nothing was done",
        _ => "A fault of ours",
    }
}
