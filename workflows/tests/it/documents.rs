//! What is drawn from the table of edges.

use workflows::drawing::{SQL_BEGIN, SQL_END};
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
        let drawing = drawing::mermaid(&edges::rules(*machine));
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
