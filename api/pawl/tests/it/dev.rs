//! `pawl dev` and `pawl reset`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::{Workshop, signal, wait_for};

const ADDRESSES: [&str; 5] = [
    "GATEWAY_ADDR",
    "AUTH_ADDR",
    "CORE_ADDR",
    "WORKER_ADDR",
    "SIMULATOR_ADDR",
];

/// A running `pawl dev`, which stops with all that it started when a test fails before it stops it.
pub(crate) struct Dev<'a> {
    workshop: &'a Workshop,
    child: Child,
    /// The content of `.pawl/dev.json`.
    pub(crate) facts: Value,
}

/// `pawl dev` on ports of its own without demonstration payments, as soon as it says that it is ready.
pub(crate) fn start(workshop: &Workshop) -> Dev<'_> {
    start_with(workshop, &["--no-demo"])
}

/// [`start`] with these options.
pub(crate) fn start_with<'a>(workshop: &'a Workshop, options: &[&str]) -> Dev<'a> {
    let mut command = workshop.pawl(&[&["dev"], options].concat());
    for name in ADDRESSES {
        command.env(name, "127.0.0.1:0");
    }
    let output = fs::File::create(workshop.join("output")).unwrap();
    let child = command.stdout(output).spawn().unwrap();
    let mut dev = Dev {
        workshop,
        child,
        facts: Value::Null,
    };
    wait_for("ready", || {
        assert!(dev.child.try_wait().unwrap().is_none(), "pawl dev ended");
        fs::read_to_string(workshop.join("output"))
            .unwrap()
            .lines()
            .any(|line| line.starts_with("ready"))
    });
    let facts = fs::read(workshop.join(".pawl/dev.json")).unwrap();
    dev.facts = serde_json::from_slice(&facts).unwrap();
    dev
}

impl Dev<'_> {
    /// Stops it as Ctrl-C does, and checks that nothing of it is left.
    pub(crate) fn stop(mut self) {
        signal(&self.child, Signal::SIGTERM);
        assert!(self.child.wait().unwrap().success());
        assert_eq!(self.workshop.servers(), [""; 0]);
    }

    /// Kills it alone, as the system does when memory is short.
    fn kill(mut self) {
        signal(&self.child, Signal::SIGKILL);
        self.child.wait().unwrap();
    }
}

impl Drop for Dev<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(&self.child, Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// Runs the printed line with this path, as a person who pastes it.
pub(crate) fn paste(workshop: &Workshop, path: &str) -> Value {
    let output = fs::read_to_string(workshop.join("output")).unwrap();
    let line = output
        .lines()
        .find(|line| line.contains("curl") && line.contains(path))
        .unwrap();
    let answer = std::process::Command::new("sh")
        .args(["-c", line])
        .output()
        .unwrap();
    serde_json::from_slice(&answer.stdout)
        .unwrap_or_else(|_| panic!("{line}\n{}", String::from_utf8_lossy(&answer.stdout)))
}

#[test]
fn the_lines_it_prints_work_and_its_payments_are_found_again() {
    let workshop = Workshop::new();
    let dev = start(&workshop);
    let facts = dev.facts.clone();
    for name in [
        "gateway",
        "auth",
        "core",
        "worker",
        "simulator",
        "database_url",
        "redis_url",
        "kafka_brokers",
        "api_key",
        "webhook_secret",
    ] {
        assert!(
            facts[name].as_str().is_some_and(|value| !value.is_empty()),
            "{name} in {facts}"
        );
    }
    for person in ["user", "operator"] {
        assert!(facts[person]["email"].is_string() && facts[person]["password"].is_string());
    }
    let mode = fs::metadata(workshop.join(".pawl/dev.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let payment = paste(&workshop, "Prefer");
    assert_eq!(payment["status"], "succeeded", "{payment}");
    let listed = paste(&workshop, "limit=1");
    assert_eq!(listed["data"][0]["id"], payment["id"]);
    let login = paste(&workshop, "login");
    assert!(login["token"].is_string(), "{login}");
    dev.stop();

    let begun = Instant::now();
    let dev = start(&workshop);
    assert!(begun.elapsed().as_secs() < 10, "took {:?}", begun.elapsed());
    assert_eq!(dev.facts["api_key"], facts["api_key"]);
    assert_eq!(paste(&workshop, "limit=1")["data"][0]["id"], payment["id"]);

    let refused = workshop.pawl(&["reset"]).output().unwrap();
    assert!(!refused.status.success());
    dev.stop();
    assert!(
        workshop
            .pawl(&["reset"])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert!(!workshop.join(".pawl/dev.json").exists());
    assert_eq!(fs::read_dir(workshop.join(".pawl/dev")).unwrap().count(), 0);
}

#[test]
fn the_servers_of_a_killed_process_are_replaced() {
    let workshop = Workshop::new();
    let dev = start(&workshop);
    let payment = paste(&workshop, "Prefer");
    workshop.kill_guards();
    dev.kill();
    assert!(!workshop.servers().is_empty());
    let dev = start(&workshop);
    assert_eq!(paste(&workshop, "limit=1")["data"][0]["id"], payment["id"]);
    dev.stop();
}

#[test]
fn an_early_signal_leaves_nothing_running() {
    let workshop = Workshop::new();
    let mut child = workshop
        .pawl(&["dev"])
        .envs(ADDRESSES.map(|name| (name, "127.0.0.1:0")))
        .spawn()
        .unwrap();
    wait_for("a server", || {
        workshop.join(".pawl/dev/postgres.log").exists()
    });
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // A helper process of initdb (`postgres -V`) ends by itself a moment later.
    wait_for("the end of all of it", || workshop.servers().is_empty());
}

#[test]
fn a_busy_port_is_named_before_anything_starts() {
    let workshop = Workshop::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = workshop
        .pawl(&["dev"])
        .envs(ADDRESSES.map(|name| (name, "127.0.0.1:0")))
        .env("CORE_ADDR", address.to_string())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("CORE_ADDR") && error.contains(&address.port().to_string()),
        "{error}"
    );
    assert!(!workshop.join(".pawl/dev/postgres").exists());
}

#[test]
fn every_fault_of_the_environment_is_named_at_once() {
    let workshop = Workshop::new();
    let output = workshop
        .pawl(&["dev"])
        .env("GATEWAY_ADDR", "here")
        .env("WORKER_CONCURRENCY", "many")
        .env("JWT_PRIVATE_KEY", "secret")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    for name in ["GATEWAY_ADDR", "WORKER_CONCURRENCY", "JWT_PRIVATE_KEY"] {
        assert!(error.contains(name), "{name} is not in {error}");
    }
}

/// What `pawl trigger` prints for a scenario.
fn trigger(workshop: &Workshop, scenario: &str) -> String {
    let output = workshop.pawl(&["trigger", scenario]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario}: {text}{error}");
    text
}

#[test]
fn each_scenario_that_is_listed_happens() {
    let workshop = Workshop::new();
    let without = workshop.pawl(&["trigger", "refund"]).output().unwrap();
    assert!(String::from_utf8_lossy(&without.stderr).contains("make run"));
    let dev = start(&workshop);
    let ends = [
        ("payment-succeeds", "succeeded"),
        ("payment-declined", "requires_payment_method card_declined"),
        (
            "insufficient-funds",
            "requires_payment_method card_declined",
        ),
        ("three-d-secure", "succeeded"),
        ("three-d-secure-fails", "requires_payment_method"),
        ("partial-capture", "succeeded"),
        ("cancel", "canceled"),
        ("refund", "succeeded"),
        ("late-refund-failure", "failed"),
        ("dispute", "succeeded"),
        ("fraud-warning", "succeeded"),
    ];
    let table = workshop.pawl(&["trigger", "--list"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    let listed = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap());
    assert!(listed.eq(ends.iter().map(|(name, _)| *name)), "{table}");
    for (scenario, end) in ends {
        let text = trigger(&workshop, scenario);
        let last = text.lines().last().unwrap();
        assert!(last.contains(end), "{scenario}: {text}");
    }
    dev.stop();
}
