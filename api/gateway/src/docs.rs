//! What people read here: the API's description in a browser, and what the codes of problems mean.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Response,
    routing::get,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::Gateway;

/// The codes of problems, explained: where the `type` of a problem leads.
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// The page's scripts and styles come from here and nowhere else. It writes style attributes, hence the exception.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; frame-ancestors 'none'";

/// `/docs` and `/docs/errors.md`.
pub(crate) fn routes() -> Router<Gateway> {
    let page: Router<Gateway> = SwaggerUi::new("/docs")
        .config(Config::from("/openapi.json"))
        .into();
    let errors = || async {
        (
            [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
            ERRORS,
        )
    };
    page.layer(axum::middleware::map_response(
        |mut response: Response| async {
            let policy = HeaderValue::from_static(POLICY);
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        },
    ))
    .route("/docs/errors.md", get(errors))
}
