//! A client of the deployment: it has an address of its own, and registers fresh users where a case needs them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::signature::Ed25519KeyPair;
use infra::env::ExposeSecret as _;
use rand::Rng as _;
use rand::distr::{Alphanumeric, SampleString as _};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::answer::Answer;
use super::seen::Skip;
use super::target::Target;

/// No answer may take longer, except where a case waits for a time-out.
const PATIENCE: Duration = Duration::from_secs(40);
/// The longest wait for a rate limit, in seconds.
const LONGEST_LIMIT: u64 = 65;

/// An address of 198.18.0.0/15, which is reserved (RFC 2544): the address that a back end gives for its own user.
fn benchmark_address() -> Ipv4Addr {
    let mut random = rand::rng();
    Ipv4Addr::new(
        198,
        random.random_range(18..20),
        random.random(),
        random.random_range(1..255),
    )
}

/// A client with an address of its own.
pub(super) struct Visitor<'a> {
    pub(super) target: &'a Target,
    http: Client,
    source: Option<Ipv4Addr>,
    /// The address of the end user, which it sends to the auth service.
    address: Ipv4Addr,
}

/// A throw-away user who has logged in.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) email: String,
    pub(super) password: String,
    pub(super) token: String,
    pub(super) refresh: String,
}

impl<'a> Visitor<'a> {
    /// A visitor whom no rate limit has counted yet, as far as that is possible.
    pub(super) fn new(target: &'a Target) -> Result<Visitor<'a>> {
        Visitor::from_source(target, target.fresh_source())
    }

    /// A visitor from the address of the proxy that the gateway trusts.
    pub(super) fn proxy(target: &'a Target) -> Result<Visitor<'a>> {
        let proxy = target.proxy.ok_or(Skip(
            "needs an address that the gateway trusts: --proxy-from",
        ))?;
        Visitor::from_source(target, Some(proxy))
    }

    fn from_source(target: &'a Target, source: Option<Ipv4Addr>) -> Result<Visitor<'a>> {
        let http = Client::builder()
            .no_proxy()
            .local_address(source.map(IpAddr::V4))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Visitor {
            target,
            http,
            source,
            address: benchmark_address(),
        })
    }

    /// Another visitor, from another address.
    pub(super) fn other(&self) -> Result<Visitor<'a>> {
        Visitor::new(self.target)
    }

    /// Its HTTP client.
    pub(super) fn http(&self) -> Client {
        self.http.clone()
    }

    /// A request to the gateway, without credentials.
    pub(super) fn gateway(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, address(&self.target.gateway, path))
    }

    /// A request to the auth service, without credentials.
    pub(super) fn bare_auth(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, address(&self.target.auth, path))
    }

    /// A request to the auth service with the API key, for this visitor.
    pub(super) fn auth(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare_auth(method, path)
            .header("X-API-Key", self.target.api_key.expose_secret())
            .header("X-Real-IP", self.address.to_string())
    }

    /// A request to the core service, without credentials.
    pub(super) fn core(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let core = self
            .target
            .core
            .as_ref()
            .ok_or(Skip("needs the core service: --core"))?;
        Ok(self.http.request(method, address(core, path)))
    }

    /// Sends a request once.
    pub(super) async fn once(&self, request: RequestBuilder) -> Result<Answer> {
        Answer::read(request.send().await.context("no answer")?).await
    }

    /// Sends a request; if a rate limit refuses it, waits for `Retry-After` and sends it once more.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Answer> {
        let again = request.try_clone();
        let answer = self.once(request).await?;
        match (again, answer.number("retry-after")) {
            (Some(again), Some(seconds)) if answer.status == 429 => {
                tokio::time::sleep(Duration::from_secs(seconds.min(LONGEST_LIMIT))).await;
                self.once(again).await
            }
            _ => Ok(answer),
        }
    }

    /// `GET` of the gateway with a token.
    pub(super) async fn get(&self, token: &str, path: &str) -> Result<Answer> {
        self.ask(self.gateway(Method::GET, path).bearer_auth(token))
            .await
    }

    /// `POST` to the gateway with a token and a fresh idempotency key.
    pub(super) async fn post(&self, token: &str, path: &str, body: &Value) -> Result<Answer> {
        let request = self.gateway(Method::POST, path).bearer_auth(token);
        self.ask(request.header("Idempotency-Key", random_text()).json(body))
            .await
    }

    /// `POST` to the auth service.
    pub(super) async fn post_auth(&self, path: &str, body: &Value) -> Result<Answer> {
        self.ask(self.auth(Method::POST, path).json(body)).await
    }

    /// Registers a user and logs them in, each from an address that no rate limit has counted.
    pub(super) async fn user(&self) -> Result<User> {
        let email = format!("attack-{}@pawl.example", random_text().to_lowercase());
        self.user_with(&email, &random_text()).await
    }

    /// The same, with an e-mail address and a password.
    pub(super) async fn user_with(&self, email: &str, password: &str) -> Result<User> {
        let elsewhere = self.other()?;
        let body = json!({"email": email, "password": password});
        let answer = elsewhere.post_auth("/api/v1/auth/register", &body).await?;
        if answer.status != 201 {
            bail!("a throw-away user could not be registered: {}", answer.text);
        }
        self.log_in(email, password, None).await
    }

    /// Logs a user in, into the account of this id if it is given.
    pub(super) async fn log_in(
        &self,
        email: &str,
        password: &str,
        account: Option<&str>,
    ) -> Result<User> {
        let mut body = json!({"email": email, "password": password});
        if let Some(account) = account {
            body["account_id"] = account.into();
        }
        let answer = self.other()?.post_auth("/api/v1/auth/login", &body).await?;
        if answer.status != 200 {
            bail!("a user could not log in: {}", answer.text);
        }
        Ok(User {
            email: email.to_owned(),
            password: password.to_owned(),
            token: answer.field("token"),
            refresh: answer.field("refresh_token"),
        })
    }

    /// The admin, logged in.
    pub(super) async fn admin(&self) -> Result<User> {
        let admin = self.target.admin.as_ref();
        let admin = admin.ok_or(Skip(
            "needs an admin: --admin-email and --admin-password-file",
        ))?;
        self.log_in(&admin.email, admin.password.expose_secret(), None)
            .await
    }

    /// The signing key of the deployment.
    pub(super) fn signing_key(&self) -> Result<&'a Ed25519KeyPair> {
        Ok(self
            .target
            .signing_key
            .as_ref()
            .ok_or(Skip("needs the signing key: --signing-key"))?)
    }

    /// The secret with which Stripe signs webhooks.
    pub(super) fn webhook_secret(&self) -> Result<&'a str> {
        let secret = self.target.webhook_secret.as_ref();
        let secret = secret.ok_or(Skip("needs the webhook secret: --webhook-secret-file"))?;
        Ok(secret.expose_secret())
    }

    /// Opens a connection to a service, for bytes that no HTTP client sends.
    pub(super) async fn connect(&self, service: &Url) -> Result<TcpStream> {
        if service.scheme() != "http" {
            return Err(Skip("needs plain HTTP: TLS ends before the service").into());
        }
        let host = service.host_str().context("a URL without a host")?;
        let port = service
            .port_or_known_default()
            .context("a URL without a port")?;
        let server = lookup_host((host, port))
            .await?
            .next()
            .context("an unknown host")?;
        let socket = if server.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        Ok(socket.connect(server).await?)
    }

    /// Sends bytes on a connection of their own, and returns the bytes received until it was closed or `wait` had passed.
    pub(super) async fn raw(&self, service: &Url, bytes: &[u8], wait: Duration) -> Result<String> {
        let mut stream = self.connect(service).await?;
        // A service may refuse, and close, before it has read everything.
        let _ = stream.write_all(bytes).await;
        Ok(read(&mut stream, wait).await)
    }
}

/// The bytes received on a connection until it is closed or `wait` has passed.
pub(super) async fn read(stream: &mut TcpStream, wait: Duration) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(wait, async {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer in raw bytes; 0 if there was none.
pub(super) fn status(answer: &str) -> u16 {
    answer
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}

/// Host and port in the form of the header `Host`.
pub(super) fn host(service: &Url) -> String {
    let host = service.host_str().unwrap_or_default();
    service
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn address(service: &Url, path: &str) -> String {
    format!("{}{path}", service.as_str().trim_end_matches('/'))
}

/// Random text that is used once.
pub(super) fn random_text() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 24)
}
