//! The description of the API, made from the routes themselves (version 3.1).

use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

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
    modifiers(&Security),
)]
pub(crate) struct Document;

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
