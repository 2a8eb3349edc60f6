//! The table of variables is what the services read, and `pawl config check` tells what is wrong before they start.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use clap::CommandFactory;
use infra::Env;
use infra::env::table;
use infra::env::variable::{Program, Unset};
use serde_json::Value;

use crate::fleet::{BOOTSTRAP_KEY, PRIVATE_KEY};
use crate::program::Workshop;

/// What `infra::main` reads for each service.
const OF_EVERY_SERVICE: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER_ARG",
    "PAWL_CRASH_AT",
    "RUST_LOG",
    "SHUTDOWN_NOTICE_SECONDS",
];

fn of_the_table(program: Program) -> BTreeSet<String> {
    let read = table::all().filter(|it| it.readers.contains(&program));
    read.map(|it| it.name.to_owned()).collect()
}

#[test]
fn each_service_reads_the_variables_that_the_table_gives_it_and_no_others() {
    for program in Program::SERVICES {
        let mut env = Env::from_pairs::<&str, &str>([]);
        match program {
            Program::Gateway => drop(gateway::Config::from_env(&mut env)),
            Program::Auth => drop(auth_service::Config::from_env(&mut env)),
            Program::Core => drop(core_service::Config::from_env(&mut env)),
            _ => drop(worker_service::Config::from_env(&mut env)),
        }
        let mut read = env.names_read();
        read.extend(OF_EVERY_SERVICE.map(str::to_owned));
        assert_eq!(read, of_the_table(program), "{}", program.name());
    }
}

#[test]
fn the_simulator_reads_the_variables_that_the_table_gives_it_and_no_others() {
    let command = stripe_simulator::Settings::command();
    let names = command.get_arguments().filter_map(|it| it.get_env());
    let mut read: BTreeSet<String> = names
        .map(|name| name.to_str().unwrap().to_owned())
        .filter(|name| !name.ends_with("_FILE") || name == "SIMULATOR_STATE_FILE")
        .collect();
    read.insert("RUST_LOG".to_owned());
    assert_eq!(read, of_the_table(Program::Simulator));
    for argument in command.get_arguments() {
        let Some(variable) = argument
            .get_env()
            .and_then(|name| table::find(name.to_str()?))
        else {
            continue;
        };
        let defaults = argument.get_default_values();
        if let (Some(default), Unset::Value(value)) = (defaults.first(), variable.unset) {
            assert_eq!(default.to_str(), Some(value), "{}", variable.name);
        }
    }
}

/// `pawl config check` with exactly these settings.
fn check(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let workshop = Workshop::new();
    Command::new(env!("CARGO_BIN_EXE_pawl"))
        .args(["config", "check"])
        .args(arguments)
        .current_dir(workshop.path())
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

const RIGHT: [(&str, &str); 7] = [
    ("DATABASE_URL", "postgres://pawl:h0rse@127.0.0.1:1/pawl"),
    ("REDIS_URL", "redis://127.0.0.1:1"),
    ("KAFKA_BROKERS", "127.0.0.1:1"),
    ("STRIPE_API_KEY", "sk_test_h0rse"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_h0rse"),
    ("AUTH_API_KEYS", BOOTSTRAP_KEY),
    ("JWT_PRIVATE_KEY", PRIVATE_KEY),
];

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_right_configuration_passes_and_shows_no_secret() {
    let output = check(&["--offline"], &RIGHT);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("The configuration is right."), "{text}");
    assert!(
        text.contains("WORKER_CONCURRENCY") && text.contains("64"),
        "{text}"
    );
    for secret in ["h0rse", BOOTSTRAP_KEY, PRIVATE_KEY] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn every_fault_of_the_services_is_named_and_only_of_those_that_are_asked_for() {
    let mut settings = RIGHT.to_vec();
    settings.extend([
        ("WORKER_LEASE_SECONDS", "5"),
        ("RATE_LIMIT_ROUTES", "POST /nowhere=3"),
        ("SIMULATOR_SEED", "many"),
    ]);
    settings.retain(|(name, _)| *name != "AUTH_API_KEYS");
    let output = check(&["--offline", "-o", "json"], &settings);
    assert_eq!(output.status.code(), Some(1));
    let faults = report(&output)["faults"].to_string();
    for name in [
        "AUTH_API_KEYS is missing",
        "WORKER_LEASE_SECONDS is 5",
        "POST /nowhere=3",
    ] {
        assert!(faults.contains(name), "{name} is not in {faults}");
    }
    assert!(!faults.contains("SIMULATOR_SEED"), "{faults}");
    let output = check(&["--offline", "--service", "core-service"], &settings);
    assert_eq!(output.status.code(), Some(0));
    let output = check(&["--offline", "--service", "stripe-simulator"], &settings);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn servers_that_cannot_be_used_are_told_with_the_cause() {
    let mut settings = RIGHT.to_vec();
    settings.push(("STRIPE_API_BASE", "http://127.0.0.1:1"));
    let output = check(&["-o", "json"], &settings);
    assert_eq!(output.status.code(), Some(2));
    let trials = report(&output)["trials"].clone();
    let trials = trials.as_array().unwrap();
    assert_eq!(trials.len(), 4, "{trials:?}");
    assert!(
        trials.iter().all(|trial| trial["ok"] == false),
        "{trials:?}"
    );
    let postgres = trials[0]["found"].as_str().unwrap();
    assert!(postgres.to_lowercase().contains("refused"), "{postgres}");
}

#[tokio::test]
async fn servers_that_run_are_found_and_a_missing_schema_is_named() {
    let database = infra::testing::TestDatabase::create(&engine::MIGRATIONS).await;
    let redis = infra::testing::redis_url();
    let Some(brokers) = infra::testing::kafka_brokers() else {
        panic!("KAFKA_BROKERS is set by `make test`");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe = format!("http://{}", listener.local_addr().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    tokio::spawn(stripe_simulator::serve(
        stripe_simulator::Config::default(),
        listener,
        stop,
    ));
    let url = database.url().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut settings = RIGHT.to_vec();
        settings.retain(|(name, _)| !["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS"].contains(name));
        settings.extend([
            ("DATABASE_URL", &*url),
            ("REDIS_URL", &redis),
            ("KAFKA_BROKERS", &brokers),
            ("STRIPE_API_BASE", &stripe),
        ]);
        check(&[], &settings)
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for found in ["schema version", "it answers", "brokers", "in test mode"] {
        assert!(text.contains(found), "{found} is not in {text}");
    }
}
