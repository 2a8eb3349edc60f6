//! No circle of files: if a file uses what another defines, the other uses nothing of the first, directly or over others.
//!
//! A file and those in its own folder (`stream.rs` and `stream/calls.rs`) are one module: a child may use what its parent
//! defines although the parent uses the child. Everything else counts.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Crate, Edge};
use super::source;

#[test]
fn no_circle_of_files() {
    let mut found = Vec::new();
    for package in source::packages() {
        for root in ["lib.rs", "main.rs"] {
            let file = format!("{}/src/{root}", package.folder);
            if source::exists(&file) {
                let mut edges = Crate::read(&file).edges();
                edges.retain(|it| !is_below(&it.from, &it.to));
                found.extend(circles(&edges));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} circles of files:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Whether a file is in the folder of another: `a/b.rs` of `a.rs`, and all of them of the crate's root.
fn is_below(file: &str, other: &str) -> bool {
    let folder = ["/lib.rs", "/main.rs", ".rs"]
        .iter()
        .find_map(|it| other.strip_suffix(it));
    folder.is_some_and(|it| file.strip_prefix(it).is_some_and(|it| it.starts_with('/')))
}

/// One text for each circle: its files and the uses between them.
fn circles(edges: &BTreeSet<Edge>) -> Vec<String> {
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in edges {
        targets.entry(&edge.from).or_default().insert(&edge.to);
    }
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    for start in targets.keys() {
        let circle: BTreeSet<&str> = reached(&targets, start)
            .into_iter()
            .filter(|it| reached(&targets, it).contains(start))
            .collect();
        if circle.contains(start) && seen.insert(circle.clone()) {
            texts.push(format!("{} files\n{}", circle.len(), uses(edges, &circle)));
        }
    }
    texts
}

/// A line for each file of a circle that uses another one of it, with the names that it uses.
fn uses(edges: &BTreeSet<Edge>, circle: &BTreeSet<&str>) -> String {
    let mut names: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for edge in edges {
        if circle.contains(&*edge.from) && circle.contains(&*edge.to) {
            names
                .entry((&edge.from, &edge.to))
                .or_default()
                .push(&edge.path);
        }
    }
    let lines: Vec<String> = names
        .iter()
        .map(|((from, to), names)| format!("  {from} uses {to}: {}", names.join(", ")))
        .collect();
    lines.join("\n")
}

/// The files that are used by one, directly or over others.
fn reached<'a>(targets: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = targets.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(targets.get(file).into_iter().flatten());
        }
    }
    reached
}
