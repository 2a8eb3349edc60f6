//! `pawl services -- COMMAND`.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;

use crate::program::{Workshop, signal, wait_for};

const MOCK: [&str; 4] = ["services", "--kafka", "mock", "--"];

fn arguments<'a>(command: &[&'a str]) -> Vec<&'a str> {
    MOCK.iter().chain(command).copied().collect()
}

#[test]
fn the_command_finds_servers_that_answer_and_its_exit_code_is_passed_on() {
    let workshop = Workshop::new();
    let script = r#"psql -q "$DATABASE_URL" -c 'select 1' && redis-cli -u "$REDIS_URL" ping && [ -n "$KAFKA_BROKERS" ] && exit 7"#;
    let output = workshop
        .pawl(&arguments(&["sh", "-c", script]))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(7),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(workshop.servers(), [""; 0]);
    let left: Vec<_> = fs::read_dir(workshop.join(".pawl/services/1"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_commit_is_durable_before_it_is_acknowledged() {
    let workshop = Workshop::new();
    let script = r#"for name in fsync synchronous_commit full_page_writes; do psql -qAt "$DATABASE_URL" -c "show $name"; done"#;
    let output = workshop
        .pawl(&arguments(&["sh", "-c", script]))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "on\non\non\n");
}

#[test]
fn servers_that_the_environment_names_are_used_and_none_is_started() {
    let workshop = Workshop::new();
    let output = workshop
        .pawl(&arguments(&[
            "sh",
            "-c",
            "echo $DATABASE_URL $REDIS_URL $KAFKA_BROKERS",
        ]))
        .env("DATABASE_URL", "postgres://elsewhere/pawl")
        .env("REDIS_URL", "redis://elsewhere")
        .env("KAFKA_BROKERS", "elsewhere:9092")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        printed,
        "postgres://elsewhere/pawl redis://elsewhere elsewhere:9092\n"
    );
    assert!(!workshop.join(".pawl/services/1/postgres").exists());
}

#[test]
fn a_signal_stops_the_command_and_every_server() {
    let workshop = Workshop::new();
    let mut child = workshop
        .pawl(&arguments(&["sh", "-c", "touch running; sleep 600"]))
        .spawn()
        .unwrap();
    wait_for("the command", || workshop.join("running").exists());
    assert!(workshop.servers().len() > 2);
    signal(&child, Signal::SIGTERM);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(workshop.servers(), [""; 0]);
}

#[test]
fn a_kill_leaves_no_server_behind() {
    let workshop = Workshop::new();
    let mut child = workshop
        .pawl(&arguments(&["sh", "-c", "touch running; exec sleep 600"]))
        .spawn()
        .unwrap();
    wait_for("the command", || workshop.join("running").exists());
    signal(&child, Signal::SIGKILL);
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    wait_for("everything to end", || workshop.servers().is_empty());
}
