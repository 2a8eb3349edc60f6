//! One call to a merchant's endpoint, signed as Standard Webhooks says.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use contracts::id::DeliveryId;
use contracts::webhook::Message;
use infra::storable;
use reqwest::{Response, StatusCode, header, redirect};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::address::{AddressError, Guard, Reach};
use super::schedule::read_retry_after;
use crate::store::delivery::{Target, Try};

/// How much of an answer is read, and how much of it is stored.
const READ_BYTES: usize = 4096;
const KEPT_CHARACTERS: usize = 500;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Connections that are kept open to one host.
const IDLE: usize = 4;

/// How merchants' endpoints are called.
#[derive(Clone)]
pub struct Config {
    /// Which addresses may be called.
    pub guard: Guard,
    /// How long one call may last. Shorter than the lease of a job.
    pub timeout: Duration,
}

/// The meaning of the answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 2xx: the merchant has it.
    Accepted,
    /// 410: the endpoint wants no more deliveries.
    Gone,
    /// Any other answer, also a redirect, or none.
    Failed,
}

/// A call that was made, and its verdict.
pub(super) struct Sent {
    pub(super) verdict: Verdict,
    /// The pause until the next try that the receiver asked for.
    pub(super) retry_after: Option<Duration>,
    pub(super) call: Try,
}

/// The HTTP client that calls endpoints could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks cannot be built (are the system's certificates there?): {0}")]
pub struct CallerError(#[from] reqwest::Error);

/// Calls endpoints.
pub(super) struct Caller {
    http: reqwest::Client,
    guard: Guard,
    timeout: Duration,
}

impl Caller {
    pub(super) fn new(config: Config) -> Result<Self, CallerError> {
        let Config { guard, timeout } = config;
        let build = |certificates: bool| {
            let builder = reqwest::Client::builder()
                .user_agent("Pawl")
                .timeout(timeout)
                .connect_timeout(CONNECT.min(timeout))
                .pool_max_idle_per_host(IDLE)
                // The address to which a redirect or a proxy leads was not checked.
                .redirect(redirect::Policy::none())
                .no_proxy()
                .dns_resolver(Arc::new(guard.clone()));
            if certificates {
                builder.build()
            } else {
                builder.tls_certs_only([]).build()
            }
        };
        let http = match build(true) {
            // A developer's machine may have no certificates, and needs none to call itself.
            Err(_) if guard.reach() == Reach::Anywhere => build(false),
            made => made,
        }?;
        Ok(Self {
            http,
            guard,
            timeout,
        })
    }

    /// Sends an event once. It never fails: an error is part of the try.
    pub(super) async fn send(&self, delivery: Uuid, target: &Target, message: &Message) -> Sent {
        let started_at = OffsetDateTime::now_utc();
        let began = Instant::now();
        let answered = self.call(delivery, target, message, started_at).await;
        let retry_after = answered.as_ref().ok().and_then(retry_after);
        let (verdict, code, error, response_body) = match answered {
            Ok(response) => {
                let status = response.status();
                let verdict = match status {
                    status if status.is_success() => Verdict::Accepted,
                    StatusCode::GONE => Verdict::Gone,
                    _ => Verdict::Failed,
                };
                let error = (verdict != Verdict::Accepted).then(|| format!("it answered {status}"));
                let code = i32::from(status.as_u16());
                (verdict, Some(code), error, beginning(response).await)
            }
            Err(error) => (Verdict::Failed, None, Some(error), None),
        };
        let call = Try {
            started_at,
            duration_ms: i32::try_from(began.elapsed().as_millis()).unwrap_or(i32::MAX),
            code,
            error,
            response_body,
        };
        Sent {
            verdict,
            retry_after,
            call,
        }
    }

    async fn call(
        &self,
        delivery: Uuid,
        target: &Target,
        message: &Message,
        now: OffsetDateTime,
    ) -> Result<Response, String> {
        // A host that is an IP address never reaches the resolver, and the rules may have changed since it was saved.
        let address = self
            .guard
            .read(&target.url)
            .map_err(|error| error.to_string())?;
        let id = DeliveryId::from_uuid(delivery).to_string();
        let body = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        let timestamp = now.unix_timestamp();
        let signatures = sign(&target.secrets, &id, timestamp, &body)?;
        let request = self
            .http
            .post(address.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, timestamp)
            .header(HEADER_WEBHOOK_SIGNATURE, signatures)
            .body(body);
        let answered = request.send().await;
        answered.map_err(|error| self.explain(&error))
    }

    /// The error of a call without an answer, as its merchant may see it.
    fn explain(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {} s", self.timeout.as_secs());
        }
        let mut cause: &dyn StdError = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
            if let Some(address) = cause.downcast_ref::<AddressError>() {
                return address.to_string();
            }
        }
        let cause: String = cause.to_string().chars().take(KEPT_CHARACTERS).collect();
        if error.is_connect() {
            format!("it cannot be reached: {cause}")
        } else {
            format!("the connection broke: {cause}")
        }
    }
}

/// One signature for each secret, the newest first. Empty secrets are left out: the crate would sign with them, and
/// anybody could.
fn sign(secrets: &[Vec<u8>], id: &str, timestamp: i64, body: &[u8]) -> Result<String, String> {
    let signatures: Result<Vec<String>, _> = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .map(|secret| Webhook::from_bytes(secret.clone())?.sign(id, timestamp, body))
        .collect();
    match signatures {
        Ok(signatures) if !signatures.is_empty() => Ok(signatures.join(" ")),
        Ok(_) => Err("the endpoint has no secret: rotate it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The pause that a receiver asks for which takes no deliveries for the moment: 429 or 503 with `Retry-After`.
fn retry_after(response: &Response) -> Option<Duration> {
    let status = response.status();
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let value = response.headers().get(header::RETRY_AFTER)?;
    read_retry_after(value.to_str().ok()?, SystemTime::now())
}

/// The beginning of an answer as text that can be stored; `None` if it has no body.
async fn beginning(mut response: Response) -> Option<String> {
    let mut read = Vec::new();
    while read.len() < READ_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read.extend_from_slice(&chunk[..chunk.len().min(READ_BYTES - read.len())]);
    }
    let text: String = storable::text(&read)
        .chars()
        .take(KEPT_CHARACTERS)
        .collect();
    (!text.is_empty()).then_some(text)
}
