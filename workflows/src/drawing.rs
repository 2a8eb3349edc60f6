//! Drawings of the machines, made from their table of edges, as text that Markdown shows.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;

use crate::edges;
use crate::edges::{Machine, NONE};

/// The kinds that lead from everywhere: they correct, and would hide the ordinary course in a drawing.
const CORRECTING: [&str; 2] = ["resync", "forced"];

const PREFACE: &str = "\
# Machines

Made by `cargo run -p workflows --example draw` from the one table of edges
(`workflows::edges`), which the database's table `edge` repeats. Do not edit.

The drawings leave out the edges that correct (`resync`, `forced`): they lead from every status. The tables below the
drawings hold every edge.
";

/// The machine as a Mermaid `stateDiagram-v2`, without the edges that correct.
#[must_use]
pub fn mermaid(machine: Machine) -> String {
    // Edges between the same two statuses share an arrow, in the order of the table.
    let mut arrows: Vec<((&str, &str), String)> = Vec::new();
    for edge in edges::of(machine) {
        if CORRECTING.contains(&edge.kind) {
            continue;
        }
        let ends = (edge.from, edge.to);
        let label = format!("{} {}", edge.id, edge.kind);
        match arrows.iter_mut().find(|(known, _)| *known == ends) {
            Some((_, labels)) => *labels = format!("{labels}, {label}"),
            None => arrows.push((ends, label)),
        }
    }
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    for ((from, to), label) in &arrows {
        let from = if *from == NONE { "[*]" } else { from };
        lines.push(format!("    {from} --> {to}: {label}"));
    }
    for status in all_statuses(machine) {
        let left = arrows.iter().any(|((from, _), _)| *from == status);
        if !left {
            lines.push(format!("    {status} --> [*]"));
        }
    }
    lines.join("\n")
}

/// The whole of `docs/machines.md`: for each machine its drawing and its table of edges.
#[must_use]
pub fn document() -> String {
    let mut text = PREFACE.to_owned();
    for machine in Machine::ALL {
        // Writing to a string cannot fail.
        let _ = write_machine(&mut text, *machine);
    }
    text
}

fn write_machine(text: &mut String, machine: Machine) -> fmt::Result {
    let drawing = mermaid(machine);
    let title = match machine {
        Machine::Payment => "Payment",
        Machine::Attempt => "Attempt",
        Machine::Refund => "Refund",
    };
    writeln!(text, "\n## {title}\n\n```mermaid\n{drawing}\n```\n")?;
    writeln!(text, "| id | kind | from | to |\n|---|---|---|---|")?;
    for row in rows(machine) {
        writeln!(text, "{row}")?;
    }
    Ok(())
}

/// The table's rows, in the order of ids: edges that differ only in where they begin or end share one.
fn rows(machine: Machine) -> Vec<String> {
    let mut sources: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for edge in edges::of(machine) {
        let key = (number(edge.id), edge.id, edge.kind, edge.to);
        sources.entry(key).or_default().push(edge.from);
    }
    let mut targets: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for ((number, id, kind, to), from) in sources {
        let from = if from == [to] {
            "itself".to_owned()
        } else {
            words(machine, &from)
        };
        targets
            .entry((number, id, kind, from))
            .or_default()
            .push(to);
    }
    targets
        .into_iter()
        .map(|((_, id, kind, from), to)| {
            format!("| {id} | `{kind}` | {from} | {} |", words(machine, &to))
        })
        .collect()
}

/// A list of statuses as a cell of the table.
fn words(machine: Machine, statuses: &[&str]) -> String {
    let every = all_statuses(machine);
    if every.len() == statuses.len() && every.iter().all(|status| statuses.contains(status)) {
        return "every status".to_owned();
    }
    let quoted: Vec<String> = statuses.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" ")
}

/// The number within an id, so that P9 comes before P10.
fn number(id: &str) -> u32 {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(u32::MAX)
}

fn all_statuses(machine: Machine) -> Vec<&'static str> {
    let mut found = Vec::new();
    for edge in edges::of(machine) {
        if !found.contains(&edge.to) {
            found.push(edge.to);
        }
    }
    found
}
