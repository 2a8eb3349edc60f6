//! The machines: their pictures, with how many payments are in each status.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use engine::Engine;
use workflows::edges::Machine;

use super::error::PageError;
use super::format::{Badge, statuses};
use super::layout::{Frame, html};
use super::picture;
use super::visit::Visit;
use crate::Core;

/// One machine with its rules.
struct Shown {
    name: String,
    picture: String,
    rules: Vec<Rule>,
}

struct Rule {
    id: String,
    from: String,
    kind: String,
    to: String,
    driven_by: String,
}

#[derive(Template)]
#[template(path = "machines.html")]
struct MachinesPage {
    frame: Frame,
    counts: Vec<(Badge, String, String)>,
    machines: Vec<Shown>,
}

/// Shows every machine.
pub(super) async fn list(State(core): State<Core>, visit: Visit) -> Result<Response, PageError> {
    let counts = core.engine.status_counts(visit.scope).await?;
    let machines = Engine::machines().into_iter().map(|machine| Shown {
        picture: machine
            .machine
            .parse::<Machine>()
            .map_or_else(|_| String::new(), |it| picture::machine(it, &[], None)),
        rules: machine
            .rules
            .into_iter()
            .map(|rule| Rule {
                id: rule.id,
                from: rule.from.join(", "),
                kind: rule.kind,
                to: rule
                    .to
                    .map_or_else(|| "as before".to_owned(), |to| to.join(", ")),
                driven_by: rule.driven_by,
            })
            .collect(),
        name: machine.machine,
    });
    let page = MachinesPage {
        frame: visit.frame("machines", "Machines"),
        counts: statuses(counts),
        machines: machines.collect(),
    };
    Ok(html(StatusCode::OK, &page))
}
