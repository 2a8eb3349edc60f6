//! The transport: one request, its limits, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use workflows::payment::Call;
use workflows::stripe::{Intent, StripeError};

use super::breaker::{Breaker, Health, Paused, State};
use super::class::{Class, Refusal, classify};
use super::failure::{Answered, Failure};
use super::params::{Form, IdempotencyKey};

/// The version of Stripe's API that the types of this crate were written for.
pub const VERSION: &str = "2026-01-28.clover";

/// A longer body is not read to its end: no answer that we ask for is.
const LONGEST_BODY: usize = 2 << 20;

/// Of a message that comes from outside, no more than this is kept.
const LONGEST_MESSAGE: usize = 500;

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How to reach the processor.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `https://api.stripe.com`, or where the simulator listens.
    pub base: String,
    /// The secret key.
    pub api_key: SecretString,
    /// How long one call may take, from connecting to the last byte.
    pub timeout: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How many calls may be in the air at the same moment.
    pub concurrency: usize,
}

impl ClientConfig {
    /// 30 s for a call, 5 s of it for connecting, 64 calls at once.
    #[must_use]
    pub fn new(base: impl Into<String>, api_key: SecretString) -> Self {
        Self {
            base: base.into(),
            api_key,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            concurrency: 64,
        }
    }
}

/// A configuration with which no call could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base is no absolute `http` or `https` address.
    #[error("STRIPE_API_BASE must be an http:// or https:// address")]
    Base,
    /// The key cannot stand in a header.
    #[error("STRIPE_API_KEY has characters that no key has")]
    Key(#[from] InvalidHeaderValue),
    /// No certificate store, or the like.
    #[error("the HTTP client cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// Calls Stripe. Cheap to clone; all clones share the connections, the limit and the circuit breaker.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: String,
    permits: Semaphore,
    breaker: Breaker,
}

impl Client {
    /// Prepares the connection pool; connects to nothing yet.
    ///
    /// # Errors
    /// [`ClientError`] if the configuration can never work.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let base = config.base.trim_end_matches('/').to_owned();
        let plain = base.starts_with("http://");
        if !plain && !base.starts_with("https://") {
            return Err(ClientError::Base);
        }
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", config.api_key.expose_secret()))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (STRIPE_VERSION, HeaderValue::from_static(VERSION)),
        ]);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("pawl/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .timeout(config.timeout)
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(config.concurrency)
            .tcp_nodelay(true)
            .http1_only()
            .redirect(redirect::Policy::none());
        if plain {
            // The simulator: on this machine, so neither a proxy nor the system's certificates are of use.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                http: builder.build()?,
                base,
                permits: Semaphore::new(config.concurrency),
                breaker: Breaker::new(Instant::now()),
            }),
        })
    }

    /// Says whether a call would go out now; workers take no jobs before the moment it names.
    ///
    /// # Errors
    /// [`Paused`] while the circuit breaker is open.
    pub fn ready(&self) -> Result<(), Paused> {
        self.inner.breaker.ready(Instant::now())
    }

    /// The state of the circuit breaker, for health and metrics.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.breaker.state(Instant::now())
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        call: Call,
        path: &str,
        form: &Form,
        key: &IdempotencyKey,
    ) -> Result<Answered<T>, Failure> {
        let request = self
            .inner
            .http
            .post(format!("{}{path}", self.inner.base))
            .header(IDEMPOTENCY_KEY, key.as_str())
            .form(form.pairs());
        self.send(Some(call), request).await
    }

    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Form,
    ) -> Result<Answered<T>, Failure> {
        let request = self
            .inner
            .http
            .get(format!("{}{path}", self.inner.base))
            .query(query.pairs());
        self.send(None, request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        call: Option<Call>,
        request: RequestBuilder,
    ) -> Result<Answered<T>, Failure> {
        let Ok(_permit) = self.inner.permits.acquire().await else {
            return Err(Failure::unsent(Class::Retry, "the client is closed"));
        };
        let now = Instant::now();
        let pass = self.inner.breaker.admit(now).map_err(|paused| Failure {
            retry_after: Some(paused.until.saturating_duration_since(now)),
            ..Failure::unsent(Class::Retry, "not sent: the circuit breaker is open")
        })?;
        let (outcome, health) = match request.send().await {
            Ok(response) => {
                let answer = Answer::read(response).await;
                let health = answer.health();
                (answer.meaning(call), health)
            }
            Err(error) => {
                let health = health_of(&error);
                (Err(transport_failure(call, error)), health)
            }
        };
        pass.report(health, Instant::now());
        outcome
    }
}

/// An answer whose body is complete, or known not to be.
struct Answer {
    status: StatusCode,
    should_retry: Option<bool>,
    replayed: bool,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body: Result<Vec<u8>, Cut>,
}

/// Why a body could not be read to its end.
enum Cut {
    TooLong,
    Broken { timeout: bool },
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    #[serde(flatten)]
    error: StripeError,
    #[serde(default)]
    payment_intent: Option<serde_json::Value>,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let text = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        Self {
            status: response.status(),
            should_retry: text("stripe-should-retry").and_then(|value| value.parse().ok()),
            replayed: text("idempotent-replayed") == Some("true"),
            request_id: text("request-id").map(str::to_owned),
            retry_after: text("retry-after")
                .and_then(|value| value.parse().ok())
                .map(Duration::from_secs),
            body: body(response).await,
        }
    }

    fn health(&self) -> Health {
        let ill = self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error();
        match &self.body {
            _ if self.replayed => Health::Unclear,
            _ if ill => Health::Ill {
                retry_after: self.retry_after,
            },
            Err(Cut::Broken { timeout: true }) => Health::Ill { retry_after: None },
            Err(_) => Health::Unclear,
            Ok(_) => Health::Well,
        }
    }

    fn meaning<T: DeserializeOwned>(self, call: Option<Call>) -> Result<Answered<T>, Failure> {
        let bytes = match &self.body {
            Ok(bytes) => bytes.as_slice(),
            Err(cut) => {
                let message = cut.message();
                return Err(self.failure(call, None, message));
            }
        };
        if self.status.is_success() {
            return match serde_json::from_slice(bytes) {
                Ok(object) => Ok(Answered {
                    object,
                    request_id: self.request_id,
                    replayed: self.replayed,
                }),
                Err(error) => {
                    let message = format!("a success with an unreadable body: {error}");
                    Err(self.failure(call, None, &message))
                }
            };
        }
        match serde_json::from_slice::<ErrorBody>(bytes) {
            Ok(ErrorBody { error }) => {
                let message = error.error.message.clone();
                let message = message
                    .as_deref()
                    .unwrap_or("Stripe refused without a message");
                Err(self.failure(call, Some(error), message))
            }
            Err(error) => {
                let message = format!("a refusal with an unreadable body: {error}");
                Err(self.failure(call, None, &message))
            }
        }
    }

    fn failure(&self, call: Option<Call>, object: Option<ErrorObject>, message: &str) -> Failure {
        let (error, intent) = match object {
            Some(object) => (Some(Box::new(object.error)), object.payment_intent),
            None => (None, None),
        };
        let class = classify(
            call,
            &Refusal {
                status: self.status.as_u16(),
                should_retry: self.should_retry,
                replayed: self.replayed,
                error: error.as_deref(),
            },
        );
        Failure {
            class,
            status: Some(self.status.as_u16()),
            error,
            intent: intent
                .and_then(|value| serde_json::from_value::<Intent>(value).ok())
                .map(Box::new),
            request_id: self.request_id.clone(),
            retry_after: self.retry_after,
            replayed: self.replayed,
            sent: true,
            message: message.chars().take(LONGEST_MESSAGE).collect(),
        }
    }
}

impl Cut {
    fn message(&self) -> &'static str {
        match self {
            Self::TooLong => "an answer longer than 2 MiB",
            Self::Broken { timeout: true } => "no complete answer in time",
            Self::Broken { timeout: false } => "the connection broke inside the answer",
        }
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > LONGEST_BODY => {
                return Err(Cut::TooLong);
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                return Err(Cut::Broken {
                    timeout: error.is_timeout(),
                });
            }
        }
    }
}

fn health_of(error: &reqwest::Error) -> Health {
    if error.is_connect() || error.is_timeout() {
        Health::Ill { retry_after: None }
    } else {
        Health::Unclear
    }
}

/// A call without any answer. Only a failure to connect proves that nothing was sent.
fn transport_failure(call: Option<Call>, error: reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::unsent(Class::Impossible, "the request cannot be built");
    }
    if error.is_connect() {
        let message = format!("no connection to Stripe: {}", causes(error));
        return Failure::unsent(Class::Retry, message);
    }
    let class = if call.is_some() {
        Class::Unknown
    } else {
        Class::Retry
    };
    let message = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        format!("the connection broke before an answer: {}", causes(error))
    };
    Failure {
        sent: true,
        ..Failure::unsent(class, message)
    }
}

/// The innermost cause, without the address: it is the one that says what happened.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
