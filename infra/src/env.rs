//! The environment variables, read once: all faults in them are collected and reported together.
//!
//! [`table`] has every variable; one that it lacks cannot be read.

pub mod documents;
mod rules;
pub mod table;
pub mod variable;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::OnceLock;

use variable::{Program, Unset, Variable};

pub use secrecy::{ExposeSecret, SecretString};

/// Stripe's API; with a live key no other base is accepted.
pub const STRIPE_API_BASE: &str = "https://api.stripe.com";

/// Each secret of `.env.example` contains one of these marks, by which it is recognised as a demonstration value.
const DEMO_MARKS: [&str; 3] = ["pawl_demo", "PawlDemo", "changeme"];

/// The variables of this process: those of its environment, and for names that are unset there, those of `.env` if it
/// exists.
///
/// An empty value counts as unset, so that a line of `.env` can be emptied instead of removed.
#[derive(Debug)]
pub struct Env {
    variables: HashMap<String, String>,
    faults: Vec<String>,
    /// The variables that were read; [`Env::finish`] checks their form.
    read: RefCell<BTreeSet<String>>,
}

/// One variable of the table as an environment has it.
#[derive(Debug)]
pub struct Finding {
    /// The variable.
    pub variable: &'static Variable,
    /// Its value, `None` if it is unset; that of a secret is `(set)`.
    pub value: Option<String>,
    /// What is wrong with it by itself.
    pub fault: Option<String>,
}

/// All faults of the environment, one per line, each with its remedy.
#[derive(Debug, thiserror::Error)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Each fault.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "  - {fault}")?;
        }
        Ok(())
    }
}

impl Env {
    /// Reads the environment as it is now; variables that are unset come from `.env` in this directory or one above it.
    #[must_use]
    pub fn load() -> Self {
        let (variables, fault) = dotenv();
        let mut variables = variables.clone();
        // Not `vars()`: it panics at any variable that is not Unicode, even one that we do not use.
        variables.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Self {
            variables,
            faults: fault.iter().cloned().collect(),
            read: RefCell::default(),
        }
        .with_files()
    }

    /// An environment of exactly these variables; neither the process's own nor `.env` is read.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            faults: Vec::new(),
            read: RefCell::default(),
        }
        .with_files()
    }

    /// Reads the variables that are given as files.
    fn with_files(mut self) -> Self {
        for name in table::all().filter(|it| it.secret).map(|it| it.name) {
            let Some(path) = self.raw(&format!("{name}_FILE")) else {
                continue;
            };
            if self.raw(name).is_some() {
                self.fault(format!(
                    "{name} and {name}_FILE are both set: remove one of them"
                ));
                continue;
            }
            match std::fs::read_to_string(&path) {
                // Editors and `echo` end a file with a line break that is not part of the secret.
                Ok(value) => {
                    let value = value.trim_end_matches(['\n', '\r']).to_owned();
                    self.variables.insert(name.to_owned(), value);
                }
                Err(error) => self.fault(format!(
                    "{name}_FILE names {path}, which cannot be read: {error}"
                )),
            }
        }
        self
    }

    /// Sets a variable unless it is set.
    pub fn fill(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let value_now = self.variables.entry(name.into()).or_default();
        if value_now.is_empty() {
            *value_now = value.into();
        }
    }

    /// The value of a required variable, or an empty text if it is missing or wrong, which is a fault.
    pub fn required(&mut self, name: &str) -> String {
        if self.raw(name).is_none()
            && let Some(variable) = table::find(name)
        {
            self.fault(variable.missing());
        }
        self.optional(name).unwrap_or_default()
    }

    /// [`Env::required`] for a value that must never be printed. With a live Stripe key, a secret from `.env.example` is a
    /// fault.
    pub fn secret(&mut self, name: &str) -> SecretString {
        let value = self.required(name);
        if self.is_live() && is_demo(&value) {
            self.fault(format!(
                "{name} holds the demonstration value of .env.example while STRIPE_API_KEY is a live key: make a secret of your own"
            ));
        }
        value.into()
    }

    /// The value of an optional variable; `None` if it is unset or wrong. A wrong one is a fault.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.read.borrow_mut().insert(name.to_owned());
        let form = table::find(name)?.form;
        self.raw(name).filter(|value| form.accepts(value))
    }

    /// The text of a variable, or its default.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let default = || match table::find(name).map(|variable| variable.unset) {
            Some(Unset::Value(value)) => value.to_owned(),
            _ => String::new(),
        };
        self.optional(name).unwrap_or_else(default)
    }

    /// The number that a variable holds, or its default.
    #[must_use]
    pub fn number<T: FromStr + Default>(&self, name: &str) -> T {
        self.text(name).trim().parse().unwrap_or_default()
    }

    /// Whether a variable is `true`, by itself or by default.
    #[must_use]
    pub fn switch(&self, name: &str) -> bool {
        self.text(name).trim() == "true"
    }

    /// The address and port that a variable holds, or its default.
    #[must_use]
    pub fn socket(&self, name: &str) -> SocketAddr {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        self.text(name).trim().parse().unwrap_or(unspecified)
    }

    /// Stripe's key (`STRIPE_API_KEY`) and address (`STRIPE_API_BASE`, Stripe's own by default).
    pub fn stripe(&mut self) -> (SecretString, String) {
        (self.secret("STRIPE_API_KEY"), self.stripe_base())
    }

    /// Records a fault found by a service's configuration; [`Env::finish`] reports it with all others, once.
    pub fn fault(&mut self, fault: impl Into<String>) {
        let fault = fault.into();
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Reads every variable of these programs, as their start would. Required ones that are unset are faults.
    pub fn review(&mut self, programs: &[Program]) -> Vec<Finding> {
        let of_these = |variable: &&Variable| {
            let readers = variable.readers;
            readers.iter().any(|reader| programs.contains(reader))
        };
        let mut findings = Vec::new();
        for variable in table::all().filter(of_these) {
            // The simulator requires nothing.
            let is_required = variable.unset == Unset::Refused && programs != [Program::Simulator];
            let value = self.raw(variable.name);
            let fault = match &value {
                None if is_required => Some(variable.missing()),
                None => None,
                Some(value) => variable.fault(value),
            };
            if is_required && variable.secret {
                self.secret(variable.name);
            } else if is_required {
                self.required(variable.name);
            } else {
                let _ = self.optional(variable.name);
            }
            findings.push(Finding {
                variable,
                value: value.map(|value| {
                    if variable.secret {
                        "(set)".to_owned()
                    } else {
                        value
                    }
                }),
                fault,
            });
        }
        findings
    }

    /// Reads what logging, traces and crash points took before there was an [`Env`], so that it is checked.
    pub(crate) fn read_early(&self) {
        for name in [
            "RUST_LOG",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_TRACES_SAMPLER_ARG",
            "OTEL_SERVICE_NAME",
            "PAWL_CRASH_AT",
        ] {
            let _ = self.optional(name);
        }
    }

    /// The names of the variables that were read so far.
    #[must_use]
    pub fn names_read(&self) -> BTreeSet<String> {
        self.read.borrow().clone()
    }

    fn was_read(&self, name: &str) -> bool {
        self.read.borrow().contains(name)
    }

    /// The value as it is; an empty one counts as unset.
    fn raw(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// Ends the reading; the values read may be used only if this is `Ok`.
    ///
    /// It checks the form of each variable that was read, and the rules between them. A live key with an address other than
    /// Stripe's is a fault in every service, whether the service reads them or not.
    ///
    /// # Errors
    /// All faults found since [`Env::load`].
    pub fn finish(mut self) -> Result<(), Faults> {
        let _ = self.optional("STRIPE_API_BASE");
        for name in self.names_read() {
            let fault = match (table::find(&name), self.raw(&name)) {
                (None, _) => Some(format!(
                    "{name} is read but is not in infra/src/env/table.rs: add it there"
                )),
                (Some(variable), Some(value)) => variable.fault(&value),
                (Some(_), None) => None,
            };
            if let Some(fault) = fault {
                self.fault(fault);
            }
        }
        for fault in rules::broken(&self) {
            self.fault(fault);
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(self.faults))
        }
    }

    /// Where Stripe is, without a slash at the end.
    #[must_use]
    pub fn stripe_base(&self) -> String {
        self.text("STRIPE_API_BASE")
            .trim_end_matches('/')
            .to_owned()
    }

    /// Whether real money moves: the key in the environment is one of Stripe's live keys.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.raw("STRIPE_API_KEY")
            .is_some_and(|key| key.starts_with("sk_live_") || key.starts_with("rk_live_"))
    }
}

/// Whether a secret is a demonstration value of `.env.example`, which everybody can read.
#[must_use]
pub fn is_demo(secret: &str) -> bool {
    DEMO_MARKS.iter().any(|mark| secret.contains(mark))
}

/// The user of this terminal, as the system names it (`USER`).
#[must_use]
pub fn user() -> Option<String> {
    early("USER")
}

/// One variable, for settings that are needed before [`Env::load`] (the log filter); an empty value counts as unset.
pub(crate) fn early(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .or_else(|| dotenv().0.get(name).cloned())
        .filter(|value| !value.is_empty())
}

/// The variables of `.env`, read once, and its fault if it cannot be parsed; `std::env` itself is never changed.
fn dotenv() -> &'static (HashMap<String, String>, Option<String>) {
    static DOTENV: OnceLock<(HashMap<String, String>, Option<String>)> = OnceLock::new();
    DOTENV.get_or_init(|| {
        let Ok(lines) = dotenvy::dotenv_iter() else {
            return (HashMap::new(), None);
        };
        match lines.collect::<Result<_, _>>() {
            Ok(variables) => (variables, None),
            // The error quotes the line, which may hold a secret.
            Err(_) => (
                HashMap::new(),
                Some(
                    ".env has a line that is not NAME=value: quote values that hold spaces"
                        .to_owned(),
                ),
            ),
        }
    })
}
