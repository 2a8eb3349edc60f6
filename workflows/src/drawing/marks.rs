//! The arrows of a drawing, and what is marked in it: the current status and the path that led to it.

use thiserror::Error;

use crate::edges::{NONE, Row};

/// Why a status or a path cannot be marked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MarkError {
    /// The machine has no such status.
    #[error("the machine has no status {status}; it has {known}")]
    UnknownStatus {
        /// The status that was asked for.
        status: String,
        /// Every status of the machine, separated by commas.
        known: String,
    },
    /// No edge leads from one status of the path to the next.
    #[error("no edge leads from {from} to {to}; from {from} edges lead to {targets}")]
    NoEdge {
        /// The status that the step leaves.
        from: String,
        /// The status that the step should reach.
        to: String,
        /// Every status that an edge from `from` reaches, separated by commas.
        targets: String,
    },
}

/// What a drawing marks: nothing, unless made by [`Marks::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    current: Option<&'static str>,
    path: Vec<&'static str>,
}

impl Marks {
    /// Marks `current` and the statuses and edges of `path`. Without `current`, the last status of the path is the current one.
    /// A path may begin with [`NONE`], and its edges may be corrections.
    ///
    /// # Errors
    /// [`MarkError::UnknownStatus`], [`MarkError::NoEdge`].
    pub fn new(rules: &[Row], current: Option<&str>, path: &[&str]) -> Result<Self, MarkError> {
        let known = statuses(rules);
        let find = |name: &str| {
            let found = known.iter().find(|status| **status == name).copied();
            found.ok_or_else(|| MarkError::UnknownStatus {
                status: name.to_owned(),
                known: known.join(", "),
            })
        };
        let path: Vec<&'static str> = path
            .iter()
            .enumerate()
            .map(|(at, name)| {
                if at == 0 && *name == NONE {
                    Ok(NONE)
                } else {
                    find(name)
                }
            })
            .collect::<Result<_, _>>()?;
        for (from, to) in steps(&path) {
            let targets = targets(rules, from);
            if !targets.contains(&to) {
                return Err(MarkError::NoEdge {
                    from: from.to_owned(),
                    to: to.to_owned(),
                    targets: if targets.is_empty() {
                        "nothing".to_owned()
                    } else {
                        targets.join(", ")
                    },
                });
            }
        }
        let last = path.last().copied().filter(|last| *last != NONE);
        let current = current.map(find).transpose()?.or(last);
        Ok(Self { current, path })
    }

    /// The current status, if one is marked.
    #[must_use]
    pub fn current(&self) -> Option<&'static str> {
        self.current
    }

    /// The statuses of the path in their order; empty if none is marked.
    #[must_use]
    pub fn path(&self) -> &[&'static str] {
        &self.path
    }

    /// The places in the path, from 1, at which it goes from `from` to `to`.
    fn steps_of(&self, from: &str, to: &str) -> Vec<usize> {
        let numbered = (1..).zip(steps(&self.path));
        numbered
            .filter(|(_, step)| *step == (from, to))
            .map(|(number, _)| number)
            .collect()
    }
}

fn steps(path: &[&'static str]) -> impl Iterator<Item = (&'static str, &'static str)> {
    path.iter().copied().zip(path.iter().copied().skip(1))
}

/// Every status that a rule leaves or leads to, without [`NONE`], in the order in which the rules name them.
#[must_use]
pub fn statuses(rules: &[Row]) -> Vec<&'static str> {
    let ends = rules.iter().flat_map(Row::ends);
    distinct(
        ends.flat_map(|(from, to)| [from, to])
            .filter(|status| *status != NONE),
    )
}

fn targets(rules: &[Row], from: &str) -> Vec<&'static str> {
    let ends = rules.iter().flat_map(Row::ends);
    distinct(ends.filter(|end| end.0 == from).map(|(_, to)| to))
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names.fold(Vec::new(), |mut known, name| {
        if !known.contains(&name) {
            known.push(name);
        }
        known
    })
}

/// An arrow of a drawing: all edges between the same two statuses, in the order of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The status it leaves, or [`NONE`].
    pub from: &'static str,
    /// The status it leads to.
    pub to: &'static str,
    /// Id and kind of each edge, such as `P7 processing_started`.
    pub edges: Vec<String>,
    /// The places in the marked path, from 1, at which the path takes this arrow; empty if it does not.
    pub steps: Vec<usize>,
}

impl Arrow {
    /// The numbers of the steps in parentheses, then the edges with this text between them.
    #[must_use]
    pub fn text(&self, between: &str) -> String {
        let steps = self.steps.iter().map(|step| format!("({step})"));
        let parts: Vec<String> = steps.chain([self.edges.join(between)]).collect();
        parts.join(" ")
    }
}

/// The arrows of the rules that do not correct, and those of corrections that the marked path takes where no other edge leads.
#[must_use]
pub fn arrows(rules: &[Row], marks: &Marks) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.from_every) {
        for (from, to) in rule.ends() {
            add(&mut arrows, marks, rule, from, to);
        }
    }
    let drawn = arrows.len();
    for (from, to) in distinct_steps(marks) {
        let ordinary = arrows.iter().take(drawn);
        if ordinary
            .into_iter()
            .any(|arrow| (arrow.from, arrow.to) == (from, to))
        {
            continue;
        }
        for rule in rules
            .iter()
            .filter(|rule| rule.ends().contains(&(from, to)))
        {
            add(&mut arrows, marks, rule, from, to);
        }
    }
    arrows
}

fn distinct_steps(marks: &Marks) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<_> = steps(&marks.path).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn add(arrows: &mut Vec<Arrow>, marks: &Marks, rule: &Row, from: &'static str, to: &'static str) {
    let edge = format!("{} {}", rule.id, rule.kind);
    match arrows
        .iter_mut()
        .find(|arrow| (arrow.from, arrow.to) == (from, to))
    {
        Some(arrow) => arrow.edges.push(edge),
        None => arrows.push(Arrow {
            from,
            to,
            edges: vec![edge],
            steps: marks.steps_of(from, to),
        }),
    }
}

/// The statuses that arrows lead to and none leaves, in the order of the arrows.
#[must_use]
pub fn ends(arrows: &[Arrow]) -> Vec<&'static str> {
    let left = |status: &str| arrows.iter().any(|arrow| arrow.from == status);
    distinct(arrows.iter().map(|arrow| arrow.to).filter(|to| !left(to)))
}
