//! What people read at a service: its description in a browser, and what the codes of problems mean.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The codes of problems, explained: where the `type` of a problem leads.
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// Scripts and styles of the page itself, and nothing from anywhere else. (It sets the style of single elements.)
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
);

/// `/docs`, which shows the service's own `/openapi.json`, and `/docs/errors.md`. All its files are in this program.
pub fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // The page would otherwise ask a host outside what it thinks of the document.
    let config = Config::from("/openapi.json").validator_url("none");
    let page: Router<S> = SwaggerUi::new("/docs").config(config).into();
    page.layer(middleware::from_fn(
        async |request: Request, next: Next| -> Response {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
            response
        },
    ))
    .merge(errors())
}

/// `/docs/errors.md` alone.
pub fn errors<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let kind = (header::CONTENT_TYPE, "text/markdown; charset=utf-8");
    Router::new().route("/docs/errors.md", get(async move || ([kind], ERRORS)))
}
