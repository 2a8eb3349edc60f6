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

#[test]
fn each_mounted_file_exists() {
    let mut count = 0;
    for (name, service) in services() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let path = volume.as_str().unwrap().split(':').next().unwrap();
            if let Some(path) = path.strip_prefix("./") {
                assert!(source::exists(&format!("infra/{path}")), "{name}: {path}");
                count += 1;
            }
        }
    }
    assert!(count > 5, "{count} paths only");
}

#[test]
fn boards_and_metrics_are_read_from_services_and_ports_that_exist() {
    let services = services();
    let dockerfile = source::read("infra/docker/Dockerfile");
    let prometheus = yaml("infra/observability/prometheus.yml");
    let targets = prometheus["scrape_configs"][0]["dns_sd_configs"].clone();
    for target in targets.as_array().unwrap() {
        let name = target["names"][0].as_str().unwrap();
        let stage = dockerfile
            .split(&format!("FROM runtime AS {name}\n"))
            .nth(1);
        let stage = stage.unwrap().split("\nFROM ").next().unwrap();
        let line = format!("\nEXPOSE {}\n", target["port"]);
        assert!(
            services.contains_key(name) && stage.contains(&line),
            "{name}"
        );
    }
    let sources = yaml("infra/observability/grafana/provisioning/datasources/pawl.yml");
    for source in sources["datasources"].as_array().unwrap() {
        let url = source["url"].as_str().unwrap();
        let (name, port) = url
            .strip_prefix("http://")
            .and_then(|it| it.split_once(':'))
            .unwrap();
        // The port is published too.
        let published = services[name]["ports"][0].as_str().unwrap();
        assert!(published.ends_with(&format!(":{port}")), "{url}");
    }
    let boards = yaml("infra/observability/grafana/provisioning/dashboards/pawl.yml");
    let folder = boards["providers"][0]["options"]["path"].as_str().unwrap();
    let mounted = format!("./observability/grafana/dashboards:{folder}:ro");
    let volumes = services["grafana"]["volumes"].as_array().unwrap();
    assert!(volumes.contains(&Value::from(mounted)), "{volumes:?}");
}
