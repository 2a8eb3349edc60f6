//! The documents and the SQL that are made from the tables of rules.

mod marks;

use std::fmt;
use std::fmt::Write;

use crate::edges;
use crate::edges::{Machine, NONE, Row};

pub use marks::{Arrow, MarkError, Marks, arrows, ends, statuses};

const PREFACE: &str = "\
# Machines

Made by `cargo run -p workflows --example draw` from the tables of rules (`workflows::payment::RULES`,
`attempt::RULES`, `capture::RULES`, `refund::RULES`, `dispute::RULES` and its neighbours, `job::RULES`). Do not edit. The database's table `edge`
(`migrations/0004_edges.sql`) is made from the same tables.

The drawings leave out the rules that lead from every status (`resync`, `forced`): they correct. The tables below the
drawings hold every rule. A status that nothing but a correction leaves is an end.

`pawl machines` prints each drawing as Mermaid, SVG or JSON and marks the current status and the path that led to it, if
they are given: `pawl machines --format svg --path none,local_created,requires_action,processing > payment.svg`.
";

const JOB: &str = "\
A job performs one effect of a payment: one call to Stripe, or one read. Its state is in its row alone; the queue in
Redis carries only its id. A finished job is deleted after a week.
";

/// The rules as a Mermaid `stateDiagram-v2`, without those that correct unless the marked path takes them. The current status
/// and those of the path have a colour, and each arrow of the path begins with the numbers of its steps.
#[must_use]
pub fn mermaid(rules: &[Row], marks: &Marks) -> String {
    let arrows = marks::arrows(rules, marks);
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    for arrow in &arrows {
        let from = if arrow.from == NONE {
            "[*]"
        } else {
            arrow.from
        };
        let text = arrow.text(", ");
        lines.push(format!("    {from} --> {}: {text}", arrow.to));
    }
    let ends = marks::ends(&arrows);
    lines.extend(ends.iter().map(|end| format!("    {end} --> [*]")));
    let mut passed = marks.path().to_vec();
    passed.retain(|status| *status != NONE && Some(*status) != marks.current());
    passed.sort_unstable();
    passed.dedup();
    if !passed.is_empty() {
        lines.push("    classDef passed fill:#cfe2ff,stroke:#0b5ed7,stroke-width:3px".to_owned());
        lines.push(format!("    class {} passed", passed.join(",")));
    }
    if let Some(current) = marks.current() {
        lines.push("    classDef current fill:#ffe08a,stroke:#b45309,stroke-width:3px".to_owned());
        lines.push(format!("    class {current} current"));
    }
    lines.join("\n")
}

/// The whole of `docs/machines.md`: for each machine and for the job its drawing and its table of rules.
#[must_use]
pub fn document() -> String {
    let mut text = PREFACE.to_owned();
    for machine in Machine::ALL {
        // Writing to a string cannot fail.
        let title = machine.as_str().replace('_', " ");
        let _ = write_machine(&mut text, &title, "", &edges::rules(*machine));
    }
    let _ = write_machine(&mut text, "job", JOB, &edges::job_rules());
    text
}

fn write_machine(text: &mut String, title: &str, about: &str, rules: &[Row]) -> fmt::Result {
    let (first, rest) = title.split_at(1);
    writeln!(text, "\n## {}{rest}\n", first.to_uppercase())?;
    if !about.is_empty() {
        writeln!(text, "{about}")?;
    }
    writeln!(
        text,
        "```mermaid\n{}\n```\n",
        mermaid(rules, &Marks::default())
    )?;
    writeln!(
        text,
        "| id | kind | from | to | driven by |\n|---|---|---|---|---|"
    )?;
    for rule in rules {
        let from = if rule.from_every {
            "every status".to_owned()
        } else {
            quote(&rule.from)
        };
        let to = rule.to.as_deref().map_or("itself".to_owned(), quote);
        let Row {
            id,
            kind,
            driver,
            driven_by,
            ..
        } = rule;
        writeln!(
            text,
            "| {id} | `{kind}` | {from} | {to} | {driver}: {driven_by} |"
        )?;
    }
    Ok(())
}

fn quote(statuses: &[&str]) -> String {
    let quoted: Vec<String> = statuses
        .iter()
        .map(|status| format!("`{status}`"))
        .collect();
    quoted.join(" ")
}

/// The marks in `migrations/0004_edges.sql` between which [`sql`] stands.
pub const SQL_BEGIN: &str =
    "-- Made by `cargo run -p workflows --example draw`: begin. Do not edit.\n";
/// The end of what [`SQL_BEGIN`] begins.
pub const SQL_END: &str = "-- Made by `cargo run -p workflows --example draw`: end.\n";

/// The statements that fill the database's table `edge`, one per machine.
#[must_use]
pub fn sql() -> String {
    let mut text = String::new();
    for machine in Machine::ALL {
        let _ = write_sql(&mut text, *machine);
    }
    text
}

fn write_sql(text: &mut String, machine: Machine) -> fmt::Result {
    writeln!(
        text,
        "\ninsert into edge (machine, id, from_status, kind, to_status)"
    )?;
    writeln!(
        text,
        "select '{machine}', rule.id, start.status, rule.kind, target.status"
    )?;
    writeln!(text, "from (values")?;
    let rules = edges::rules(machine);
    for (at, rule) in rules.iter().enumerate() {
        let from = rule.from.join(",");
        // Without a list of its own, a rule leads back to the status that it leaves.
        let to = rule
            .to
            .as_deref()
            .map_or("null".to_owned(), |to| format!("'{{{}}}'", to.join(",")));
        let comma = if at.saturating_add(1) == rules.len() {
            ""
        } else {
            ","
        };
        writeln!(text, "    -- {}", rule.driven_by)?;
        writeln!(
            text,
            "    ('{}', '{{{from}}}', '{}', {to}){comma}",
            rule.id, rule.kind
        )?;
    }
    writeln!(text, ") as rule (id, starts, kind, targets),")?;
    writeln!(text, "unnest(rule.starts::text[]) as start (status),")?;
    writeln!(
        text,
        "unnest(coalesce(rule.targets::text[], array[start.status])) as target (status);\n"
    )
}
