//! Webhook endpoints: who is told what, and the secret its messages are signed with.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::event::API_VERSION;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::store::{Call, Store};
use crate::table::Row;
use crate::{event, table};

/// Parameters of `POST /v1/webhook_endpoints`.
pub(crate) const CREATE: &[&str] = &[
    "url",
    "enabled_events",
    "description",
    "metadata",
    "api_version",
    "connect",
    "expand",
];
/// Parameters of `GET /v1/webhook_endpoints`.
pub(crate) const LIST: &[&str] = &["limit", "starting_after", "ending_before", "expand"];

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
    /// An endpoint at `url`, which must be plain `http`; a secret is made when none is given.
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

    /// Whether events of this type are sent here.
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

    /// The endpoint as Stripe shows it; the secret only when it was just made.
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
        table::json(&shown)
    }
}

/// `POST /v1/webhook_endpoints`.
pub(crate) fn create(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let url = call.form.required("url")?;
    let enabled = call
        .form
        .list("enabled_events")
        .map(str::to_owned)
        .collect();
    let mut endpoint = Endpoint::new(url, None, enabled, call.now)?;
    endpoint.description = call.form.owned("description");
    let shown = endpoint.render(true);
    store.endpoints.insert(Arc::new(endpoint));
    Ok(shown)
}

/// `GET /v1/webhook_endpoints/{id}`.
pub(crate) fn retrieve(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let endpoint = store.endpoints.existing(call.id, "webhook_endpoint")?;
    Ok(endpoint.render(false))
}

/// `GET /v1/webhook_endpoints`.
pub(crate) fn list(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    let form: &Form = call.form;
    let page = table::page(store.endpoints.iter().rev(), form, |id| {
        store.endpoints.find(id).is_some()
    })?;
    Ok(page.render("/v1/webhook_endpoints", |endpoint| endpoint.render(false)))
}

/// `DELETE /v1/webhook_endpoints/{id}`.
pub(crate) fn delete(store: &mut Store, call: &Call<'_>) -> Result<Box<RawValue>, Refusal> {
    store.endpoints.existing(call.id, "webhook_endpoint")?;
    store.endpoints.remove(call.id);
    Ok(table::json(
        &json!({"id": call.id, "object": "webhook_endpoint", "deleted": true}),
    ))
}

/// Registers an endpoint whose secret the caller knows already, in place of one with the same URL.
pub(crate) fn register(store: &mut Store, endpoint: Endpoint) -> Box<RawValue> {
    let older = store
        .endpoints
        .iter()
        .find(|known| known.url == endpoint.url);
    if let Some(id) = older.map(|known| known.id.clone()) {
        store.endpoints.remove(&id);
    }
    let shown = endpoint.render(true);
    store.endpoints.insert(Arc::new(endpoint));
    shown
}
