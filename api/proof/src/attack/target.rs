//! The deployment under attack, and the keys to it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::signature::Ed25519KeyPair;
use infra::env::SecretString;
use reqwest::Url;

/// An admin of an account, who may read its audit.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) email: String,
    pub(super) password: SecretString,
}

/// The addresses of the deployment, and the key that every attack needs.
pub(super) struct Addresses {
    pub(super) gateway: Url,
    pub(super) auth: Url,
    pub(super) core: Option<Url>,
    pub(super) api_key: SecretString,
}

/// The deployment, with those of its keys that were given.
pub(super) struct Target {
    pub(super) gateway: Url,
    pub(super) auth: Url,
    pub(super) core: Option<Url>,
    pub(super) api_key: SecretString,
    pub(super) signing_key: Option<Ed25519KeyPair>,
    pub(super) webhook_secret: Option<SecretString>,
    pub(super) admin: Option<Admin>,
    /// An address of this machine that the gateway trusts as a proxy.
    pub(super) proxy: Option<Ipv4Addr>,
    /// Whether merchants' endpoints may have private addresses there.
    pub(super) allows_private: bool,
    visitors: AtomicU32,
}

impl Target {
    /// A deployment of which only the addresses and the API key are known.
    pub(super) fn new(addresses: Addresses) -> Target {
        Target {
            gateway: addresses.gateway,
            auth: addresses.auth,
            core: addresses.core,
            api_key: addresses.api_key,
            signing_key: None,
            webhook_secret: None,
            admin: None,
            proxy: None,
            allows_private: false,
            visitors: AtomicU32::new(0),
        }
    }

    /// Whether all of it is on this machine, where each visitor may have an address of its own.
    pub(super) fn is_local(&self) -> bool {
        [Some(&self.gateway), Some(&self.auth), self.core.as_ref()]
            .into_iter()
            .flatten()
            .all(|url| url.host_str() == Some("127.0.0.1"))
    }

    /// A source address that no visitor had before; `None` where the deployment is on another machine.
    pub(super) fn fresh_source(&self) -> Option<Ipv4Addr> {
        let number = self.visitors.fetch_add(1, Ordering::Relaxed);
        // All of 127.0.0.0/8 is this machine.
        let [.., b, c, d] = (number + 256).to_be_bytes();
        self.is_local().then_some(Ipv4Addr::new(127, b + 64, c, d))
    }
}
