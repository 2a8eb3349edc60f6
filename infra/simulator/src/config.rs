//! Settings, each with a default that suits development.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser};

/// The settings of a simulator. `Config::default()` has no endpoints, shop or state file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of this simulator for browsers; by default `http://` and the address it listens on.
    pub public_url: Option<String>,
    /// Endpoints that exist from the start.
    pub endpoints: Vec<WebhookEndpoint>,
    /// Waits before the retries of a webhook.
    pub webhook_retries: Vec<Duration>,
    /// How long an endpoint may take to answer.
    pub webhook_timeout: Duration,
    /// How many webhooks are sent at once.
    pub webhook_concurrency: usize,
    /// How long asynchronous charges and refunds take.
    pub settle_after: Duration,
    /// How many finished intents are kept, with their charges and refunds. The sums of the ledger stay.
    pub keep_intents: usize,
    /// How many events are kept.
    pub keep_events: usize,
    /// How many idempotency keys are kept.
    pub keep_keys: usize,
    /// The file into which the state is written every few seconds and at the end, and from which it is read at the start.
    pub state_file: Option<PathBuf>,
    /// The seed of the faults.
    pub seed: u64,
    /// The gateway of the shop page; without it the shop is closed.
    pub shop: Option<Shop>,
}

/// A webhook endpoint that exists from the start.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// The address to which events are posted: plain `http`.
    pub url: String,
    /// The secret that signs them, `whsec_…`.
    pub secret: String,
    /// The event types that are sent, `*` for all.
    pub enabled_events: Vec<String>,
}

/// How the shop page reaches the gateway.
#[derive(Clone)]
pub struct Shop {
    /// The gateway, `http://127.0.0.1:8080`.
    pub gateway_url: String,
    /// Sent as `X-API-Key`; the browser never sees it.
    pub api_key: String,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Shop");
        shown
            .field("gateway_url", &self.gateway_url)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        let retries = [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000];
        Self {
            public_url: None,
            endpoints: Vec::new(),
            webhook_retries: retries.map(Duration::from_millis).to_vec(),
            webhook_timeout: Duration::from_secs(10),
            webhook_concurrency: 256,
            settle_after: Duration::from_secs(2),
            keep_intents: 100_000,
            keep_events: 60_000,
            keep_keys: 200_000,
            state_file: None,
            seed: 1,
            shop: None,
        }
    }
}

/// The settings of the binary, read from its arguments and environment.
#[derive(Debug, Parser)]
#[command(
    name = "stripe-simulator",
    about = "A simulator of Stripe for development and tests",
    version,
    group = ArgGroup::new("secrets").multiple(true),
    group = ArgGroup::new("keys").multiple(true)
)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "SIMULATOR_ADDR", default_value = "127.0.0.1:12111")]
    pub addr: SocketAddr,
    /// Asks the simulator that listens on that address whether it runs, instead of starting one: exit code 0 or 1
    #[arg(long)]
    pub healthcheck: bool,
    /// Address of the simulator for browsers
    #[arg(long, env = "SIMULATOR_PUBLIC_URL")]
    public_url: Option<String>,
    /// File that keeps the state between runs
    #[arg(long, env = "SIMULATOR_STATE_FILE")]
    state_file: Option<String>,
    /// Endpoint that receives events, signed with the first of `STRIPE_WEBHOOK_SECRET`
    #[arg(long, env = "SIMULATOR_WEBHOOK_URL", requires = "secrets")]
    webhook_url: Option<String>,
    /// Event types that are sent to it, separated by commas
    #[arg(long, env = "SIMULATOR_WEBHOOK_EVENTS", default_value = "*")]
    webhook_events: String,
    /// Secret of that endpoint
    #[arg(
        long,
        env = "STRIPE_WEBHOOK_SECRET",
        hide_env_values = true,
        group = "secrets"
    )]
    webhook_secret: Option<String>,
    /// File that holds that secret
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET_FILE", value_parser = read_secret, group = "secrets")]
    webhook_secret_file: Option<Secret>,
    /// Milliseconds that asynchronous charges and refunds take
    #[arg(long, env = "SIMULATOR_SETTLE_MS", default_value_t = 2_000)]
    settle_ms: u64,
    /// Seed of the faults
    #[arg(long, env = "SIMULATOR_SEED", default_value_t = 1)]
    seed: u64,
    /// Gateway that the shop page pays through
    #[arg(long, env = "SHOP_GATEWAY_URL", requires = "keys")]
    shop_gateway_url: Option<String>,
    /// API key that the shop page pays with
    #[arg(long, env = "SHOP_API_KEY", hide_env_values = true, group = "keys")]
    shop_api_key: Option<String>,
    /// File that holds that API key
    #[arg(long, env = "SHOP_API_KEY_FILE", value_parser = read_secret, group = "keys")]
    shop_api_key_file: Option<Secret>,
}

/// The content of a file that holds a secret; it is never printed.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Reads a secret from a file, without the line break at its end. An empty path counts as not given.
fn read_secret(path: &str) -> Result<Secret, String> {
    if path.is_empty() {
        return Ok(Secret(String::new()));
    }
    let content =
        std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(Secret(content.trim_end_matches(['\n', '\r']).to_owned()))
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        let given = |setting: Option<String>| setting.filter(|text| !text.is_empty());
        let either = |value, file: Option<Secret>| given(value).or(given(file.map(|it| it.0)));
        let secret = either(settings.webhook_secret, settings.webhook_secret_file);
        let secret = secret.unwrap_or_default();
        let secret = secret.split(',').next().unwrap_or_default().trim();
        let endpoint = given(settings.webhook_url).map(|url| WebhookEndpoint {
            url,
            secret: secret.to_owned(),
            enabled_events: settings
                .webhook_events
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
        });
        let shop = given(settings.shop_gateway_url)
            .zip(either(settings.shop_api_key, settings.shop_api_key_file));
        Self {
            public_url: given(settings.public_url),
            endpoints: endpoint.into_iter().collect(),
            settle_after: Duration::from_millis(settings.settle_ms),
            state_file: given(settings.state_file).map(PathBuf::from),
            seed: settings.seed,
            shop: shop.map(|(gateway_url, api_key)| Shop {
                gateway_url,
                api_key,
            }),
            ..Self::default()
        }
    }
}
