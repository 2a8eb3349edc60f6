//! The routes that every service has beside its own, and the answers where there is no route.

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::OpenApi;

use super::code::{METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND};
use super::docs;
use super::problem::Problem;

/// Adds to an API the routes that describe it (`/openapi.json`, `/docs`, `/docs/errors.md`) and the problems for routes
/// and methods that it does not have.
pub fn with_documents<S>(router: Router<S>, document: &OpenApi) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    // A document holds strings, numbers and lists, which always have JSON.
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let serve =
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) });
    let router = router.route("/openapi.json", serve).merge(docs::pages());
    with_problems(
        router,
        "There is no such route; /openapi.json lists all routes.",
    )
}

/// Adds the problems for routes and methods that a service does not have.
pub fn with_problems<S>(router: Router<S>, no_route: &'static str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router
        .fallback(async move || Problem::new(ROUTE_NOT_FOUND, no_route))
        .method_not_allowed_fallback(async || {
            Problem::new(
                METHOD_NOT_ALLOWED,
                "The header Allow names the methods of this route.",
            )
        })
}
