//! The services of `pawl dev`: their addresses, their configuration and their tasks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use infra::Env;
use infra::env::Faults;
use servers::{Environment, Servers};
use stripe_simulator::{Shop, WebhookEndpoint};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::demo::Secrets;

/// The time in which all services together must finish their requests and jobs.
const DRAIN: Duration = Duration::from_secs(20);

/// The listeners of all services, opened first so that a busy port is reported before the slow start of the servers.
pub(super) struct Listeners {
    gateway: TcpListener,
    auth: TcpListener,
    core: TcpListener,
    worker: TcpListener,
    /// `None` when `STRIPE_API_BASE` is set.
    simulator: Option<TcpListener>,
}

/// The addresses of the services, as `http://host:port`.
pub(super) struct Addresses {
    pub(super) gateway: String,
    pub(super) auth: String,
    pub(super) core: String,
    pub(super) worker: String,
    pub(super) stripe: String,
}

/// The settings of the services that the environment does not give.
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

impl Listeners {
    /// Reports every fault of the environment at once, then listens on every address.
    pub(super) async fn open(secrets: &Secrets) -> Result<Listeners> {
        let configs = Settings::placeholder(secrets)
            .configs()
            .map_err(|faults| anyhow!("the environment cannot be used:\n{faults}"))?;
        let env = Env::load();
        if env.is_live() {
            bail!("STRIPE_API_KEY is a live key: the demonstration moves no real money");
        }
        let simulator = env.socket("SIMULATOR_ADDR");
        let own_simulator = env.optional("STRIPE_API_BASE").is_none();
        env.finish()?;
        Ok(Listeners {
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

    /// Their addresses; one that listens on all interfaces is shown as 127.0.0.1.
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

    /// Starts every service, and the simulator in a group of its own.
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
                    enabled_events: engine::webhook::enabled_events()
                        .map(str::to_owned)
                        .collect(),
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
    /// The settings with which the services run.
    pub(super) fn new(secrets: &Secrets, addresses: &Addresses, servers: &Servers) -> Settings {
        let mut settings = Settings::on(
            servers.variables(),
            secrets,
            &addresses.stripe,
            &addresses.auth,
        );
        let core = addresses.core.clone();
        settings.defaults.push(("CONSOLE_URL", core));
        if Env::load().optional("STRIPE_API_BASE").is_none() {
            let shop = format!("{}/shop", addresses.stripe);
            settings.defaults.push(("SHOP_URL", shop));
        }
        settings
    }

    /// Settings that find the faults of the environment before any server runs.
    fn placeholder(secrets: &Secrets) -> Settings {
        let servers = [
            ("DATABASE_URL", "postgres://pawl@127.0.0.1/pawl"),
            ("REDIS_URL", "redis://127.0.0.1"),
            ("KAFKA_BROKERS", "127.0.0.1:9092"),
        ];
        Settings::on(
            servers,
            secrets,
            "http://127.0.0.1:12111",
            "http://127.0.0.1:8081",
        )
    }

    fn on(
        servers: [(&'static str, &str); 3],
        secrets: &Secrets,
        stripe: &str,
        auth: &str,
    ) -> Settings {
        let shared = Environment {
            stripe_api_key: "sk_test_pawl_demo".to_owned(),
            stripe_api_base: stripe.to_owned(),
            webhook_secret: secrets.webhook_secret.clone(),
            auth_api_key: secrets.api_key.clone(),
            auth_url: auth.to_owned(),
        };
        let mut defaults: Vec<_> = servers.map(|(name, value)| (name, value.to_owned())).into();
        defaults.extend(shared.variables());
        defaults.extend([
            ("JWT_PRIVATE_KEY", secrets.jwt_private_key.clone()),
            // The webhook endpoints of merchants are on this machine.
            ("WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
        ]);
        Settings { defaults }
    }

    /// The first of the secrets that sign webhooks.
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

    /// Stops them; each finishes its requests and jobs first.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok((service, Err(error))) = ended {
                    tracing::warn!(
                        service,
                        error = format!("{error:#}"),
                        "the service failed to stop cleanly"
                    );
                }
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            tracing::warn!(
                "some services failed to stop in time; their jobs are retried at the next start"
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
