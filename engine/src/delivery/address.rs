//! The addresses to which deliveries may be sent: those that the internet can reach. With any other address a merchant could
//! make Pawl call services of its own network (server-side request forgery).
//!
//! An address is checked when an endpoint is saved, and again by the resolver of each connection, because its name may by
//! then point elsewhere.

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

/// The ranges of IPv4 and of the global part of IPv6 that are not the internet, from IANA's registries of special
/// addresses.
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

/// The only part of IPv6 that is assigned to the internet. Loopback, unique local, link-local, multicast, mapped and
/// translated (NAT64) IPv4 addresses are outside it.
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

/// The networks to which deliveries may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the internet, over https.
    Public,
    /// Also to this machine and its networks, and without TLS: for development and tests.
    Anywhere,
}

impl Reach {
    /// Reads `WEBHOOK_ALLOW_PRIVATE`; [`Env::finish`] refuses it together with a live key of Stripe.
    pub fn from_env(env: &Env) -> Self {
        if env.switch("WEBHOOK_ALLOW_PRIVATE") {
            Self::Anywhere
        } else {
            Self::Public
        }
    }
}

/// Why deliveries cannot be sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is too long.
    #[error("this must have at most 2048 characters")]
    Long,
    /// It is no absolute URL with a host.
    #[error("this must be an absolute https URL")]
    NotAUrl,
    /// Its scheme is not https.
    #[error("this must begin with https://")]
    Scheme,
    /// It holds a user or a password.
    #[error("this must hold neither a user nor a password: deliveries are signed")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("this must hold no fragment (#…)")]
    Fragment,
    /// It leads to no address on the internet. The error does not reveal whether the name exists in Pawl's network.
    #[error("this leads to no address that the internet can reach")]
    Unreachable,
}

/// An address that was checked and is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// The address in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Checks addresses. Cheap to clone.
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
    /// A guard that resolves names as this machine does.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::with_names(reach, Arc::new(System))
    }

    /// A guard with another resolver.
    #[must_use]
    pub fn with_names(reach: Reach, names: Arc<dyn Resolve>) -> Self {
        Self { reach, names }
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Checks the text of an address, and the IP addresses to which its name leads now.
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

    /// Checks the text of an address; the IP addresses of its name are checked when it is called.
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

/// The resolver of every connection to a merchant: it returns the IP addresses that may be called, or an error.
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

/// The resolver of this machine.
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
