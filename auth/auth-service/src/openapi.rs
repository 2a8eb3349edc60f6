//! All routes, and their description (OpenAPI 3.1), which is made from them.

use std::sync::Arc;

use axum::{Router, middleware};
use infra::health::Readiness;
use infra::http::openapi::{Security, problems};
use infra::http::routes::with_documents;
use utoipa::OpenApi as _;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{Header, OpenApi as Document, Ref, RefOr, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::rate_limit::limit;
use crate::{
    Auth, SERVICE, account, api_keys, audit, change_password, jwks, login, members, refresh,
    register,
};

/// The headers that give the rest of the rate limit.
const LIMITS: [&str; 3] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Retry-After",
];

/// The description of the API as a whole; the routes add themselves.
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
        (name = "service", description = "The state of the service"),
    ),
    components(schemas(infra::http::problem::Problem)),
    modifiers(&Security),
)]
struct Description;

/// The description as JSON, as `/openapi.json` serves it and docs/openapi-auth.json keeps it.
#[must_use]
pub fn document() -> String {
    // A document holds strings, numbers and lists, which always have JSON.
    let mut text = finished().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// All routes.
pub(crate) fn router(auth: Arc<Auth>) -> Router {
    let limited = limited().route_layer(middleware::from_fn_with_state(auth.clone(), limit));
    let (router, _) = limited.merge(open()).split_for_parts();
    let router = router.merge(infra::health::routes(SERVICE, ready));
    with_documents(router, &finished()).with_state(auth)
}
/// The newest migration that this service needs: that of the roles.
const SCHEMA: i64 = 10;

/// Whether users can log in: that needs Postgres and a signing key.
async fn ready(auth: Arc<Auth>) -> Readiness {
    Readiness::new(SERVICE)
        .database(&auth.pool, SCHEMA)
        .await
        .requires("signing_key", auth.signing_keys.ready().await)
}

fn described() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(limited())
        .merge(open())
}

/// The routes that need an API key and have a rate limit.
fn limited() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::logout))
        .routes(routes!(change_password::change))
        .routes(routes!(api_keys::create, api_keys::list))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::change, members::remove))
        .routes(routes!(account::read, account::rename))
        .routes(routes!(audit::list))
}

/// The routes without an API key.
fn open() -> OpenApiRouter<Arc<Auth>> {
    OpenApiRouter::new().routes(routes!(jwks::jwks))
}

/// The document, with the problems that any limited route may answer, and the headers of the limit.
fn finished() -> Document {
    let mut document = described().into_openapi();
    let headers = &mut document.components.get_or_insert_default().headers;
    headers.extend(LIMITS.map(|name| {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0));
        (name.to_owned(), RefOr::T(Header::new(number.build())))
    }));
    let items = document.paths.paths.iter_mut();
    let limited = items.filter(|(path, _)| path.starts_with("/api/"));
    let operations = limited.flat_map(|(_, item)| {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        operations.into_iter().flatten()
    });
    for operation in operations {
        let mut common = problems(&[400, 401, 429, 500, 503]);
        if operation.request_body.is_some() {
            common.extend(problems(&[408, 413, 415, 422]));
        }
        let responses = &mut operation.responses.responses;
        for (status, problem) in common {
            responses.entry(status).or_insert(problem);
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
    let requires = "Users can log in while Postgres answers and there is a signing key.";
    infra::health::describe(&mut document, SERVICE, requires);
    document
}
