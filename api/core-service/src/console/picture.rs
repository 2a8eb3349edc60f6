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

/// Draws a diagram. The root's own `style` goes, which the page's policy does not allow; its width becomes that of the
/// drawing, so that a narrow window scrolls and the text stays readable.
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
    format!("{}>{rest}", with_own_width(&without_style(root)))
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

/// The root with the width of its `viewBox` in pixels instead of that of the page.
fn with_own_width(root: &str) -> String {
    let after = root.split_once("viewBox=\"0 0 ").map(|(_, after)| after);
    match after.and_then(|it| it.split_once(' ')) {
        Some((width, _)) => root.replacen("width=\"100%\"", &format!("width=\"{width}\""), 1),
        None => root.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use workflows::edges::Machine;

    use super::machine;

    #[test]
    fn a_picture_is_as_wide_as_its_drawing_and_has_no_style_of_its_own() {
        let picture = machine(Machine::Payment, &[], Some("processing"));
        let (root, _) = picture.split_once('>').unwrap();
        assert!(!root.contains("style="), "{root}");
        let (_, width) = root.split_once(" width=\"").unwrap();
        let (width, _) = width.split_once('"').unwrap();
        assert!(width.parse::<f64>().unwrap() > 500.0, "{root}");
        assert!(root.contains(&format!("viewBox=\"0 0 {width} ")), "{root}");
    }
}
