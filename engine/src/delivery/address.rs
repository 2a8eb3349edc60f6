//! Where merchants may be told: addresses that the internet can reach. A merchant who could name any other would make
//! Pawl knock at doors that only its own network has (server-side request forgery).
//!
//! An address is judged when an endpoint is saved, and again by the resolver of each connection: a name may point
//! elsewhere by then.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use contracts::webhook::LONGEST_URL;
use infra::Env;
use ipnet::{IpNet, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolving};

pub use reqwest::dns::Resolve;

/// How long looking up a name may take while a merchant waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What of IPv4 and of the global part of IPv6 is not the internet, from IANA's registries of special addresses.
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    [
        "0.0.0.0/8",       // this network, unspecified
        "10.0.0.0/8",      // private
        "100.64.0.0/10",   // carrier-grade NAT
        "127.0.0.0/8",     // loopback
        "169.254.0.0/16",  // link-local, and the metadata of clouds
        "172.16.0.0/12",   // private
        "192.0.0.0/24",    // protocol assignments
        "192.0.2.0/24",    // documentation
        "192.88.99.0/24",  // relays of 6to4
        "192.168.0.0/16",  // private
        "198.18.0.0/15",   // benchmarks
        "198.51.100.0/24", // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",     // multicast
        "240.0.0.0/4",     // reserved, broadcast
        "2001::/23",       // protocol assignments, Teredo among them
        "2001:db8::/32",   // documentation
        "2002::/16",       // 6to4: holds an IPv4 address
        "3fff::/20",       // documentation
    ]
    .iter()
    .filter_map(|net| net.parse().ok())
    .collect()
});

/// The only part of IPv6 that is given to the internet. Loopback, unique local, link-local, multicast, mapped and
/// translated (NAT64) IPv4 addresses lie outside.
static GLOBAL: LazyLock<Option<Ipv6Net>> = LazyLock::new(|| "2000::/3".parse().ok());

/// Whether the internet can reach this address.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    let global = match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => GLOBAL.is_some_and(|global| global.contains(&ip)),
    };
    global && !SPECIAL.iter().any(|net| net.contains(&ip))
}

/// How far deliveries may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the internet, over https.
    Public,
    /// Also to this machine and its networks, and without TLS: for development and tests.
    Anywhere,
}

impl Reach {
    /// Reads `WEBHOOK_ALLOW_PRIVATE`, which is refused where real money moves.
    pub fn from_env(env: &mut Env) -> Self {
        if !env.parsed("WEBHOOK_ALLOW_PRIVATE", false) {
            return Self::Public;
        }
        if env.is_live() {
            env.fault(
                "WEBHOOK_ALLOW_PRIVATE is true while STRIPE_API_KEY is a live key: remove it, or merchants can make Pawl call \
                 addresses of your own network",
            );
        }
        Self::Anywhere
    }
}

/// Why an address is not one for webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is too long.
    #[error("this must have at most 2048 characters")]
    Long,
    /// It is no absolute URL with a host.
    #[error("this must be an absolute https URL")]
    NotAUrl,
    /// Its scheme is not the one.
    #[error("this must begin with https://")]
    Scheme,
    /// It holds a user or a password.
    #[error("this must hold neither a user nor a password: deliveries are signed")]
    Credentials,
    /// It ends in a fragment, which is never sent.
    #[error("this must hold no fragment (#…)")]
    Fragment,
    /// It leads to no place on the internet. Whether its name is known inside is nobody's business.
    #[error("this leads to no address that the internet can reach")]
    Unreachable,
}

/// An address that was judged and found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// The address in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Judges addresses. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    reach: Reach,
    names: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Guard")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// With the names that this machine knows.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::with_names(reach, Arc::new(System))
    }

    /// With other names.
    #[must_use]
    pub fn with_names(reach: Reach, names: Arc<dyn Resolve>) -> Self {
        Self { reach, names }
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Judges an address by what is written in it, and where it leads to now.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn check(&self, text: &str) -> Result<Address, AddressError> {
        let address = self.read(text)?;
        if self.reach == Reach::Anywhere {
            return Ok(address);
        }
        if let Some(host) = address.0.domain() {
            let name = host.parse().map_err(|_| AddressError::NotAUrl)?;
            let found = tokio::time::timeout(PATIENCE, self.resolve(name)).await;
            if !found.is_ok_and(|found| found.is_ok()) {
                return Err(AddressError::Unreachable);
            }
        }
        Ok(address)
    }

    /// Judges an address by what is written in it; where a name leads to is seen when it is called.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn read(&self, text: &str) -> Result<Address, AddressError> {
        let url: Url = text.parse().map_err(|_| AddressError::NotAUrl)?;
        if text.len() > LONGEST_URL || url.as_str().len() > LONGEST_URL {
            return Err(AddressError::Long);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.reach == Reach::Anywhere => {}
            _ => return Err(AddressError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(AddressError::Fragment);
        }
        let host = url.host_str().ok_or(AddressError::NotAUrl)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if self.reach == Reach::Public
            && literal
                .parse::<IpAddr>()
                .is_ok_and(|literal| !is_public(literal))
        {
            return Err(AddressError::Unreachable);
        }
        Ok(Address(url))
    }
}

/// The resolver of every connection to a merchant: names lead to public addresses, or nowhere.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, self.names.resolve(name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = match found.await {
                Ok(found) => found.collect(),
                Err(error) if reach == Reach::Anywhere => return Err(error),
                Err(_) => Vec::new(),
            };
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| reach == Reach::Anywhere || is_public(address.ip()))
                .collect();
            if open.is_empty() {
                return Err(Box::new(AddressError::Unreachable) as Box<dyn StdError + Send + Sync>);
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// The names of this machine and its DNS.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
