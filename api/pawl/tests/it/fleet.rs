//! Every service as a process of its own, on private servers, with its output.

use std::fs;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::program::{Workshop, signal, wait_for};

/// The time in which an awaited event must happen.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const STRIPE_KEY: &str = "sk_test_51PawlTelemetry0123456789abcdef";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_PawlTelemetry0123456789abcdef";
/// The API key that the auth service accepts at its start.
pub(crate) const BOOTSTRAP_KEY: &str = "pawl_bootstrap_telemetry_0123456789";
/// PKCS#8 of an Ed25519 key that signs nothing else.
pub(crate) const PRIVATE_KEY: &str =
    "MC4CAQAwBQYDK2VwBCIEIHRlbGVtZXRyeSB0ZXN0cyBzaWduIHdpdGggdGhpcyEh";

/// The binary of a process, and the variable with its address.
const PROCESSES: [(&str, &str); 5] = [
    ("stripe-simulator", "SIMULATOR_ADDR"),
    ("auth-service", "AUTH_ADDR"),
    ("gateway", "GATEWAY_ADDR"),
    ("core-service", "CORE_ADDR"),
    ("worker-service", "WORKER_ADDR"),
];

/// The running system.
pub(crate) struct Fleet {
    workshop: Workshop,
    servers: Child,
    processes: Vec<Child>,
    environment: Vec<(String, String)>,
    http: Client,
    /// The merchant's API key.
    pub(crate) api_key: String,
}

impl Fleet {
    /// Starts everything with more environment variables; returns when all of it answers.
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let workshop = Workshop::new();
        let servers = workshop
            .pawl(&["services", "--kafka", "mock", "--"])
            .args([
                "sh",
                "-c",
                "env >servers.tmp && mv servers.tmp servers && exec sleep 600",
            ])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the servers", || workshop.join("servers").exists());
        let lines = fs::read_to_string(workshop.join("servers")).unwrap();
        let mut environment: Vec<(String, String)> = lines
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| ["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS"].contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(environment.len(), 3, "{lines}");

        let addresses = free_addresses(PROCESSES.len());
        let at = |name: &str| {
            let place = PROCESSES.iter().position(|(binary, _)| *binary == name);
            format!("http://{}", addresses[place.unwrap()])
        };
        let settings = [
            ("STRIPE_API_KEY", STRIPE_KEY.to_owned()),
            ("STRIPE_API_BASE", at("stripe-simulator")),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            (
                "SIMULATOR_WEBHOOK_URL",
                format!("{}/webhooks/stripe", at("gateway")),
            ),
            ("AUTH_API_KEYS", BOOTSTRAP_KEY.to_owned()),
            ("JWT_PRIVATE_KEY", PRIVATE_KEY.to_owned()),
            (
                "JWT_JWKS_URL",
                format!("{}/.well-known/jwks.json", at("auth-service")),
            ),
            ("RATE_LIMIT_USER_PER_MINUTE", "0".to_owned()),
            ("RATE_LIMIT_IP_PER_MINUTE", "0".to_owned()),
            ("RATE_LIMIT_KEY_PER_MINUTE", "0".to_owned()),
        ];
        environment.extend(settings.map(|(name, value)| (name.to_owned(), value)));
        environment.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        for ((_, variable), address) in PROCESSES.iter().zip(&addresses) {
            environment.push(((*variable).to_owned(), address.to_string()));
        }
        let mut fleet = Self {
            servers,
            processes: Vec::new(),
            environment,
            http: Client::builder().no_proxy().build().unwrap(),
            api_key: String::new(),
            workshop,
        };
        fleet.prepare();
        for (binary, _) in PROCESSES {
            let process = fleet.spawn(binary);
            fleet.processes.push(process);
            fleet.answers(binary).await;
        }
        fleet
    }

    /// Creates the schema, and the account with its API key.
    fn prepare(&mut self) {
        for command in ["migrate", "seed"] {
            let done = self
                .workshop
                .pawl(&[command])
                .envs(self.environment.iter().cloned())
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        let secrets = fs::read(self.workshop.join(".pawl/dev/secrets.json")).unwrap();
        let secrets: Value = serde_json::from_slice(&secrets).unwrap();
        self.api_key = secrets["api_key"].as_str().unwrap().into();
    }

    fn spawn(&self, binary: &str) -> Child {
        self.spawn_as(binary, binary, &[])
    }

    /// Starts a process of this binary with more environment variables; its output goes to the log of that name.
    pub(crate) fn spawn_as(&self, binary: &str, log: &str, more: &[(&str, String)]) -> Child {
        // Beside the tests' own directory.
        let path = Path::new(env!("CARGO_BIN_EXE_pawl")).with_file_name(binary);
        assert!(
            path.is_file(),
            "{binary} is not built: cargo build -p {binary}"
        );
        let output = File::create(self.log(log)).unwrap();
        Command::new(path)
            .current_dir(self.workshop.path())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap()
    }

    async fn answers(&mut self, binary: &str) {
        let deadline = Instant::now() + PATIENCE;
        let health = format!("{}/health", self.url(binary));
        while !self
            .http
            .get(&health)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(
                Instant::now() < deadline,
                "{binary} does not answer:\n{}",
                self.wrote(binary)
            );
            let ended = self.processes.last_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{binary} ended:\n{}", self.wrote(binary));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process of this binary.
    pub(crate) fn process(&self, binary: &str) -> &Child {
        let place = PROCESSES.iter().position(|(name, _)| *name == binary);
        &self.processes[place.unwrap()]
    }

    /// The base of a service's addresses.
    pub(crate) fn url(&self, binary: &str) -> String {
        let (_, variable) = PROCESSES.iter().find(|(name, _)| *name == binary).unwrap();
        format!("http://{}", self.variable(variable))
    }

    /// An environment variable of the processes.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self
            .environment
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        &found.unwrap().1
    }

    /// A POST of JSON to a service.
    pub(crate) fn post(&self, binary: &str, path: &str, body: &Value) -> RequestBuilder {
        self.http
            .post(format!("{}{path}", self.url(binary)))
            .json(body)
    }

    /// Replaces the simulator's faults.
    pub(crate) async fn inject(&self, rules: Value) {
        let put = self
            .http
            .put(format!("{}/_sim/faults", self.url("stripe-simulator")));
        let answer = put.json(&json!({ "rules": rules })).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
    }

    /// Pays 12 EUR and waits for the result.
    pub(crate) fn pay(&self, method: &str, key: &str) -> RequestBuilder {
        let body =
            json!({"amount": 1200, "currency": "eur", "payment_method": method, "confirm": true});
        self.post("gateway", "/api/v1/payments", &body)
            .header("Idempotency-Key", key)
            .header("Prefer", "wait=20")
    }

    /// The page `/metrics` of a service.
    pub(crate) async fn metrics(&self, binary: &str) -> String {
        let page = format!("{}/metrics", self.url(binary));
        let page = self.http.get(page).send().await.unwrap();
        page.error_for_status().unwrap().text().await.unwrap()
    }

    /// The sum of a metric of a service over those of its series whose labels hold this.
    pub(crate) async fn metric(&self, binary: &str, name: &str, labels: &str) -> f64 {
        let page = self.metrics(binary).await;
        page.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(name) && series.contains(labels))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has reached this.
    pub(crate) async fn reaches(&self, binary: &str, name: &str, labels: &str, least: f64) {
        let deadline = Instant::now() + PATIENCE;
        while self.metric(binary, name, labels).await < least {
            assert!(Instant::now() < deadline, "{name} never reached {least}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends all processes and waits for them; the servers continue.
    pub(crate) fn stop(&mut self) {
        for mut process in self.processes.drain(..).rev() {
            signal(&process, Signal::SIGTERM);
            assert!(process.wait().unwrap().success());
        }
    }

    /// The directory of the logs.
    pub(crate) fn directory(&self) -> &Path {
        self.workshop.path()
    }

    /// The output of a process so far.
    pub(crate) fn wrote(&self, binary: &str) -> String {
        fs::read_to_string(self.log(binary)).unwrap()
    }

    /// The output of every process so far, by the name of its binary.
    pub(crate) fn output(&self) -> Vec<(&'static str, String)> {
        PROCESSES
            .map(|(binary, _)| (binary, self.wrote(binary)))
            .into()
    }

    fn log(&self, binary: &str) -> std::path::PathBuf {
        self.workshop.join(&format!("{binary}.log"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        signal(&self.servers, Signal::SIGTERM);
        let _ = self.servers.wait();
    }
}

/// Sends a request, and returns the JSON of its answer, which must have this status.
pub(crate) async fn ask(request: RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.unwrap();
    let seen = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(seen, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Free addresses of this machine, outside of the range from which connections get ports, so that no connection takes one.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let first = 12_000 + u16::try_from(std::process::id() % 6_000).unwrap();
    let start =
        first + u16::try_from(NEXT.fetch_add(50, std::sync::atomic::Ordering::Relaxed)).unwrap();
    (start..20_000)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .filter(|address| TcpListener::bind(address).is_ok())
        .take(count)
        .collect()
}

/// Tests of this process that run at the same time look in different places.
static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
