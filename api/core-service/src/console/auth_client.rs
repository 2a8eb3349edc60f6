//! The auth service as the console calls it: for a person who logs in, and in a person's name.

use std::net::IpAddr;
use std::time::Duration;

use infra::env::{ExposeSecret, SecretString};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ConsoleConfig;

/// How long the auth service may take: a password is hashed on purpose slowly.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tokens of a session.
#[derive(Clone, Deserialize)]
pub(super) struct Tokens {
    pub(super) token: String,
    pub(super) refresh_token: String,
    /// Seconds.
    pub(super) expires_in: i64,
    /// Seconds.
    pub(super) refresh_expires_in: i64,
}

/// Why the auth service gave no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum AuthError {
    /// It refused what the person sent.
    #[error("{0}")]
    Refused(String),
    /// It asks for a pause.
    #[error("Too many tries from this address. Wait a minute, then try again.")]
    TooMany,
    /// It does not answer, or does not accept the console's key.
    #[error("{0}")]
    Unavailable(String),
}

/// A client of the auth service. Cheap to clone.
#[derive(Clone)]
pub(super) struct AuthClient {
    http: Client,
    url: String,
    api_key: Option<SecretString>,
}

impl AuthClient {
    pub(super) fn new(config: ConsoleConfig) -> anyhow::Result<Self> {
        let http = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self {
            http,
            url: config.auth_url,
            api_key: config.api_key,
        })
    }

    /// Opens a session.
    pub(super) async fn log_in(
        &self,
        email: &str,
        password: &str,
        ip: Option<IpAddr>,
    ) -> Result<Tokens, AuthError> {
        let body = json!({"email": email, "password": password});
        let answer = self.post("/api/v1/auth/login", &body, ip).await?;
        parsed(answer)
    }

    /// Continues a session.
    pub(super) async fn refresh(
        &self,
        refresh_token: &str,
        ip: Option<IpAddr>,
    ) -> Result<Tokens, AuthError> {
        let body = json!({"refresh_token": refresh_token});
        let answer = self.post("/api/v1/auth/refresh", &body, ip).await?;
        parsed(answer)
    }

    /// Ends a session.
    pub(super) async fn log_out(
        &self,
        refresh_token: &str,
        ip: Option<IpAddr>,
    ) -> Result<(), AuthError> {
        let body = json!({"refresh_token": refresh_token});
        self.post("/api/v1/auth/logout", &body, ip).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value, ip: Option<IpAddr>) -> Result<Value, AuthError> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        self.send(request, ip).await
    }

    async fn send(&self, request: RequestBuilder, ip: Option<IpAddr>) -> Result<Value, AuthError> {
        let Some(key) = &self.api_key else {
            let detail = "The console has no API key of the auth service: set CONSOLE_API_KEY and restart core-service.";
            return Err(AuthError::Unavailable(detail.to_owned()));
        };
        let mut request = request.header("X-API-Key", key.expose_secret());
        if let Some(ip) = ip {
            // The auth service counts tries by the person's address.
            request = request.header("X-Real-IP", ip.to_string());
        }
        let answer = request.send().await.map_err(|error| {
            tracing::error!(%error, "the auth service does not answer; the page says so");
            AuthError::Unavailable(
                "The auth service does not answer. Try again in a moment.".to_owned(),
            )
        })?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        Err(refused(status, &body))
    }
}

fn parsed(answer: Value) -> Result<Tokens, AuthError> {
    serde_json::from_value(answer).map_err(|_| {
        AuthError::Unavailable("The auth service gave an answer that is no session.".to_owned())
    })
}

fn refused(status: StatusCode, body: &Value) -> AuthError {
    let detail = body["detail"].as_str().unwrap_or_default().to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS => AuthError::TooMany,
        _ if body["code"] == "invalid_api_key" || status.is_server_error() => {
            tracing::error!(
                %status,
                detail,
                "the auth service refuses the console; the page says so: check CONSOLE_API_KEY"
            );
            AuthError::Unavailable(
                "The auth service cannot be used now. Try again in a moment.".to_owned(),
            )
        }
        _ => AuthError::Refused(detail),
    }
}
