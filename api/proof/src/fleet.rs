//! All processes of Pawl as an operator runs them: started, killed, restarted, and measured by their CPU time.

mod connection;
mod control;
pub(crate) mod cpu;
mod database;
mod layout;
mod options;
mod process;
mod proxy;
mod run;
mod server_processes;
mod simulator;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use auth_service::{admin, demo};
use authz::{Role, StaffRole};
use infra::Env;
use serde_json::{Value, json};
use servers::{Broker, External, Home, Progress, Servers};
use sqlx::postgres::{PgPool, PgPoolOptions};

use self::control::Proxies;
use self::database::Database;
use self::layout::{API_KEY, Keys, Layout, url};
use self::process::Process;
use self::proxy::Proxy;

pub(crate) use self::connection::Connection;
pub(crate) use self::cpu::microseconds as cpu_of;
pub(crate) use self::options::{FleetOptions, Sharing};
pub(crate) use self::run::{commit, run_name};
#[cfg(test)]
pub(crate) use self::simulator::Account;
pub(crate) use self::simulator::{Ledger, Simulator};

/// The running processes and servers.
#[derive(Debug)]
pub struct Fleet {
    pub(crate) servers: Servers,
    pub(crate) pool: PgPool,
    pub(crate) http: reqwest::Client,
    pub(crate) simulator: Simulator,
    pub(crate) gateway: SocketAddr,
    pub(crate) auth: String,
    /// The address of the core service, if it was started.
    pub(crate) core: Option<String>,
    pub(crate) keys: Keys,
    /// The directory of the logs.
    pub(crate) run: PathBuf,
    /// The database of this run in a Postgres of the environment.
    database: Option<Database>,
    layout: Layout,
    proxies: Option<Proxies>,
    services: Vec<Process>,
    workers: Vec<Process>,
}

impl Fleet {
    /// Starts all services with their rate limits off, for a command that sends them requests.
    ///
    /// # Errors
    /// A server or a service does not start.
    pub async fn for_a_command(progress: &mut Progress) -> Result<Fleet> {
        let options = FleetOptions {
            name: run_name("services"),
            workers: 1,
            sharing: Sharing::Polite,
            log: "info",
            operations: true,
            // The command may receive webhooks on this machine.
            environment: vec![("WEBHOOK_ALLOW_PRIVATE", "true".to_owned())],
        };
        Fleet::start(&options, progress).await
    }

    /// The variables with which a command finds the services, and the token of an admin.
    ///
    /// # Errors
    /// The admin cannot be created or cannot log in.
    pub async fn variables(&self) -> Result<[(&'static str, String); 4]> {
        Ok([
            ("GATEWAY_URL", format!("http://{}", self.gateway)),
            ("AUTH_URL", self.auth.clone()),
            ("AUTH_API_KEY", self.keys.api_key.to_owned()),
            ("TOKEN", self.log_in_as_admin().await?),
        ])
    }

    /// Starts everything; returns when all of it answers.
    pub(crate) async fn start(options: &FleetOptions, progress: &mut Progress) -> Result<Fleet> {
        Fleet::start_behind(options, false, progress).await
    }

    /// Starts everything, with proxies between Postgres and the gateways and workers if `proxies` says so.
    pub(crate) async fn start_behind(
        options: &FleetOptions,
        proxies: bool,
        progress: &mut Progress,
    ) -> Result<Fleet> {
        let home = Home::find()?;
        let run = home.join("runs").join(&options.name);
        fs::create_dir_all(&run).with_context(|| format!("creating {}", run.display()))?;
        let (servers, database) = start_servers(&home, options.sharing, progress).await?;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect(&servers.database_url)
            .await?;
        let migrated = engine::MIGRATIONS.run(&pool).await;
        migrated.context("the database could not be migrated")?;

        progress.begin("processes");
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut layout = Layout::new(&servers, options)?;
        let proxies = if proxies {
            Some(Proxies::start(&servers.database_url, &mut layout).await?)
        } else {
            None
        };
        let mut stripe = Process::start(layout.simulator(), &run)?;
        stripe.ready(&http).await?;
        let simulator = Simulator::new(http.clone(), url(layout.simulator));
        let mut services = vec![stripe];
        let operations = options.operations.then(|| layout.core());
        for spec in [layout.auth(), layout.gateway()]
            .into_iter()
            .chain(operations)
        {
            let mut process = Process::start(spec, &run)?;
            process.ready(&http).await?;
            services.push(process);
        }
        let mut workers = Vec::new();
        for (index, address) in layout.workers.iter().enumerate() {
            workers.push(Process::start(layout.worker(index, *address), &run)?);
        }
        for worker in &mut workers {
            worker.ready(&http).await?;
        }
        auth(&http, &url(layout.auth), "register", &credentials()).await?;
        progress.done(format!(
            "gateway {}, {} workers, logs in {}",
            layout.gateway,
            workers.len(),
            run.display()
        ));
        Ok(Fleet {
            servers,
            pool,
            http,
            simulator,
            gateway: layout.gateway,
            auth: url(layout.auth),
            core: options.operations.then(|| url(layout.core)),
            keys: layout.keys.clone(),
            run,
            database,
            layout,
            proxies,
            services,
            workers,
        })
    }

    /// Starts a second gateway with other settings; its address and its process.
    pub(crate) async fn another_gateway(
        &mut self,
        environment: Vec<(&'static str, String)>,
    ) -> Result<(SocketAddr, i32)> {
        let mut process = Process::start(self.layout.another_gateway(environment), &self.run)?;
        process.ready(&self.http).await?;
        let pid = process.pid().context("the second gateway ended")?;
        self.services.push(process);
        Ok((self.layout.spare, pid))
    }

    /// The process of this name, while it runs.
    pub(crate) fn pid(&self, name: &str) -> Option<i32> {
        self.processes()
            .find(|process| process.name() == name)?
            .pid()
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Kills a worker (SIGKILL) and starts it again.
    pub(crate) async fn kill_worker(&mut self, index: usize) -> Result<()> {
        let worker = self
            .workers
            .get_mut(index)
            .with_context(|| format!("there is no worker {index}"))?;
        worker.kill_and_restart().await
    }

    /// A connection to Redis.
    pub(crate) async fn redis(&self) -> Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.servers.redis_url.as_str())?;
        client
            .get_multiplexed_async_connection()
            .await
            .context("connecting to Redis")
    }

    /// Empties Redis.
    pub(crate) async fn flush_redis(&self) -> Result<()> {
        let mut connection = self.redis().await?;
        redis::cmd("FLUSHALL")
            .query_async::<()>(&mut connection)
            .await
            .context("FLUSHALL")
    }

    /// A token of the load's user, valid for 15 minutes.
    pub(crate) async fn log_in(&self) -> Result<String> {
        token(&auth(&self.http, &self.auth, "login", &credentials()).await?)
    }

    /// A token of an admin, who is created with an account of their own.
    pub(crate) async fn log_in_as_admin(&self) -> Result<String> {
        self.log_in_as("admin", "admin@pawl.example", None).await
    }

    /// A token of the user of this address, who is made an admin of the account of this name, and gets this role of the house.
    pub(crate) async fn log_in_as(
        &self,
        account: &str,
        email: &str,
        staff: Option<StaffRole>,
    ) -> Result<String> {
        let password = "correct horse battery staple";
        let account = demo::account(&self.pool, account).await?;
        demo::user(&self.pool, account, email, &password.into(), Role::Admin).await?;
        if staff.is_some() {
            admin::set_staff(&self.pool, email, staff).await?;
        }
        let body = json!({"email": email, "password": password});
        token(&auth(&self.http, &self.auth, "login", &body).await?)
    }

    /// Restarts processes that ended by themselves, and returns their names.
    pub(crate) fn revive(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for process in self.services.iter_mut().chain(&mut self.workers) {
            if process.revive()? {
                ended.push(format!("{} ended by itself", process.name()));
            }
        }
        Ok(ended)
    }

    /// The panics in the logs.
    pub(crate) fn panics(&self) -> Result<Vec<String>> {
        let mut panics = Vec::new();
        for process in self.processes() {
            let text = fs::read_to_string(process.log())?;
            let lines = text.lines().filter(|line| line.contains("a task panicked"));
            panics.extend(lines.map(|line| format!("{}: {line}", process.name())));
        }
        Ok(panics)
    }

    /// CPU microseconds used so far, by process; the load generator is this one.
    pub(crate) async fn cpu(&self) -> Result<BTreeMap<String, u64>> {
        let mut used = cpu::microseconds(&self.pids().await?)?;
        used.insert("load generator".to_owned(), cpu::own_microseconds()?);
        Ok(used)
    }

    /// Bytes of private memory, by process (the load generator's not).
    pub(crate) async fn memory(&self) -> Result<BTreeMap<String, u64>> {
        cpu::private_bytes(&self.pids().await?)
    }

    async fn pids(&self) -> Result<BTreeMap<String, i32>> {
        let mut pids: BTreeMap<String, i32> = server_processes::find(&self.servers, &self.pool)
            .await?
            .into_iter()
            .collect();
        for process in self.processes() {
            let pid = process
                .pid()
                .with_context(|| format!("{} does not run", process.name()))?;
            pids.insert(process.name().to_owned(), pid);
        }
        Ok(pids)
    }

    /// Whether no process outside of this fleet writes to its Kafka.
    pub(crate) fn owns_kafka(&self) -> bool {
        self.servers.owns_kafka()
    }

    /// Stops all processes as an operator would (SIGTERM). `clean` also drops a database that was created for this run in
    /// a Postgres of the environment.
    ///
    /// # Errors
    /// A process does not end in time, or the database cannot be dropped.
    pub async fn stop(self, clean: bool) -> Result<()> {
        self.pool.close().await;
        for process in self
            .workers
            .into_iter()
            .chain(self.services.into_iter().rev())
        {
            process.stop().await?;
        }
        if let Some(database) = self.database.filter(|_| clean) {
            database.remove().await?;
        }
        Ok(())
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.services.iter().chain(&self.workers)
    }
}

/// Starts the servers that the environment does not name. In a Postgres of the environment a database is created.
async fn start_servers(
    home: &Home,
    sharing: Sharing,
    progress: &mut Progress,
) -> Result<(Servers, Option<Database>)> {
    let mut external = External::from_env(&Env::load());
    if sharing == Sharing::Flushes {
        external.redis_url = None;
    }
    let database = match &external.database_url {
        Some(server) => Some(Database::create(server).await?),
        None => None,
    };
    if let Some(database) = &database {
        external.database_url = Some(database.url()?);
    }
    let directory = home.temporary().await?;
    let servers = Servers::start(external, home, directory, Broker::Real, progress).await?;
    Ok((servers, database))
}

/// The credentials of the load's user.
pub(crate) fn credentials() -> Value {
    json!({"email": "load@pawl.example", "password": "correct horse battery staple"})
}

/// Registers the load's user, or logs it in.
async fn auth(http: &reqwest::Client, auth: &str, step: &str, body: &Value) -> Result<Value> {
    let request = http
        .post(format!("{auth}/api/v1/auth/{step}"))
        .header("X-API-Key", API_KEY);
    let response = request
        .json(body)
        .timeout(Duration::from_secs(10))
        .send()
        .await?;
    let status = response.status();
    let answer = response.json().await.unwrap_or_default();
    if !status.is_success() {
        bail!("{step} was answered {status}: {answer}");
    }
    Ok(answer)
}

fn token(answer: &Value) -> Result<String> {
    let token = answer["token"].as_str();
    Ok(token.context("a login without a token")?.to_owned())
}
