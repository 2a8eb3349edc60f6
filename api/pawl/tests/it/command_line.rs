//! The command lines of the services, as containers and people use them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::fleet::{BOOTSTRAP_KEY, Fleet, PRIVATE_KEY};
use crate::program::{Workshop, signal, wait_for};

const SERVICES: [(&str, &str); 4] = [
    ("gateway", "GATEWAY_ADDR"),
    ("auth-service", "AUTH_ADDR"),
    ("core-service", "CORE_ADDR"),
    ("worker-service", "WORKER_ADDR"),
];

/// Runs a binary in an empty directory with complete settings, where it finds its service at this address.
fn run(binary: &str, argument: &str, address: (&str, &str)) -> Output {
    let workshop = Workshop::new();
    Command::new(Path::new(env!("CARGO_BIN_EXE_pawl")).with_file_name(binary))
        .arg(argument)
        .current_dir(workshop.path())
        .env_clear()
        .envs([
            ("DATABASE_URL", "postgres://127.0.0.1:1/pawl"),
            ("REDIS_URL", "redis://127.0.0.1:1"),
            ("KAFKA_BROKERS", "127.0.0.1:1"),
            ("STRIPE_API_KEY", "sk_test_of_a_health_check"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_of_a_health_check"),
            ("AUTH_API_KEYS", BOOTSTRAP_KEY),
            ("JWT_PRIVATE_KEY", PRIVATE_KEY),
            ("JWT_JWKS_URL", "http://127.0.0.1:1/jwks.json"),
            address,
        ])
        .output()
        .unwrap()
}

#[test]
fn help_and_version_need_no_settings_and_unknown_arguments_are_refused() {
    for (binary, _) in SERVICES.into_iter().chain([("stripe-simulator", "")]) {
        let none = ("UNUSED", "");
        let help = run(binary, "--help", none);
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(
            help.status.success() && text.contains("--healthcheck"),
            "{binary}: {text}"
        );
        let version = run(binary, "--version", none);
        let text = String::from_utf8(version.stdout).unwrap();
        assert_eq!(text, format!("{binary} {}\n", env!("CARGO_PKG_VERSION")));
        let unknown = run(binary, "--port", none);
        assert_eq!(unknown.status.code(), Some(2), "{binary}");
    }
}

#[test]
fn the_health_check_fails_where_nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    for (binary, variable) in SERVICES
        .into_iter()
        .chain([("stripe-simulator", "SIMULATOR_ADDR")])
    {
        let check = run(binary, "--healthcheck", (variable, &address));
        assert_eq!(check.status.code(), Some(1), "{binary}");
        let reason = String::from_utf8(check.stderr).unwrap();
        assert!(reason.contains(&address), "{binary}: {reason}");
    }
}

#[tokio::test]
async fn the_health_check_says_whether_a_service_is_ready_or_runs() {
    let fleet = Fleet::start(&[("RUST_LOG", "warn"), ("SHUTDOWN_NOTICE_SECONDS", "20")]).await;
    let check = |fleet: &Fleet, binary: &str, variable: &str, argument: &str| {
        let address = fleet.variable(variable).to_owned();
        let address = address.replace("127.0.0.1", "0.0.0.0");
        run(binary, argument, (variable, &address)).status.code()
    };
    for (binary, variable) in SERVICES
        .into_iter()
        .chain([("stripe-simulator", "SIMULATOR_ADDR")])
    {
        assert_eq!(
            check(&fleet, binary, variable, "--healthcheck"),
            Some(0),
            "{binary}"
        );
    }
    // Told to stop, a service is not ready while a client's connection is open; but it runs.
    let address = fleet.variable("GATEWAY_ADDR").to_owned();
    let open = std::net::TcpStream::connect(address).unwrap();
    signal(fleet.process("gateway"), Signal::SIGTERM);
    wait_for("the gateway to be unready", || {
        check(&fleet, "gateway", "GATEWAY_ADDR", "--healthcheck") == Some(1)
    });
    assert_eq!(
        check(&fleet, "gateway", "GATEWAY_ADDR", "--healthcheck=live"),
        Some(0)
    );
    drop(open);
}
