//! The brokers, and how a client proves itself to them.

use rdkafka::ClientConfig;
use secrecy::{ExposeSecret, SecretString};

use crate::env::Env;

/// Where the brokers are, and what a client shows them. It never prints the password.
#[derive(Clone, Debug)]
pub struct Brokers {
    addresses: String,
    /// Settings of librdkafka.
    security: Vec<(&'static str, SecretString)>,
}

impl Brokers {
    /// Reads `KAFKA_BROKERS`, `KAFKA_SECURITY_PROTOCOL`, `KAFKA_SASL_MECHANISM`, `KAFKA_SASL_USERNAME`, `KAFKA_SASL_PASSWORD`
    /// and `KAFKA_SSL_CA_FILE`.
    #[must_use]
    pub fn from_env(env: &Env) -> Self {
        let protocol = env.text("KAFKA_SECURITY_PROTOCOL");
        let mechanism = env.text("KAFKA_SASL_MECHANISM");
        let set = |setting, name| Some((setting, SecretString::from(env.optional(name)?)));
        // All are read, so that a wrong one is a fault even where it is not used.
        let sasl = [
            Some(("sasl.mechanisms", SecretString::from(mechanism))),
            set("sasl.username", "KAFKA_SASL_USERNAME"),
            set("sasl.password", "KAFKA_SASL_PASSWORD"),
        ];
        let authority = set("ssl.ca.location", "KAFKA_SSL_CA_FILE");
        let mut security = Vec::new();
        if protocol.starts_with("SASL_") {
            security.extend(sasl.into_iter().flatten());
        }
        if protocol.ends_with("SSL") {
            security.extend(authority);
        }
        security.push(("security.protocol", protocol.into()));
        Self {
            addresses: env.text("KAFKA_BROKERS"),
            security,
        }
    }

    /// Adds the addresses and the settings to those of a client.
    pub(super) fn configure(&self, config: &mut ClientConfig) {
        config.set("bootstrap.servers", &self.addresses);
        for (setting, value) in &self.security {
            config.set(*setting, value.expose_secret());
        }
    }
}

/// Brokers without encryption that ask for no password.
impl From<&str> for Brokers {
    fn from(addresses: &str) -> Self {
        Self {
            addresses: addresses.to_owned(),
            security: Vec::new(),
        }
    }
}
