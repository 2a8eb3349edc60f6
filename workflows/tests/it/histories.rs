//! Histories that earlier versions wrote: every stored transition must still be an edge, since databases hold them.
//!
//! Each release adds a file: `UPDATE_HISTORIES=0.2 cargo test -p workflows --test it histories`.

#![expect(clippy::disallowed_methods, reason = "the histories are files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use workflows::edges;
use workflows::edges::NONE;
use workflows::stream::Transition;

use crate::walks;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

/// A transition as a file has it: `payment 1 accepted none>local_created`; the number names the subject in its history.
fn line(transition: &Transition, subject: usize) -> String {
    let Transition {
        machine,
        kind,
        from,
        to,
        ..
    } = transition;
    format!("{machine} {subject} {kind} {from}>{to}")
}

/// The histories of random walks that show an edge which none before them shows, as text.
fn write() -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    walks::histories(4_000, |transitions| {
        let fresh = |it: &Transition| (it.machine.as_str(), it.from, it.kind, it.to);
        let known = seen.len();
        seen.extend(transitions.iter().map(fresh));
        if seen.len() == known {
            return;
        }
        let mut subjects = Vec::new();
        for transition in transitions {
            let number = subjects.iter().position(|it| *it == transition.subject);
            let number = number.unwrap_or_else(|| {
                subjects.push(transition.subject);
                subjects.len() - 1
            });
            writeln!(text, "{}", line(transition, number)).unwrap();
        }
        text.push('\n');
    });
    text
}

/// Whether each line is an edge of today that continues its subject; the first line that is none is named.
fn replay(text: &str) -> Result<usize, String> {
    let edges: BTreeSet<String> = edges::all()
        .into_iter()
        .map(|it| format!("{} {} {}>{}", it.machine, it.kind, it.from, it.to))
        .collect();
    let mut lines = 0;
    for history in text.split("\n\n") {
        let mut statuses = BTreeMap::new();
        for line in history.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [machine, subject, kind, moved] = words[..] else {
                return Err(format!("`{line}` is no transition"));
            };
            if !edges.contains(&format!("{machine} {kind} {moved}")) {
                return Err(format!("`{line}` is no edge any more"));
            }
            let (from, to) = moved.split_once('>').unwrap_or((moved, ""));
            let before = statuses.insert((machine, subject), to).unwrap_or(NONE);
            if before != from {
                return Err(format!("`{line}` does not continue {before}"));
            }
            lines += 1;
        }
    }
    Ok(lines)
}

#[test]
fn histories_of_every_release_are_still_valid() {
    if let Ok(release) = std::env::var("UPDATE_HISTORIES") {
        std::fs::write(folder().join(format!("{release}.txt")), write()).unwrap();
    }
    let mut lines = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        lines += replay(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    }
    assert!(lines > 300, "only {lines} stored transitions");
}

#[test]
fn a_renamed_status_is_noticed() {
    let renamed = replay("payment 0 accepted none>created\n").unwrap_err();
    assert_eq!(
        renamed,
        "`payment 0 accepted none>created` is no edge any more"
    );
    let torn = replay("payment 0 succeeded requires_action>succeeded\n").unwrap_err();
    assert!(torn.contains("does not continue none"), "{torn}");
}
