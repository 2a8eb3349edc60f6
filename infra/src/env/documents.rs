//! `.env.example` and docs/configuration.md, generated from the table.

use std::fmt::Write as _;

use super::rules::RULES;
use super::table::{TABLE, all};
use super::variable::{Example, Program, Unset, Variable};

/// The width of a comment in `.env.example`.
const WIDTH: usize = 118;

/// The text of `.env.example`.
#[must_use]
pub fn example() -> String {
    let secrets: Vec<&str> = all().filter(|it| it.secret).map(|it| it.name).collect();
    let mut text = String::new();
    for paragraph in [
        "Every variable that Pawl reads, generated from infra/src/env/table.rs; docs/configuration.md shows the allowed values. `cp .env.example .env`, then change the values: each service and `make run` load `.env` from this directory, and a variable that is set in the environment wins over it. An empty value counts as unset. `pawl config check` tries what you set.".to_owned(),
        format!("{} may be given as NAME_FILE instead, the path of a file that holds the value.", secrets.join(", ")),
        "The secrets here are public and contain the mark \"pawl_demo\" or \"PawlDemo\"; beside a live Stripe key (sk_live_) a service refuses to start with one of them, or with any Stripe but https://api.stripe.com.".to_owned(),
    ] {
        comment(&mut text, &paragraph);
        text.push_str("#\n");
    }
    text.truncate(text.len() - 2);
    for section in TABLE {
        let title = format!("# --- {} ", section.title);
        let _ = writeln!(text, "\n{title:-<WIDTH$}");
        comment(&mut text, section.about);
        for variable in section.variables {
            let unset = match variable.unset {
                Unset::Refused => String::new(),
                Unset::Value(value) => format!(" Unset: {value}."),
                Unset::Means(means) => format!(" Unset: {means}."),
            };
            comment(&mut text, &format!("{}{unset}", variable.about));
            let _ = match variable.example {
                Example::Set(value) => writeln!(text, "{}={value}", variable.name),
                Example::Commented(value) => writeln!(text, "#{}={value}", variable.name),
            };
        }
    }
    text
}

/// The text of docs/configuration.md.
#[must_use]
pub fn page() -> String {
    let mut text = PREFACE.to_owned();
    for section in TABLE {
        let _ = write!(text, "\n## {}\n\n", section.title);
        if !section.about.is_empty() {
            let _ = write!(text, "{}\n\n", section.about);
        }
        text.push_str(
            "| variable | allowed | unset | read by | what it is |\n|---|---|---|---|---|\n",
        );
        for variable in section.variables {
            text.push_str(&row(variable));
        }
    }
    text.push_str("\n## Rules between variables\n\n");
    for rule in RULES {
        let _ = writeln!(text, "- {rule}");
    }
    text
}

const PREFACE: &str = "# Configuration

This page and `.env.example` are generated from the table in `infra/src/env/table.rs`: `UPDATE_CONFIGURATION=1 cargo test -p infra --test it configuration` writes both anew.

A service reads its environment and, for what is unset there, the file `.env` in its directory or one above. An empty value counts as unset. It checks every value that it reads before it listens or connects, prints all faults at once, and exits with 1; each fault names the variable, its value unless it is secret, what is allowed, and what to do.
A **secret** is never shown. It may be given as `NAME_FILE`, the path of a file that holds the value, instead of `NAME`.

```bash
target/debug/pawl config check                      # the four services; starts nothing
target/debug/pawl config check --service gateway    # one of them; may be given several times
target/debug/pawl config check -o json --offline    # for programs; only the values, without a try
```

`pawl config check` prints each variable with its value and its fault. Then it tries the database (connection, version of the schema, clock), Redis, Kafka, and the key at Stripe, each for at most 5 s. Its exit code is 0 if everything is right, 1 if a value is wrong, and 2 if only a try failed.
";

fn row(variable: &Variable) -> String {
    let secret = if variable.secret { ", **secret**" } else { "" };
    let unset = match variable.unset {
        Unset::Refused => "not allowed".to_owned(),
        Unset::Value(value) => format!("`{value}`"),
        Unset::Means(means) => means.to_owned(),
    };
    let readers: Vec<&str> = variable
        .readers
        .iter()
        .copied()
        .map(Program::name)
        .collect();
    format!(
        "| `{}`{secret} | {} | {unset} | {} | {} |\n",
        variable.name,
        variable.form.allowed(),
        readers.join(", "),
        variable.about,
    )
}

/// Appends the paragraph as comment lines of the width.
fn comment(text: &mut String, paragraph: &str) {
    let mut line = String::from("#");
    for word in paragraph.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        let _ = write!(line, " {word}");
    }
    if line.len() > 1 {
        let _ = writeln!(text, "{line}");
    }
}
