//! The Helm chart names variables, secrets and ports that the programs have. `infra/scripts/helm.sh` renders it.

use std::collections::BTreeSet;

use infra::env::table;

use super::boards::yaml;
use super::{names, source};

const VALUES: &str = "infra/helm/pawl/values.yaml";

/// Each service with the variable of its address.
const SERVICES: [(&str, &str); 4] = [
    ("gateway", "GATEWAY_ADDR"),
    ("auth-service", "AUTH_ADDR"),
    ("core-service", "CORE_ADDR"),
    ("worker-service", "WORKER_ADDR"),
];

/// The text of the templates and of the values.
fn chart() -> String {
    source::files("infra/helm/pawl/templates", "")
        .into_iter()
        .chain([VALUES.to_owned()])
        .map(|it| source::read(&it))
        .collect()
}

#[test]
fn each_variable_of_the_chart_is_read_by_the_programs() {
    let chart = chart();
    let found: BTreeSet<&str> = names::variables(&chart).collect();
    assert!(found.len() > 15, "{found:?}");
    let unknown: Vec<_> = found
        .iter()
        .filter(|name| table::all().all(|it| it.name != **name))
        .collect();
    assert!(unknown.is_empty(), "no program reads {unknown:?}");
}

#[test]
fn each_secret_of_the_programs_is_given_by_reference() {
    let helpers = source::read("infra/helm/pawl/templates/_helpers.tpl");
    let entries = yaml(VALUES)["secrets"].clone();
    let given: BTreeSet<(&str, &str)> = helpers
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| table::all().any(|it| it.secret && it.name == *name))
        .collect();
    assert_eq!(given.len(), entries.as_object().unwrap().len(), "{given:?}");
    for (name, entry) in given {
        assert!(entries[entry]["key"].is_string(), "{name}: {entry}");
    }
}

#[test]
fn each_port_of_the_chart_is_that_of_its_image() {
    let values = yaml(VALUES);
    let dockerfile = source::read("infra/docker/Dockerfile");
    for (service, variable) in SERVICES {
        let port = &values[service]["port"];
        let line = format!("ENV {variable}=0.0.0.0:{port}\nEXPOSE {port}\n");
        assert!(dockerfile.contains(&line), "{service}: {line}");
    }
}
