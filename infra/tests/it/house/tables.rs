//! Each table of the database is written from one file.

use std::collections::{BTreeMap, BTreeSet};

use super::source;
use super::tokens::{each_literal, tokens, words};

/// Here a proof plays a stranger who spoils rows.
const STRANGERS: &str = "api/proof/src/chaos/trial/";

#[test]
fn each_table_is_written_from_one_file() {
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files = source::packages().iter().flat_map(source::sources);
    for file in files.filter(|file| !is_test_module(file) && !file.starts_with(STRANGERS)) {
        each_literal(&tokens(&file), &mut |text| {
            for table in written_tables(text) {
                writers.entry(table).or_default().insert(file.clone());
            }
        });
    }
    assert!(writers.len() > 10, "tables were not found: {writers:?}");
    let shared: Vec<_> = writers.iter().filter(|it| it.1.len() > 1).collect();
    assert!(shared.is_empty(), "written from several files: {shared:#?}");
}

/// Whether the file is a module that only tests compile: `#[cfg(test)] mod life;` in the file above it.
fn is_test_module(file: &str) -> bool {
    let Some((folder, name)) = file.trim_end_matches(".rs").rsplit_once('/') else {
        return false;
    };
    [format!("{folder}.rs"), format!("{folder}/lib.rs")]
        .iter()
        .filter(|parent| source::exists(parent))
        .any(|parent| source::read(parent).contains(&format!("#[cfg(test)]\nmod {name};")))
}

/// The tables that a statement inserts into, updates or deletes from.
fn written_tables(literal: &str) -> Vec<String> {
    let words = words(literal);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut tables = Vec::new();
    for at in 0..words.len() {
        match words[at..] {
            ["insert", "into", table, ..]
            | ["delete", "from", table, ..]
            | ["update", table, "set", ..]
            | ["update", table, _, "set", ..]
            | ["update", table, "as", _, "set", ..] => tables.push(table),
            _ => {}
        }
    }
    tables.retain(|it| *it != "set" && *it != "of");
    tables.into_iter().map(Into::into).collect()
}
