//! The HTTP client: sends one request, within the concurrency limit and the circuit breaker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::{RequestBuilder, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tracing::Instrument;
use workflows::payment::Call;

use super::answer::{Answer, transport_failure, transport_health};
use super::breaker::{Breaker, Paused, State};
use super::call_metrics::CallMetrics;
use super::class::Class;
use super::connections::Connections;
use super::failure::{Answered, Failure};
use super::params::{Form, IdempotencyKey};

/// The version of Stripe's API that the types of this crate were written for.
pub const VERSION: &str = "2026-01-28.clover";

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How to reach Stripe.
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
    /// How many calls may be in flight at once.
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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base is not an absolute `http` or `https` address.
    #[error("STRIPE_API_BASE must be an http:// or https:// address")]
    Base,
    /// The key cannot be sent in a header.
    #[error("STRIPE_API_KEY has characters that no key has")]
    Key(#[from] InvalidHeaderValue),
    /// The HTTP client cannot be built: there is no certificate store, for example.
    #[error("the HTTP client cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// Calls Stripe. Cheap to clone; all clones share the connections, the concurrency limit and the circuit breaker.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: Connections,
    base: String,
    permits: Semaphore,
    breaker: Breaker,
}

impl Client {
    /// Prepares the connection pool; connects to nothing yet.
    ///
    /// # Errors
    /// [`ClientError`] if the configuration cannot be used.
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
        let (config, concurrency) = (config.clone(), config.concurrency);
        let builder = move || {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("pawl/", env!("CARGO_PKG_VERSION")))
                .default_headers(headers.clone())
                .timeout(config.timeout)
                .connect_timeout(config.connect_timeout)
                .pool_max_idle_per_host(config.concurrency)
                .tcp_nodelay(true)
                .http1_only()
                .redirect(redirect::Policy::none());
            if plain {
                // The simulator runs on this machine: neither a proxy nor the system's certificates are needed.
                builder.no_proxy().tls_certs_only([])
            } else {
                builder
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                http: Connections::new(builder)?,
                base,
                permits: Semaphore::new(concurrency),
                breaker: Breaker::new(Instant::now()),
            }),
        })
    }

    /// Checks whether a call would be sent now; otherwise jobs wait until the moment in the error.
    ///
    /// # Errors
    /// [`Paused`] while the circuit breaker is open.
    pub fn ready(&self) -> Result<(), Paused> {
        self.inner.breaker.ready(Instant::now())
    }

    /// The state of the circuit breaker.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.breaker.state(Instant::now())
    }

    fn why_paused(&self) -> &'static str {
        if self.key_refused() {
            "not sent: Stripe refuses the key in STRIPE_API_KEY; the call waits until the key is right"
        } else {
            "not sent: the circuit breaker is open"
        }
    }

    /// Whether Stripe refuses the API key, so that all calls wait until it is right.
    #[must_use]
    pub fn key_refused(&self) -> bool {
        self.inner.breaker.key_refused()
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
            .now()
            .post(format!("{}{path}", self.inner.base))
            .header(IDEMPOTENCY_KEY, key.as_str())
            .form(form.pairs());
        self.send(call.as_str(), Some(call), request).await
    }

    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        name: &'static str,
        path: &str,
        query: &Form,
    ) -> Result<Answered<T>, Failure> {
        let request = self
            .inner
            .http
            .now()
            .get(format!("{}{path}", self.inner.base))
            .query(query.pairs());
        self.send(name, None, request).await
    }

    /// Sends a request, with metrics and a trace span under `name`.
    async fn send<T: DeserializeOwned>(
        &self,
        name: &'static str,
        call: Option<Call>,
        request: RequestBuilder,
    ) -> Result<Answered<T>, Failure> {
        let metrics = CallMetrics::start(name, call.is_some());
        let answer = self.exchange(call, request);
        let outcome = answer.instrument(metrics.span()).await;
        metrics.record(&outcome);
        outcome
    }

    async fn exchange<T: DeserializeOwned>(
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
            ..Failure::unsent(Class::Retry, self.why_paused())
        })?;
        let (outcome, health) = match self.inner.http.send(request).await {
            Ok(response) => {
                let answer = Answer::read(response).await;
                if answer.timed_out() {
                    self.inner.http.replace(now);
                }
                let health = answer.health();
                (answer.interpret(call), health)
            }
            Err(error) => {
                if error.is_timeout() {
                    self.inner.http.replace(now);
                }
                let health = transport_health(&error);
                (Err(transport_failure(call, error)), health)
            }
        };
        pass.report(health, Instant::now());
        outcome
    }
}
