//! Grafana's boards and Prometheus' alerts name metrics that the program has, with labels that they have, and sections of
//! the documents that exist.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenTree;
use serde_json::Value;

use super::tokens::{each_literal, inner, is_ident, tokens};
use super::{documents, source};

const BOARDS: &str = "infra/observability/grafana/dashboards";
const ALERTS: &str = "infra/observability/alerts.yml";
const RUNBOOK: &str = "docs/runbook.md";

/// Labels that Prometheus itself adds, and those of histograms.
const ADDED: [&str; 3] = ["le", "instance", "job"];
/// HAProxy's own metrics that the boards may name, with their labels: `pawl proxied` reads them from a running HAProxy.
const OF_HAPROXY: [(&str, &[&str]); 2] = [
    ("haproxy_backend_active_servers", &["proxy"]),
    (
        "haproxy_server_http_responses_total",
        &["proxy", "server", "code"],
    ),
];

#[test]
fn each_metric_and_label_of_boards_and_alerts_exists() {
    let known = metrics();
    assert!(known.len() > 20, "{known:?}");
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (place, expression) in expressions() {
        let names = names(&expression);
        let found: Vec<_> = names.iter().filter_map(|it| known.get(it)).collect();
        let missing: Vec<_> = names.iter().filter(|it| !known.contains_key(*it)).collect();
        if names.is_empty() || !missing.is_empty() {
            wrong.push(format!("{place}: {expression}: no metric {missing:?}"));
        }
        let labels: BTreeSet<&String> = found.into_iter().flatten().collect();
        for label in labels_of(&expression) {
            if !labels.contains(&label) && !ADDED.contains(&&*label) {
                wrong.push(format!("{place}: {expression}: no label {label}"));
            }
        }
        used.extend(names);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unseen: Vec<_> = known.keys().filter(|it| !used.contains(*it)).collect();
    assert!(unseen.is_empty(), "no board shows {unseen:?}");
}

#[test]
fn each_alert_names_a_section_that_says_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() > 5, "{alerts:?}");
    let headings = documents::headings(&source::read(RUNBOOK));
    for alert in alerts {
        let section = alert["annotations"]["runbook"].as_str();
        let anchor = section
            .and_then(|it| it.strip_prefix(RUNBOOK)?.strip_prefix('#'))
            .unwrap_or_else(|| panic!("this names no section of {RUNBOOK}: {alert}"));
        assert!(headings.contains(anchor), "{RUNBOOK} has no #{anchor}");
        assert!(alert["labels"]["severity"].is_string(), "{alert}");
    }
}

#[test]
fn each_board_has_an_id_of_its_own_and_panels_of_a_known_source() {
    let sources = yaml("infra/observability/grafana/provisioning/datasources/pawl.yml");
    let sources: BTreeSet<&str> = list(&sources["datasources"])
        .map(|it| it["uid"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (file, board) in boards() {
        let id = board["uid"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "{file}: its uid is another board's");
        for panel in list(&board["panels"]) {
            let source = panel["datasource"]["uid"].as_str().unwrap();
            assert!(sources.contains(source), "{file}: {panel}");
        }
    }
    assert!(ids.len() >= 5, "{ids:?}");
}

/// The metrics that the program declares, and HAProxy's, with the names of their labels.
fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = OF_HAPROXY
        .iter()
        .map(|(name, labels)| {
            let labels = labels.iter().map(|it| (*it).to_owned()).collect();
            ((*name).to_owned(), labels)
        })
        .collect();
    for file in source::packages().iter().flat_map(source::sources) {
        declared(&tokens(&file), &mut found);
    }
    found
}

/// Adds each `Counters::new(name, help, labels)`, `Gauges::new(…)` and `Histograms::new(…)`.
fn declared(tokens: &[TokenTree], found: &mut BTreeMap<String, BTreeSet<String>>) {
    for (at, token) in tokens.iter().enumerate() {
        let Some(inner) = inner(token) else { continue };
        let is_new = at > 3 && is_ident(tokens.get(at - 1), "new");
        let kind = tokens.get(at.wrapping_sub(4));
        if is_new
            && ["Counters", "Gauges", "Histograms"]
                .iter()
                .any(|it| is_ident(kind, it))
        {
            let mut texts = Vec::new();
            each_literal(&inner, &mut |text| {
                texts.push(text.trim_matches('"').to_owned());
            });
            let labels = texts.split_off(texts.len().min(2));
            found.insert(texts.swap_remove(0), labels.into_iter().collect());
        }
        declared(&inner, found);
    }
}

/// Every expression of boards and alerts, with its place.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, board) in boards() {
        for panel in list(&board["panels"]) {
            for target in list(&panel["targets"]) {
                let expression = target["expr"].as_str().unwrap();
                found.push((file.clone(), expression.to_owned()));
            }
        }
    }
    for alert in alerts() {
        found.push((
            ALERTS.to_owned(),
            alert["expr"].as_str().unwrap().to_owned(),
        ));
    }
    found
}

/// The metrics that an expression names; the series of a histogram are the histogram.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    words
        .filter(|it| it.starts_with("pawl_") || it.starts_with("haproxy_"))
        .map(|it| it.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// The labels that an expression groups by or compares.
fn labels_of(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for word in ["by (", "ignoring ("] {
        for part in expression.split(word).skip(1) {
            let inside = part.split(')').next().unwrap();
            labels.extend(inside.split(',').map(|it| it.trim().to_owned()));
        }
    }
    for part in expression.split('{').skip(1) {
        let inside = part.split('}').next().unwrap();
        let names = inside
            .split(',')
            .filter_map(|it| it.split(['=', '!']).next());
        labels.extend(names.map(|it| it.trim().to_owned()));
    }
    labels
}

fn boards() -> Vec<(String, Value)> {
    let files = source::files(BOARDS, ".json");
    files
        .into_iter()
        .map(|file| {
            let board = serde_json::from_str(&source::read(&file)).unwrap();
            (file, board)
        })
        .collect()
}

fn alerts() -> Vec<Value> {
    let groups = yaml(ALERTS);
    list(&groups["groups"])
        .flat_map(|group| list(&group["rules"]))
        .cloned()
        .collect()
}

/// A YAML file as JSON.
pub(crate) fn yaml(file: &str) -> Value {
    let mut document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&source::read(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    document.apply_merge().unwrap();
    serde_json::to_value(document).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}
