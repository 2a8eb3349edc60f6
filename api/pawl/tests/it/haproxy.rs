//! Debian's HAProxy with the configuration of this repository.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::Client;

use crate::program::signal;

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/haproxy.cfg");

/// A running HAProxy; it ends with this value.
pub(crate) struct HaProxy {
    process: Child,
    log: PathBuf,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where clients connect with TLS, if there is a certificate.
    pub(crate) over_tls: SocketAddr,
    /// Where operators find the statistics.
    pub(crate) operators: SocketAddr,
}

impl HaProxy {
    /// Starts it before these gateways, with a log in `directory`; returns once all of them passed their health checks.
    pub(crate) async fn start(
        directory: &Path,
        gateways: &[SocketAddr],
        certificate: Option<&Path>,
    ) -> HaProxy {
        let [address, over_tls, operators] = free();
        let log = directory.join("haproxy.log");
        let output = fs::File::create(&log).unwrap();
        let mut command = Command::new("haproxy");
        command
            .args(["-db", "-f", CONFIGURATION])
            .env_clear()
            // Debian has it where only root looks.
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin",
            )
            .env("PROXY_BIND", address.to_string())
            .env("TLS_BIND", over_tls.to_string())
            .env("STATS_BIND", operators.to_string())
            .envs(
                gateways
                    .iter()
                    .enumerate()
                    .map(|(at, gateway)| (format!("GATEWAY_{}", at + 1), gateway.to_string())),
            )
            .envs(certificate.map(|file| ("TLS_CERTIFICATE", file)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        let process = command
            .spawn()
            .expect("haproxy is installed: infra/scripts/setup.sh test");
        let mut proxy = HaProxy {
            process,
            log,
            address,
            over_tls,
            operators,
        };
        proxy.has_gateways(gateways.len()).await;
        proxy
    }

    /// Waits until so many gateways pass their health checks.
    pub(crate) async fn has_gateways(&mut self, count: usize) {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let up = self.servers().await;
            let up = up.iter().filter(|server| server.is_up).count();
            if up == count {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            let wrote = fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none(), "haproxy ended:\n{wrote}");
            assert!(
                Instant::now() < deadline,
                "{up} gateways are up and not {count}:\n{wrote}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The gateways as its statistics show them; none while it does not answer.
    pub(crate) async fn servers(&self) -> Vec<Server> {
        let url = format!("http://{}/stats;csv", self.operators);
        let http = Client::builder().no_proxy().build().unwrap();
        let Ok(answer) = http.get(url).send().await else {
            return Vec::new();
        };
        let table = answer.text().await.unwrap();
        let mut lines = table.lines();
        let names: Vec<&str> = lines
            .next()
            .unwrap()
            .trim_start_matches("# ")
            .split(',')
            .collect();
        let rows = lines.map(|line| {
            let values: Vec<&str> = line.split(',').collect();
            let names = &names;
            move |name: &str| values[names.iter().position(|it| *it == name).unwrap()].to_owned()
        });
        rows.filter(|row| row("pxname") == "gateways" && row("svname").starts_with("gateway"))
            .map(|row| Server {
                is_up: row("status").starts_with("UP"),
                sent: number(&row("stot")),
                tried_again: number(&row("wretr")) + number(&row("wredis")),
            })
            .collect()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, kind: Signal) {
        signal(&self.process, kind);
    }

    /// Waits for its end; whether that was a success.
    pub(crate) fn ended(&mut self) -> bool {
        self.process.wait().unwrap().success()
    }

    /// Its output so far.
    pub(crate) fn wrote(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The base of clients' addresses.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A gateway in the statistics.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) is_up: bool,
    /// The requests that it was sent.
    pub(crate) sent: u64,
    /// The requests that were tried again, here or elsewhere, after this gateway failed.
    pub(crate) tried_again: u64,
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

/// Free addresses, outside of the range from which connections get ports.
fn free<const N: usize>() -> [SocketAddr; N] {
    crate::fleet::free_addresses(N).try_into().unwrap()
}
