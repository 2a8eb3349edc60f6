//! `POST /webhooks/stripe`: an event is acknowledged when its row is committed, never before. It is applied to its payment
//! afterwards.

use axum::extract::State;
use infra::http::body::RawBody;
use time::OffsetDateTime;

use crate::error::Error;
use crate::extract::StripeSignature;
use crate::{Gateway, openapi};

/// Stripe's events.
///
/// Signed by Stripe over the raw body. 200 once it is durable, whatever it holds.
#[utoipa::path(
    post,
    path = "/webhooks/stripe",
    tag = "webhooks",
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…`")),
    request_body(content = serde_json::Value, description = "An event, as Stripe signs it"),
    responses(
        (status = 200, description = "The event is durable"),
        openapi::OfWebhooks,
    ),
)]
pub(crate) async fn stripe(
    State(gateway): State<Gateway>,
    StripeSignature(signature): StripeSignature,
    RawBody(body): RawBody,
) -> Result<(), Error> {
    let signature = signature.as_ref().and_then(|value| value.to_str().ok());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let webhook = gateway
        .stripe
        .accept(&body, signature.unwrap_or_default(), now)?;
    gateway.engine.receive(webhook).await?;
    Ok(())
}
