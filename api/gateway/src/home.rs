//! The page at `/`: where everything is.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::response::Html;
use infra::Env;

/// What the page links besides the gateway's own routes.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Where browsers find the core service: `CONSOLE_URL`.
    pub console: Option<String>,
    /// Where browsers find a demonstration shop: `SHOP_URL`.
    pub shop: Option<String>,
}

impl Links {
    /// Reads the environment; faults are collected in `env`.
    pub fn from_env(env: &Env) -> Self {
        Self {
            console: env.optional("CONSOLE_URL"),
            shop: env.optional("SHOP_URL"),
        }
    }
}

/// The page, which never changes while the process runs.
pub(crate) fn page(links: &Links) -> Html<Bytes> {
    let mut rows = String::new();
    let mut row = |address: &str, text: &str| {
        let address = escaped(address);
        let _ = writeln!(rows, "<li><a href=\"{address}\">{address}</a>: {text}</li>");
    };
    if cfg!(feature = "swagger") {
        row("/docs", "the API, to read and to try");
    }
    row("/openapi.json", "its description for programs");
    row("/docs/errors.md", "every error code, and what to do");
    row("/readyz", "whether this gateway accepts payments");
    if let Some(shop) = &links.shop {
        row(shop, "a demonstration shop that pays here");
    }
    if let Some(console) = &links.console {
        row(
            console,
            "the operator console: every payment, job and webhook",
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    Html(Bytes::from(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Pawl</title></head>\n\
         <body>\n<h1>Pawl {version}</h1>\n<p>This is the gateway: the API of merchants under <code>/api/v1</code>, and the endpoint of Stripe's webhooks.</p>\n\
         <ul>\n{rows}</ul>\n\
         <p>The documents are in <code>docs/</code> of the source: <code>integrating.md</code> leads to a first payment, <code>concepts.md</code> defines every word of the API, <code>troubleshooting.md</code> helps when something does not work.</p>\n\
         </body>\n</html>\n"
    )))
}

/// The text with the characters that HTML reserves written as references.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
