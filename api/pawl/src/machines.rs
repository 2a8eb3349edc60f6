//! `pawl machines`: a machine as a picture or as data, made from its table of rules.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use workflows::drawing::{Arrow, Marks};
use workflows::edges::{Machine, Row};
use workflows::{drawing, edges};

use crate::output;

/// The name under which the life of a job is drawn. It is no machine of a payment, but has a table of the same form.
const JOB: &str = "job";

/// Prints a machine, with a current status and a path marked if they are given.
///
/// `pawl machines --format svg --state requires_capture > payment.svg` draws where a payment stands. The statuses of
/// `GET /api/v1/payments/{id}/events` (`to`, the oldest first), separated by commas, are a path. Pictures leave out the rules
/// that lead from every status, unless the path takes them; JSON has every rule. Reads neither network nor database.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// The machine.
    #[arg(long, default_value = Machine::Payment.as_str(), value_parser = PossibleValuesParser::new(names()))]
    machine: String,
    /// The status to mark as the current one; the last of the path if absent.
    #[arg(long, value_name = "STATUS")]
    state: Option<String>,
    /// The statuses of a path in their order; `none` may be the first.
    #[arg(long, value_name = "STATUS,STATUS", value_delimiter = ',')]
    path: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A `stateDiagram-v2` of Mermaid.
    Mermaid,
    /// A picture for browsers.
    Svg,
    /// Statuses, arrows and rules.
    Json,
}

fn names() -> impl Iterator<Item = &'static str> {
    let machines = Machine::ALL.iter().map(|machine| machine.as_str());
    machines.chain([JOB])
}

/// Prints the machine.
///
/// # Errors
/// A status that the machine does not have, or a path that its edges do not allow.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let rules = match options.machine.parse::<Machine>() {
        Ok(machine) => edges::rules(machine),
        Err(_) => edges::job_rules(),
    };
    let path: Vec<&str> = options.path.iter().map(String::as_str).collect();
    let marks = Marks::new(&rules, options.state.as_deref(), &path)?;
    output::line(match options.format {
        Format::Mermaid => drawing::mermaid(&rules, &marks),
        Format::Svg => mermaid_svg::render(&drawing::mermaid(&rules, &marks))
            .map_err(|error| anyhow!("the picture cannot be drawn: {error}"))?,
        Format::Json => serde_json::to_string_pretty(&document(&options.machine, &rules, &marks))?,
    });
    Ok(ExitCode::SUCCESS)
}

fn document(machine: &str, rules: &[Row], marks: &Marks) -> Value {
    let arrows = drawing::arrows(rules, marks);
    let ends = drawing::ends(&arrows);
    let status = |name: &&str| {
        json!({
            "name": name,
            "current": marks.current() == Some(*name),
            "on_path": marks.path().contains(name),
            "end": ends.contains(name),
        })
    };
    json!({
        "machine": machine,
        "current": marks.current(),
        "path": marks.path(),
        "statuses": drawing::statuses(rules).iter().map(status).collect::<Vec<_>>(),
        "arrows": arrows.iter().map(arrow).collect::<Vec<_>>(),
        "rules": rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn arrow(arrow: &Arrow) -> Value {
    json!({"from": arrow.from, "to": arrow.to, "edges": arrow.edges, "steps": arrow.steps})
}

fn rule(rule: &Row) -> Value {
    json!({
        "id": rule.id,
        "kind": rule.kind,
        "from": rule.from,
        "to": rule.to,
        "corrects": rule.from_every,
        "driver": rule.driver.as_str(),
        "driven_by": rule.driven_by,
    })
}
