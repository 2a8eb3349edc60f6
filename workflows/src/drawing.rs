//! Drawings of the machines, made from their table of edges, as text that Markdown shows.
use crate::edges::Machine;

/// The machine as a Mermaid `stateDiagram-v2`.
#[must_use]
pub fn mermaid(machine: Machine) -> String {
    let _ = machine;
    String::new()
}

/// The whole of `docs/machines.md`.
#[must_use]
pub fn document() -> String {
    Machine::ALL
        .iter()
        .map(|machine| mermaid(*machine))
        .collect()
}
