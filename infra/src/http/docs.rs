//! The pages of a service that people read: its OpenAPI document in a browser, and the codes of problems explained.

use axum::Router;
use axum::http::header;
use axum::routing::get;

/// Explains the codes of problems: where the `type` of a problem leads.
pub(super) const ERRORS: &str = include_str!("../../../docs/errors.md");

/// `/docs/errors.md`, and with the feature `swagger` also `/docs`, which shows the service's own `/openapi.json`.
pub fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let kind = (header::CONTENT_TYPE, "text/markdown; charset=utf-8");
    let errors = get(async move || ([kind], ERRORS));
    let pages = Router::new().route("/docs/errors.md", errors);
    #[cfg(feature = "swagger")]
    let pages = pages.merge(swagger::page());
    pages
}

#[cfg(feature = "swagger")]
mod swagger {
    use axum::extract::Request;
    use axum::http::{HeaderValue, header};
    use axum::middleware::Next;
    use axum::response::Response;
    use axum::{Router, middleware};
    use utoipa_swagger_ui::{Config, SwaggerUi};

    /// Allows the page's own scripts and styles, and nothing from another host. (The page sets the style of single
    /// elements.)
    const POLICY: HeaderValue = HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    );

    /// Swagger UI at `/docs`. All its files are in this program.
    pub(super) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
        // By default the page asks a public host to validate the document.
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
    }
}
