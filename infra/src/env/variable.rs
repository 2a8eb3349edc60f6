//! One environment variable: its form, what holds while it is unset, and who reads it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use redis::IntoConnectionInfo;
use reqwest::Url;
use tracing_subscriber::EnvFilter;

use crate::crash;

/// A program that reads environment variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// `gateway`.
    Gateway,
    /// `auth-service`.
    Auth,
    /// `core-service`.
    Core,
    /// `worker-service`.
    Worker,
    /// The command line, `pawl`.
    Pawl,
    /// `stripe-simulator`, which reads its settings by itself.
    Simulator,
}

impl Program {
    /// The services that production runs.
    pub const SERVICES: [Self; 4] = [Self::Gateway, Self::Auth, Self::Core, Self::Worker];

    /// The name of the binary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Auth => "auth-service",
            Self::Core => "core-service",
            Self::Worker => "worker-service",
            Self::Pawl => "pawl",
            Self::Simulator => "stripe-simulator",
        }
    }
}

/// What holds while a variable is unset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// The services that read it refuse to start.
    Refused,
    /// This value is used.
    Value(&'static str),
    /// This sentence says what holds.
    Means(&'static str),
}

/// The line of a variable in `.env.example`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Example {
    /// `NAME=value`.
    Set(&'static str),
    /// `#NAME=value`.
    Commented(&'static str),
}

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The values that it may have.
    pub form: Form,
    /// What holds while it is unset.
    pub unset: Unset,
    /// Its line in `.env.example`.
    pub example: Example,
    /// The programs that read it.
    pub readers: &'static [Program],
    /// Whether its value is never shown; such a variable may be given as `NAME_FILE`, the path of a file with the value.
    pub secret: bool,
    /// What it is for, in one sentence or two.
    pub about: &'static str,
}

impl Variable {
    /// A variable that is not secret and whose default `.env.example` shows.
    pub(super) const fn with_default(
        name: &'static str,
        form: Form,
        default: &'static str,
        readers: &'static [Program],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            form,
            unset: Unset::Value(default),
            example: Example::Set(default),
            readers,
            secret: false,
            about,
        }
    }

    /// The fault of this value: the variable, the value unless it is secret, what is allowed and what to do. `None` if the
    /// value is right.
    #[must_use]
    pub fn fault(&self, value: &str) -> Option<String> {
        if self.form.accepts(value) {
            return None;
        }
        let shown = if self.secret {
            "has a value (not shown) that cannot be used".to_owned()
        } else {
            format!("is {value:?}, which cannot be used")
        };
        let or = match self.unset {
            Unset::Refused => String::new(),
            Unset::Value(default) => format!(", or remove the variable to get {default}"),
            Unset::Means(_) => ", or remove the variable".to_owned(),
        };
        Some(format!(
            "{} {shown}: give it {}{or}",
            self.name,
            self.form.allowed()
        ))
    }

    /// The fault of a required variable that is unset.
    #[must_use]
    pub fn missing(&self) -> String {
        let file = if self.secret {
            format!(", or name a file with it in {}_FILE", self.name)
        } else {
            String::new()
        };
        format!(
            "{} is missing: set it in the environment or in .env{file}; it needs {}",
            self.name,
            self.form.allowed()
        )
    }
}

/// Variables that belong together.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What is true of all of them; empty if nothing is.
    pub about: &'static str,
    /// The variables.
    pub variables: &'static [Variable],
}

/// The values that a variable may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The address of a Postgres database.
    Postgres,
    /// The address of a Redis server.
    Redis,
    /// Kafka brokers.
    Brokers,
    /// An http(s) address.
    HttpUrl,
    /// An IP address and a port to listen on.
    Socket,
    /// A whole number in this range, both ends included.
    Number {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Printable ASCII.
    Text,
    /// A secret or restricted key of Stripe.
    StripeKey,
    /// A connected account of Stripe.
    StripeAccount,
    /// Secrets that Stripe signs webhooks with.
    WebhookSecrets,
    /// API keys.
    ApiKeys,
    /// An Ed25519 private key.
    PrivateKey,
    /// Addresses and networks.
    Networks,
    /// Limits of single routes.
    RouteLimits,
    /// Types of Stripe's events.
    EventTypes,
    /// A crash point.
    CrashPoint,
    /// A log filter.
    LogFilter,
}

/// The shortest API key of `AUTH_API_KEYS`: 128 random bits in base64.
pub const SHORTEST_API_KEY: usize = 22;
/// The longest API key.
pub const LONGEST_API_KEY: usize = 256;
/// The shortest base64 of an Ed25519 key in PKCS#8, which has 48 bytes.
const SHORTEST_PRIVATE_KEY: usize = 64;
/// The longest text.
const LONGEST_TEXT: usize = 200;

impl Form {
    /// The allowed values, as the end of the sentence "give it …".
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Self::Postgres => "an address of the form postgres://user:password@host:port/database, with commas between several hosts",
            Self::Redis => "an address of the form redis://host:port",
            Self::Brokers => "brokers of the form host:port, separated by commas",
            Self::HttpUrl => "an http:// or https:// address with a host",
            Self::Socket => "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080",
            Self::Number { least, most: u64::MAX } => {
                return format!("a whole number of {least} or more");
            }
            Self::Number { least, most } => return format!("a whole number from {least} to {most}"),
            Self::Share => "a number from 0 to 1",
            Self::Switch => "true or false",
            Self::Word(words) => return format!("one of {}", words.join(", ")),
            Self::Text => "1 to 200 printable ASCII characters",
            Self::StripeKey => {
                "a secret or restricted key of Stripe (sk_test_…, sk_live_…, rk_test_… or rk_live_…)"
            }
            Self::StripeAccount => "the id of a connected account (acct_…)",
            Self::WebhookSecrets => "signing secrets of Stripe (whsec_…), separated by commas, without an empty part",
            Self::ApiKeys => {
                "keys of 22 to 256 characters, separated by commas (`openssl rand -hex 16` makes one)"
            }
            Self::PrivateKey => {
                "an Ed25519 key in PKCS#8, as PEM or as its base64 (`openssl genpkey -algorithm ed25519` makes one)"
            }
            Self::Networks => "IP addresses and networks such as 10.0.0.0/8, separated by commas",
            Self::RouteLimits => {
                "entries `METHOD /path=N` for users or `key:METHOD /path=N` for API keys, separated by commas"
            }
            Self::EventTypes => "* or types of events such as charge.refunded, separated by commas",
            Self::CrashPoint => {
                return format!("one of the crash points: {}", crash::names().collect::<Vec<_>>().join(", "));
            }
            Self::LogFilter => "a log filter such as info or info,engine=debug",
        }
        .to_owned()
    }

    /// Whether the value is one of the allowed ones.
    #[must_use]
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::Postgres => crate::postgres::is_url(value),
            Self::Redis => value.starts_with("redis") && value.into_connection_info().is_ok(),
            Self::Brokers => value.split(',').all(|part| is_broker(part.trim())),
            Self::HttpUrl => is_http_url(value),
            Self::Socket => SocketAddr::from_str(value.trim()).is_ok(),
            Self::Number { least, most } => {
                u64::from_str(value.trim()).is_ok_and(|number| (least..=most).contains(&number))
            }
            Self::Share => {
                f64::from_str(value.trim()).is_ok_and(|share| (0.0..=1.0).contains(&share))
            }
            Self::Switch => bool::from_str(value.trim()).is_ok(),
            Self::Word(words) => words.contains(&value),
            Self::Text => {
                value.len() <= LONGEST_TEXT
                    && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            }
            Self::StripeKey => ["sk_test_", "sk_live_", "rk_test_", "rk_live_"]
                .iter()
                .any(|start| has_name(value, start)),
            Self::StripeAccount => has_name(value, "acct_"),
            Self::WebhookSecrets => value.split(',').all(|part| {
                let secret = part.trim().strip_prefix("whsec_");
                secret.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
            }),
            Self::ApiKeys => {
                api_keys(value).all(|key| (SHORTEST_API_KEY..=LONGEST_API_KEY).contains(&key.len()))
            }
            Self::PrivateKey => is_private_key(value),
            Self::Networks => parts(value).all(|part| network(part).is_some()),
            Self::RouteLimits => parts(value).all(is_route_limit),
            Self::EventTypes => parts(value).all(|part| part == "*" || is_event_type(part)),
            Self::CrashPoint => crash::names().any(|name| name == value),
            Self::LogFilter => EnvFilter::try_new(value).is_ok(),
        }
    }
}

/// The parts of a list with commas between that are not empty.
pub fn parts(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// The keys of a list with commas between.
pub fn api_keys(value: &str) -> impl Iterator<Item = &str> {
    parts(value)
}

/// A network such as `10.0.0.0/8`, or that of a single address.
pub(crate) fn network(part: &str) -> Option<IpNet> {
    let network = part.parse().ok();
    network.or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from))
}

fn is_broker(part: &str) -> bool {
    part.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains("//") && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_http_url(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether the value is this start and then a name of letters, digits and underscores.
fn has_name(value: &str, start: &str) -> bool {
    let name = value.strip_prefix(start).unwrap_or_default();
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_private_key(value: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    value.contains("BEGIN PRIVATE KEY")
        || value.len() >= SHORTEST_PRIVATE_KEY && value.bytes().all(is_base64)
}

fn is_route_limit(entry: &str) -> bool {
    let entry = entry.strip_prefix("key:").unwrap_or(entry);
    entry.rsplit_once('=').is_some_and(|(route, limit)| {
        let has_path = route
            .trim()
            .split_once(' ')
            .is_some_and(|(_, path)| path.trim().starts_with('/'));
        has_path && limit.trim().parse::<u32>().is_ok()
    })
}

fn is_event_type(part: &str) -> bool {
    part.contains('.')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"._0123456789*".contains(&byte))
}
