//! All routes, and their description (OpenAPI 3.1), which is made from them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Header, OpenApi as Document, Ref, RefOr, ResponseBuilder, Type};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::guard::guard;
use crate::{
    Auth, Error, account, api_keys, health, login, members, records, refresh, register, renewal,
};

/// The headers that tell how much of the limit is left.
const LIMITS: [&str; 3] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Retry-After",
];

/// What is true of the API as a whole; the routes add themselves.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Pawl auth service",
        description = "Accounts, users, tokens and API keys. Called by back ends for their users, never by browsers: every route of `/api/v1/auth` takes an API key. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "tokens", description = "Register, log in, stay logged in, log out"),
        (name = "members", description = "Who may do what in an account, and who did"),
        (name = "api keys", description = "Keys of an account's back ends"),
        (name = "service", description = "What the service says about itself"),
    ),
    components(schemas(infra::http::problem::Problem)),
    modifiers(&Security),
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
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

/// The description as JSON, as `/openapi.json` serves it and docs/openapi-auth.json keeps it.
#[must_use]
pub fn document() -> String {
    let (_, document) = described().split_for_parts();
    // Strings, numbers and lists: there is always JSON of a document.
    let mut text = finished(document).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Everything that the service answers.
pub(crate) fn router(auth: Arc<Auth>) -> Router {
    let guarded = guarded().route_layer(middleware::from_fn_with_state(auth.clone(), guard));
    let (router, _) = guarded.merge(open()).split_for_parts();
    let text = Bytes::from(document());
    router
        .merge(infra::http::docs::pages())
        .route("/metrics", get(infra::metrics::page))
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text) }),
        )
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::NoMethod })
        .with_state(auth)
}

fn described() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(guarded())
        .merge(open())
}

/// The routes that take an API key and are limited.
fn guarded() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::logout))
        .routes(routes!(renewal::change))
        .routes(routes!(api_keys::create, api_keys::list))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(account::read, account::rename))
        .routes(routes!(records::list))
}

/// The routes for everybody.
fn open() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::jwks))
}

/// Adds what holds for every guarded route: the answers that any of them may give, and the headers of the limit.
fn finished(mut document: Document) -> Document {
    let headers = &mut document.components.get_or_insert_default().headers;
    headers.extend(LIMITS.map(|name| {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        (name.to_owned(), RefOr::T(Header::new(number.build())))
    }));
    for (path, item) in &mut document.paths.paths {
        if !path.starts_with("/api/") {
            continue;
        }
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let takes_body = operation.request_body.is_some();
            let mut common = vec![
                ("400", "Something of the request cannot be read"),
                (
                    "401",
                    "No valid API key, or no valid token where one is needed",
                ),
                ("429", "Too many requests from this client's address"),
                ("500", "A fault of ours"),
                ("503", "Not possible for the moment; see `Retry-After`"),
            ];
            if takes_body {
                common.extend([
                    ("408", "The body did not arrive in time"),
                    ("413", "The body is over 64 KiB"),
                    ("415", "The body is not `application/json`"),
                    ("422", "A field is missing, unknown, or not allowed"),
                ]);
            }
            let responses = &mut operation.responses.responses;
            for (status, description) in common {
                responses
                    .entry(status.to_owned())
                    .or_insert_with(|| problem(description));
            }
            for response in responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.headers.extend(LIMITS.map(|name| {
                        let target = format!("#/components/headers/{name}");
                        (name.to_owned(), RefOr::Ref(Ref::new(target)))
                    }));
                }
            }
        }
    }
    document
}

fn problem(description: &str) -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name("Problem");
    RefOr::T(
        ResponseBuilder::new()
            .description(description)
            .content(
                "application/problem+json",
                Content::new(Some(RefOr::Ref(schema))),
            )
            .build(),
    )
}
