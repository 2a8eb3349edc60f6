//! The parts of an OpenAPI document (version 3.1) that all services share.

use std::collections::BTreeMap;

use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Content, Header, Object, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    Server, Type,
};
use utoipa::{Modify, PartialSchema as _, ToSchema as _};

use super::problem::Problem;

/// The two ways to prove who calls: `token`, an access token, and `key`, an API key.
#[derive(Clone, Copy, Debug)]
pub struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
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

/// The problems with these statuses, as the responses of an operation.
#[must_use]
pub fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    statuses
        .iter()
        .map(|&status| (status.to_string(), problem(status).into()))
        .collect()
}

/// A problem with this status, and the headers that come with it.
fn problem(status: u16) -> Response {
    let response = ResponseBuilder::new()
        .description(description(status))
        .content(
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

fn description(status: u16) -> &'static str {
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

/// Corrects two things that utoipa's attributes cannot express: an optional parameter may be absent but is never the word
/// `null`, and a request whose body has no required field needs no body. The document's server is the one that serves it.
#[must_use]
pub fn exact(mut document: OpenApi) -> OpenApi {
    document.servers = Some(vec![Server::new("/")]);
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
