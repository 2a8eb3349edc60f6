//! infra/compose.yml keeps what the documents promise of it. Docker itself reads it in `make compose-test`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::boards::yaml;
use super::source;

const FILE: &str = "infra/compose.yml";
/// The services that are programs of ours.
const OURS: [&str; 5] = [
    "gateway",
    "auth-service",
    "core-service",
    "worker-service",
    "stripe-simulator",
];

fn services() -> Map<String, Value> {
    let compose = yaml(FILE);
    compose["services"].as_object().unwrap().clone()
}

#[test]
fn each_image_has_a_version() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let (_, version) = image
            .split_once(':')
            .unwrap_or_else(|| panic!("{name}: {image}"));
        let is_pinned = version.contains('.') && version.contains(|it: char| it.is_ascii_digit());
        assert!(is_pinned || image.starts_with("pawl/"), "{name}: {image}");
    }
}

#[test]
fn only_the_load_balancer_is_published_beyond_loopback() {
    for (name, service) in services() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap();
            let is_public =
                name == "haproxy" && (port.ends_with(":8080") || port.ends_with(":8443"));
            assert_eq!(!port.starts_with("127.0.0.1:"), is_public, "{name}: {port}");
        }
    }
}

#[test]
fn our_programs_run_without_rights_on_a_read_only_system_within_limits() {
    for (name, service) in services() {
        if !service["image"].as_str().unwrap().starts_with("pawl/") {
            continue;
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["user"], "65532:65532", "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        if OURS.contains(&&*name) {
            let limits = &service["deploy"]["resources"]["limits"];
            assert!(
                limits["memory"].is_string() && limits["cpus"].is_string(),
                "{name}"
            );
        }
    }
}

#[test]
fn each_program_is_a_target_with_a_health_check() {
    let dockerfile = source::read("infra/docker/Dockerfile");
    for name in OURS {
        let stage = dockerfile
            .split(&format!("FROM runtime AS {name}\n"))
            .nth(1);
        let stage = stage.unwrap_or_else(|| panic!("the Dockerfile has no target {name}"));
        let stage = stage.split("\nFROM ").next().unwrap();
        let check = format!("CMD [\"/usr/local/bin/{name}\", \"--healthcheck\"]");
        assert!(stage.contains(&check), "{name}");
    }
    for (name, service) in services() {
        let Some(needs) = service["depends_on"].as_object() else {
            continue;
        };
        for (other, need) in needs {
            assert!(services().contains_key(other), "{name} needs {other}");
            assert!(need["condition"].is_string(), "{name} needs {other}");
        }
    }
}

#[test]
fn each_variable_is_explained() {
    let page = source::read("docs/deployment.md");
    let text = source::read(FILE);
    let variables: BTreeSet<&str> = text
        .split("${")
        .skip(1)
        .map(|it| it.split([':', '}']).next().unwrap())
        .collect();
    assert!(variables.len() > 10, "{variables:?}");
    let missing: Vec<_> = variables
        .iter()
        .filter(|it| !page.contains(&format!("`{it}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/deployment.md explains no {missing:?}"
    );
}
