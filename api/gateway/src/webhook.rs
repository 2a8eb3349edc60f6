//! `POST /webhooks/stripe`: an event is acknowledged when its row is committed, never before. It is applied to its payment
//! afterwards.

use axum::body::Body;
use axum::extract::State;
use time::OffsetDateTime;

use crate::error::Error;
use crate::extract::StripeSignature;
use crate::{Gateway, openapi};

/// The path of Stripe's events, whose bodies may have 1 MiB: a dispute's evidence alone has up to 150 KB.
pub(crate) const PATH: &str = "/webhooks/stripe";

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
    body: Body,
) -> Result<(), Error> {
    let body = gateway.long_bodies.read(body).await?;
    let signature = signature.as_ref().and_then(|value| value.to_str().ok());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let webhook = gateway
        .stripe
        .accept(&body.bytes, signature.unwrap_or_default(), now)?;
    gateway.engine.receive(webhook).await?;
    Ok(())
}
