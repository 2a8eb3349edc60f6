//! The stylesheet and the scripts, which are part of the program.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use crate::Core;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and content of every file.
const FILES: &[(&str, &str, &str)] = &[
    ("console.css", CSS, include_str!("../../assets/console.css")),
    (
        "console.js",
        SCRIPT,
        include_str!("../../assets/console.js"),
    ),
    (
        "htmx.js",
        SCRIPT,
        include_str!("../../assets/vendor/htmx-4.0.1.min.js"),
    ),
    (
        "favicon.svg",
        "image/svg+xml",
        include_str!("../../assets/favicon.svg"),
    ),
];

/// The routes of the files, compressed. Pages are not compressed: the length of one that holds a secret and text of
/// somebody else could reveal the secret.
pub(super) fn routes() -> Router<Core> {
    Router::new()
        .route("/assets/{name}", get(serve))
        .layer(CompressionLayer::new())
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", hex::encode(&authz::digest(text)[..8]));
    let known = headers.get(header::IF_NONE_MATCH);
    // A browser asks each time, and gets a body only after an update.
    let cache = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
    ];
    let is_known = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            known
                .split(',')
                .any(|it| it.trim().trim_start_matches("W/") == tag)
        });
    let mut response = if is_known {
        (StatusCode::NOT_MODIFIED, cache).into_response()
    } else {
        (cache, *text).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
