//! The pictures of the machines, drawn from the tables of rules.

use workflows::drawing::Marks;
use workflows::edges::{Machine, Row};
use workflows::{drawing, edges};

/// The picture of a machine as SVG, with the path and the current status marked, if there are any. A path with a gap, whose
/// rest the database no longer has, is left out.
///
/// Empty when the drawing cannot be laid out: the page is then without it.
pub(super) fn machine(machine: Machine, path: &[&str], current: Option<&str>) -> String {
    let rules = changing(machine);
    let marks = Marks::new(&rules, current, path)
        .or_else(|_| Marks::new(&rules, current, &[]))
        .unwrap_or_default();
    svg(&drawing::mermaid(&rules, &marks))
}

/// The rules without those that lead back to the same status.
fn changing(machine: Machine) -> Vec<Row> {
    let rules = edges::rules(machine).into_iter();
    rules.filter(|rule| rule.to.is_some()).collect()
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
