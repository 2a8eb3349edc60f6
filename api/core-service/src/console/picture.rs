//! The pictures of the machines, drawn from the tables of rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use workflows::drawing::Marks;
use workflows::edges::Machine;
use workflows::{drawing, edges};

/// The picture of a machine as SVG, with the statuses that were passed and the one that it is in marked.
///
/// Empty when the drawing cannot be laid out: the page is then without it.
pub(super) fn machine(machine: Machine, passed: &BTreeSet<String>, current: &str) -> String {
    let mut text = drawing::mermaid(&short(machine), &Marks::default());
    for status in passed.iter().filter(|status| *status != current) {
        let _ = write!(text, "\n    class {status} passed");
    }
    if !current.is_empty() {
        let _ = write!(text, "\n    class {current} current");
    }
    text.push_str("\n    classDef passed fill:#dbe4ff,stroke:#2f4bc7,color:#1a1f2b");
    text.push_str("\n    classDef current fill:#2f4bc7,stroke:#2f4bc7,color:#ffffff");
    svg(&text)
}

/// The rules without those that correct, and without what leads back to the same status.
fn short(machine: Machine) -> Vec<edges::Row> {
    let rules = edges::rules(machine).into_iter();
    rules
        .filter(|rule| !rule.from_every && rule.to.is_some())
        .collect()
}

/// Draws a diagram; the root's own `style` goes, which the page's policy does not allow.
fn svg(text: &str) -> String {
    let drawn = match mermaid_svg::render(text) {
        Ok(drawn) => drawn,
        Err(error) => {
            tracing::error!(%error, "failed to draw a machine; the page is without the picture");
            return String::new();
        }
    };
    let Some((root, rest)) = drawn.split_once('>') else {
        return String::new();
    };
    format!("{}>{rest}", without_style(root))
}

fn without_style(root: &str) -> String {
    match root.split_once(" style=\"") {
        Some((before, after)) => {
            let rest = after.split_once('"').map_or("", |(_, rest)| rest);
            format!("{before}{rest}")
        }
        None => root.to_owned(),
    }
}
