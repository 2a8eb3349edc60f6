//! What is drawn from the table of edges.

use workflows::drawing::{MarkError, Marks, SQL_BEGIN, SQL_END};
use workflows::edges::Machine;
use workflows::{drawing, edges};

#[test]
fn the_document_is_drawn_from_the_table() {
    let written = include_str!("../../../docs/machines.md");
    assert!(
        written == drawing::document(),
        "docs/machines.md is old: cargo run -p workflows --example draw"
    );
}

#[test]
fn the_migration_has_the_rows_of_the_table() {
    let written = include_str!("../../../migrations/0004_edges.sql");
    let expected = format!("{SQL_BEGIN}{}{SQL_END}", drawing::sql());
    assert!(
        written.contains(&expected),
        "migrations/0004_edges.sql is old: cargo run -p workflows --example draw"
    );
}

#[test]
fn a_drawing_has_every_edge_of_the_ordinary_course() {
    for machine in Machine::ALL {
        let drawing = drawing::mermaid(&edges::rules(*machine), &Marks::default());
        for edge in edges::list(*machine) {
            let from = if edge.from == edges::NONE {
                "[*]"
            } else {
                edge.from
            };
            let arrow = format!("    {from} --> {}: ", edge.to);
            let label = format!("{} {}", edge.id, edge.kind);
            let drawn = drawing
                .lines()
                .any(|line| line.starts_with(&arrow) && line.contains(&label));
            assert_eq!(drawn, !edge.corrects, "{edge:?}");
        }
    }
}

#[test]
fn a_drawing_marks_the_current_status_and_each_step_of_the_path() {
    let rules = edges::rules(Machine::Payment);
    let path = [
        "none",
        "local_created",
        "requires_confirmation",
        "processing",
    ];
    let marks = Marks::new(&rules, None, &path).unwrap();
    let drawing = drawing::mermaid(&rules, &marks);
    for line in [
        "    [*] --> local_created: (1) P0 accepted",
        "    local_created --> requires_confirmation: (2) P1 intent_created",
        "    requires_confirmation --> processing: (3) P7 processing_started",
        "    class local_created,requires_confirmation passed",
        "    class processing current",
    ] {
        assert!(drawing.lines().any(|it| it == line), "{line}\n{drawing}");
    }
    assert_eq!(drawing.matches(": (").count(), 3);
}

#[test]
fn a_marked_correction_is_drawn_and_others_are_not() {
    let rules = edges::rules(Machine::Payment);
    let correction = "succeeded --> canceled";
    let plain = drawing::mermaid(&rules, &Marks::default());
    assert!(!plain.contains(correction));
    let corrections: Vec<_> = rules.iter().filter(|rule| rule.from_every).collect();
    let leads = corrections
        .iter()
        .any(|rule| rule.ends().contains(&("succeeded", "canceled")));
    assert!(
        leads,
        "the test needs a correction from succeeded to canceled"
    );
    let marks = Marks::new(&rules, Some("canceled"), &["succeeded", "canceled"]).unwrap();
    let marked = drawing::mermaid(&rules, &marks);
    assert!(marked.contains(&format!("{correction}: (1) ")), "{marked}");
    let arrows = |text: &str| text.matches(" --> ").count();
    // The correction is one arrow more; `succeeded` is then no end.
    assert_eq!(arrows(&marked), arrows(&plain));
}

#[test]
fn a_mark_that_the_machine_does_not_have_is_refused_with_what_it_has() {
    let rules = edges::rules(Machine::Refund);
    let error = Marks::new(&rules, Some("paid"), &[]).unwrap_err();
    assert!(error.to_string().contains("succeeded"), "{error}");
    let error = Marks::new(&rules, None, &["none", "succeeded", "none"]).unwrap_err();
    assert!(matches!(error, MarkError::UnknownStatus { .. }), "{error}");
    let error = Marks::new(&edges::job_rules(), None, &["done", "queued"]).unwrap_err();
    assert!(matches!(error, MarkError::NoEdge { .. }), "{error}");
}
