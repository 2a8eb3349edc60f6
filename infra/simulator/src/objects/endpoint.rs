//! Webhook endpoints: an address, the event types that are sent to it, and the secret that signs them.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::json;
use crate::objects::event;
use crate::objects::event::API_VERSION;
use crate::refusal::Refusal;
use crate::table::Row;

/// One endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) description: Option<String>,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) secret: String,
    pub(crate) url: String,
    #[serde(skip)]
    key: OnceLock<hmac::Key>,
}

impl Row for Arc<Endpoint> {
    const KIND: &'static str = "webhook_endpoint";

    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Endpoint {
    /// An endpoint at `url`, which must be plain `http`; without `secret` one is generated.
    pub(crate) fn new(
        url: &str,
        secret: Option<String>,
        enabled_events: Vec<String>,
        created: i64,
    ) -> Result<Self, Refusal> {
        let host = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next());
        if host.is_none_or(str::is_empty) || url.parse::<hyper::Uri>().is_err() {
            let message = format!("Invalid URL: {url} (the simulator delivers over plain http)");
            return Err(Refusal::parameter("url_invalid", "url", message));
        }
        if enabled_events.is_empty() {
            return Err(Refusal::parameter(
                "parameter_missing",
                "enabled_events",
                "Missing required param: enabled_events.",
            ));
        }
        Ok(Self {
            id: crate::id::new("we"),
            created,
            description: None,
            enabled_events,
            secret: secret.unwrap_or_else(|| crate::id::new("whsec")),
            url: url.to_owned(),
            key: OnceLock::new(),
        })
    }

    /// Whether events of this type are sent to it.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.enabled_events
            .iter()
            .any(|pattern| event::matches(pattern, kind))
    }

    /// The `Stripe-Signature` of `body` sent at `timestamp`: HMAC-SHA256 over `"{t}.{body}"`.
    pub(crate) fn signature(&self, timestamp: i64, body: &[u8]) -> String {
        let key = self
            .key
            .get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()));
        let mut context = hmac::Context::with_key(key);
        context.update(timestamp.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        format!("t={timestamp},v1={}", hex::encode(context.sign()))
    }

    /// The endpoint as Stripe shows it; the secret only in the answer that creates it.
    pub(crate) fn render(&self, with_secret: bool) -> Box<RawValue> {
        let mut shown = json!({
            "id": self.id, "object": "webhook_endpoint", "api_version": API_VERSION,
            "application": null, "created": self.created, "description": self.description,
            "enabled_events": self.enabled_events, "livemode": false, "metadata": {},
            "status": "enabled", "url": self.url,
        });
        if with_secret {
            shown["secret"] = self.secret.as_str().into();
        }
        json::render(&shown)
    }
}
