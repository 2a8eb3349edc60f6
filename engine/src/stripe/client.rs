//! The transport: one request, with its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::{RequestBuilder, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tracing::Instrument;
use workflows::payment::Call;

use super::answer::{Answer, health_of, transport_failure};
use super::breaker::{Breaker, Paused, State};
use super::class::Class;
use super::failure::{Answered, Failure};
use super::params::{Form, IdempotencyKey};
use super::watch::Watch;

/// The version of Stripe's API that the types of this crate were written for.
pub const VERSION: &str = "2026-01-28.clover";

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
            .get(format!("{}{path}", self.inner.base))
            .query(query.pairs());
        self.send(name, None, request).await
    }

    /// Sends a request, which is counted and traced as `name`.
    async fn send<T: DeserializeOwned>(
        &self,
        name: &'static str,
        call: Option<Call>,
        request: RequestBuilder,
    ) -> Result<Answered<T>, Failure> {
        let watch = Watch::start(name);
        let answer = self.exchange(call, request);
        let outcome = answer.instrument(watch.span()).await;
        watch.end(&outcome);
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
