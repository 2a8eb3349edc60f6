//! The services of the stack: where they listen, what they are told, and their tasks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use infra::Env;
use infra::env::Faults;
use stripe_simulator::{Shop, WebhookEndpoint};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::demo::Secrets;
use crate::stack::Servers;

/// How long all services together may take to finish what they began.
const DRAIN: Duration = Duration::from_secs(20);

/// The listeners of all services, open before anything else so that a busy port costs nobody a minute.
pub(super) struct Doors {
    gateway: TcpListener,
    auth: TcpListener,
    core: TcpListener,
    worker: TcpListener,
    /// None when the environment names a Stripe of its own.
    simulator: Option<TcpListener>,
}

/// Where everything answers, as `http://host:port`.
pub(super) struct Addresses {
    pub(super) gateway: String,
    pub(super) auth: String,
    pub(super) core: String,
    pub(super) worker: String,
    pub(super) stripe: String,
}

/// What the services are told where the environment says nothing.
pub(super) struct Settings {
    defaults: Vec<(&'static str, String)>,
}

struct Configs {
    gateway: gateway::Config,
    auth: auth_service::Config,
    core: core_service::Config,
    worker: worker_service::Config,
    webhook_secret: String,
}

impl Doors {
    /// Names every fault of the environment at once, or else every address that cannot be had; then listens.
    pub(super) async fn open(secrets: &Secrets) -> Result<Doors> {
        let configs = Settings::rehearsed(secrets)
            .configs()
            .map_err(|faults| anyhow!("the environment cannot be used:\n{faults}"))?;
        let mut env = Env::load();
        if env.is_live() {
            bail!("STRIPE_API_KEY is a live key: the demonstration moves no real money");
        }
        let simulator = env.parsed("SIMULATOR_ADDR", SocketAddr::from(([127, 0, 0, 1], 12111)));
        let own_simulator = env.optional("STRIPE_API_BASE").is_none();
        env.finish()?;
        Ok(Doors {
            gateway: listen("GATEWAY_ADDR", configs.gateway.address).await?,
            auth: listen("AUTH_ADDR", configs.auth.address).await?,
            core: listen("CORE_ADDR", configs.core.address).await?,
            worker: listen("WORKER_ADDR", configs.worker.address).await?,
            simulator: if own_simulator {
                Some(listen("SIMULATOR_ADDR", simulator).await?)
            } else {
                None
            },
        })
    }

    /// Where they are; an address for all interfaces is shown as this machine's own.
    pub(super) fn addresses(&self) -> Result<Addresses> {
        let stripe = match &self.simulator {
            Some(listener) => url(listener)?,
            None => Env::load().optional("STRIPE_API_BASE").unwrap_or_default(),
        };
        Ok(Addresses {
            gateway: url(&self.gateway)?,
            auth: url(&self.auth)?,
            core: url(&self.core)?,
            worker: url(&self.worker)?,
            stripe,
        })
    }

    /// Starts every service, and the simulator apart from them.
    pub(super) fn serve(
        self,
        settings: &Settings,
        addresses: &Addresses,
        secrets: &Secrets,
        state_file: PathBuf,
    ) -> Result<(Services, Option<Services>)> {
        let configs = settings.configs()?;
        let simulator = self.simulator.map(|listener| {
            let config = stripe_simulator::Config {
                endpoints: vec![WebhookEndpoint {
                    url: format!("{}/webhooks/stripe", addresses.gateway),
                    secret: configs.webhook_secret,
                    enabled_events: engine::webhook::ENABLED_EVENTS.map(str::to_owned).to_vec(),
                }],
                state_file: Some(state_file),
                shop: Some(Shop {
                    gateway_url: addresses.gateway.clone(),
                    api_key: secrets.api_key.clone(),
                }),
                ..stripe_simulator::Config::default()
            };
            let mut services = Services::new();
            services.spawn(
                "stripe-simulator",
                stripe_simulator::serve(config, listener, services.stop.clone()),
            );
            services
        });
        let mut services = Services::new();
        let stop = services.stop.clone();
        services.spawn(
            "auth-service",
            auth_service::serve(configs.auth, self.auth, stop.clone()),
        );
        services.spawn(
            "gateway",
            gateway::serve(configs.gateway, self.gateway, stop.clone()),
        );
        services.spawn(
            "core-service",
            core_service::serve(configs.core, self.core, stop.clone()),
        );
        services.spawn(
            "worker-service",
            worker_service::serve(configs.worker, self.worker, stop),
        );
        Ok((services, simulator))
    }
}

impl Settings {
    /// For the services to run with.
    pub(super) fn new(secrets: &Secrets, addresses: &Addresses, servers: &Servers) -> Settings {
        let mut settings = Settings::common(secrets);
        let servers = servers
            .variables()
            .map(|(name, value)| (name, value.to_owned()));
        settings.defaults.extend(servers);
        settings.defaults.extend([
            ("STRIPE_API_BASE", addresses.stripe.clone()),
            (
                "JWT_JWKS_URL",
                format!("{}/.well-known/jwks.json", addresses.auth),
            ),
        ]);
        settings
    }

    /// Stands for [`Settings::new`] before any server runs.
    fn rehearsed(secrets: &Secrets) -> Settings {
        let mut settings = Settings::common(secrets);
        settings.defaults.extend([
            ("DATABASE_URL", "postgres://pawl@127.0.0.1/pawl".to_owned()),
            ("REDIS_URL", "redis://127.0.0.1".to_owned()),
            ("KAFKA_BROKERS", "127.0.0.1:9092".to_owned()),
            ("STRIPE_API_BASE", "http://127.0.0.1:12111".to_owned()),
        ]);
        settings
    }

    fn common(secrets: &Secrets) -> Settings {
        let defaults = vec![
            ("STRIPE_API_KEY", "sk_test_pawl_demo".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", secrets.webhook_secret.clone()),
            ("AUTH_API_KEYS", secrets.api_key.clone()),
            ("JWT_PRIVATE_KEY", secrets.jwt_private_key.clone()),
            // Merchants' receivers of a demonstration are on this machine.
            ("WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
        ];
        Settings { defaults }
    }

    /// The first secret that webhooks may be signed with.
    pub(super) fn webhook_secret(&self) -> String {
        let secrets = self
            .env()
            .optional("STRIPE_WEBHOOK_SECRET")
            .unwrap_or_default();
        secrets
            .split(',')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    fn env(&self) -> Env {
        let mut env = Env::load();
        for (name, value) in &self.defaults {
            env.fill(*name, value);
        }
        env
    }

    fn configs(&self) -> Result<Configs, Faults> {
        let mut env = self.env();
        let configs = Configs {
            gateway: gateway::Config::from_env(&mut env),
            auth: auth_service::Config::from_env(&mut env),
            core: core_service::Config::from_env(&mut env),
            worker: worker_service::Config::from_env(&mut env),
            webhook_secret: self.webhook_secret(),
        };
        env.finish()?;
        Ok(configs)
    }
}

/// Tasks that stop together.
pub(super) struct Services {
    tasks: JoinSet<(&'static str, Result<()>)>,
    stop: CancellationToken,
}

impl Services {
    fn new() -> Services {
        Services {
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        service: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, service.await) });
    }

    /// Returns when one of them ends, which none does by itself.
    pub(super) async fn failure(&mut self) -> Error {
        match self.tasks.join_next().await {
            Some(Ok((name, Err(error)))) => error.context(format!("{name} failed")),
            Some(Ok((name, Ok(())))) => anyhow!("{name} ended by itself"),
            Some(Err(panic)) => Error::new(panic).context("a service panicked"),
            None => anyhow!("no service runs"),
        }
    }

    /// Lets them finish what they began.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((service, Err(error))) = ended {
                    tracing::warn!(
                        service,
                        error = format!("{error:#}"),
                        "did not stop cleanly"
                    );
                }
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::warn!(
                "not every service stopped in time; the jobs they held are taken up at the next start"
            );
        }
    }
}

async fn listen(variable: &'static str, address: SocketAddr) -> Result<TcpListener> {
    infra::http::bind(address).await.with_context(|| {
        format!(
            "stop what uses port {}, or set {variable} to another address",
            address.port()
        )
    })
}

fn url(listener: &TcpListener) -> Result<String> {
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Ok(format!("http://{address}"))
}
