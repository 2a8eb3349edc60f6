//! The addresses of all processes, and the environment of each.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use infra::env::{ExposeSecret as _, SecretString};
use servers::{Environment, Servers};

use super::options::FleetOptions;
use super::process::Spec;

/// The API key that the auth service accepts from the load generator.
pub(super) const API_KEY: &str = "pawl_key_of_the_load_generator_0123456789";
/// The secret with which the simulator signs webhooks.
const WEBHOOK_SECRET: &str = "whsec_of_the_load_generator_0123456789";

/// The keys of a run.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The API key that the auth service accepts.
    pub(crate) api_key: &'static str,
    /// The secret with which the simulator signs webhooks.
    pub(crate) webhook_secret: &'static str,
    /// The key that signs tokens, of this run alone.
    pub(crate) private: SecretString,
}

/// The addresses of all processes, and the environment that all of them share.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) simulator: SocketAddr,
    pub(super) auth: SocketAddr,
    pub(super) gateway: SocketAddr,
    pub(super) core: SocketAddr,
    pub(super) keys: Keys,
    /// The address of a second gateway.
    pub(super) spare: SocketAddr,
    pub(super) workers: Vec<SocketAddr>,
    /// The database as the gateways and the workers reach it, where that is not `DATABASE_URL`.
    pub(super) gateway_database: Option<String>,
    pub(super) worker_database: Option<String>,
    environment: Vec<(&'static str, String)>,
}

impl Layout {
    /// A free address for each process.
    pub(super) fn new(servers: &Servers, options: &FleetOptions) -> Result<Layout> {
        let mut free = addresses();
        let mut free = || free.next().context("no port of this machine is free");
        let (simulator, auth, gateway, core, spare) = (free()?, free()?, free()?, free()?, free()?);
        let private = auth_service::signer::generate()
            .ok()
            .context("the system gives no random numbers")?;
        let workers = (0..options.workers)
            .map(|_| free())
            .collect::<Result<_>>()?;
        let shared = Environment {
            stripe_api_key: "sk_test_of_the_load_generator".to_owned(),
            stripe_api_base: url(simulator),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            auth_api_key: API_KEY.to_owned(),
            auth_url: url(auth),
        };
        let mut environment: Vec<(&'static str, String)> = servers
            .variables()
            .map(|(name, value)| (name, value.to_owned()))
            .into();
        environment.extend(shared.variables());
        environment.extend([
            ("JWT_ISSUER", "pawl".to_owned()),
            ("JWT_AUDIENCE", "pawl-api".to_owned()),
            ("RATE_LIMIT_USER_PER_MINUTE", "0".to_owned()),
            ("RATE_LIMIT_IP_PER_MINUTE", "0".to_owned()),
            ("RATE_LIMIT_KEY_PER_MINUTE", "0".to_owned()),
            ("RUST_LOG", options.log.to_owned()),
            // No load balancer stands before them.
            ("SHUTDOWN_NOTICE_SECONDS", "0".to_owned()),
        ]);
        environment.extend(options.environment.iter().cloned());
        Ok(Layout {
            simulator,
            auth,
            gateway,
            core,
            keys: Keys {
                api_key: API_KEY,
                webhook_secret: WEBHOOK_SECRET,
                private,
            },
            spare,
            workers,
            gateway_database: None,
            worker_database: None,
            environment,
        })
    }

    /// The simulator, which sends its webhooks to the gateway.
    pub(super) fn simulator(&self) -> Spec {
        let mut spec = self.spec(
            "simulator",
            "stripe-simulator",
            "SIMULATOR_ADDR",
            self.simulator,
        );
        spec.environment.push((
            "SIMULATOR_WEBHOOK_URL",
            format!("{}/webhooks/stripe", url(self.gateway)),
        ));
        spec
    }

    /// The auth service, with a signing key for this run alone.
    pub(super) fn auth(&self) -> Spec {
        let mut spec = self.spec("auth", "auth-service", "AUTH_ADDR", self.auth);
        let key = self.keys.private.expose_secret().to_owned();
        spec.environment.push(("JWT_PRIVATE_KEY", key));
        spec
    }

    /// The core service.
    pub(super) fn core(&self) -> Spec {
        let mut spec = self.spec("core", "core-service", "CORE_ADDR", self.core);
        spec.health = format!("{}/api/health", url(self.core));
        spec
    }

    /// The gateway.
    pub(super) fn gateway(&self) -> Spec {
        let spec = self.spec("gateway", "gateway", "GATEWAY_ADDR", self.gateway);
        with_database(spec, self.gateway_database.as_deref())
    }

    /// A second gateway, with other settings.
    pub(super) fn another_gateway(&self, environment: Vec<(&'static str, String)>) -> Spec {
        let mut spec = self.spec("gateway-2", "gateway", "GATEWAY_ADDR", self.spare);
        spec.environment.extend(environment);
        with_database(spec, self.gateway_database.as_deref())
    }

    /// One of the workers.
    pub(super) fn worker(&self, index: usize, address: SocketAddr) -> Spec {
        let name = if index == 0 {
            "worker".to_owned()
        } else {
            format!("worker-{}", index + 1)
        };
        let spec = self.spec(&name, "worker-service", "WORKER_ADDR", address);
        with_database(spec, self.worker_database.as_deref())
    }

    fn spec(
        &self,
        name: &str,
        binary: &'static str,
        variable: &'static str,
        address: SocketAddr,
    ) -> Spec {
        let mut environment = self.environment.clone();
        environment.push((variable, address.to_string()));
        Spec {
            name: name.to_owned(),
            binary,
            environment,
            health: format!("{}/health", url(address)),
        }
    }
}

/// The process with another address of its database, if there is one. The later of two variables counts.
fn with_database(mut spec: Spec, url: Option<&str>) -> Spec {
    let url = url.map(|url| ("DATABASE_URL", url.to_owned()));
    spec.environment.extend(url);
    spec
}

/// The base of a service's addresses.
pub(super) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Free addresses of this machine.
///
/// None is in the range from which the system gives ports to connections: while a killed process restarts, no connection
/// may take its port.
fn addresses() -> impl Iterator<Item = SocketAddr> {
    // Two runs that start at the same moment look in different places first.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    (first..32_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .filter(|address| TcpListener::bind(address).is_ok())
}
