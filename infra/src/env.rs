//! The environment variables, read once: all faults in them are collected and reported together.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::OnceLock;

pub use secrecy::{ExposeSecret, SecretString};

/// Stripe's API; with a live key no other base is accepted.
pub const STRIPE_API_BASE: &str = "https://api.stripe.com";

/// Each secret of `.env.example` contains one of these marks, by which it is recognised as a demonstration value.
const DEMO_MARKS: [&str; 3] = ["pawl_demo", "PawlDemo", "changeme"];

/// Variables that are addresses, with the start of their scheme and the form that a fault shows.
const ADDRESSES: [(&str, &str, &str); 2] = [
    (
        "DATABASE_URL",
        "postgres",
        "postgres://user:password@host:port/database",
    ),
    ("REDIS_URL", "redis", "redis://host:port"),
];

/// Variables that may be given as `NAME_FILE`, the path of a file that holds the value: orchestrators provide secrets as
/// files.
const FROM_FILES: [&str; 7] = [
    "DATABASE_URL",
    "REDIS_URL",
    "STRIPE_API_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "AUTH_API_KEYS",
    "JWT_PRIVATE_KEY",
    "SHOP_API_KEY",
];

/// The variables of this process: those of its environment, and for names that are unset there, those of `.env` if it
/// exists.
///
/// An empty value counts as unset, so that a line of `.env` can be emptied instead of removed.
#[derive(Debug)]
pub struct Env {
    variables: HashMap<String, String>,
    faults: Vec<String>,
}

/// All faults of the environment, one per line, each with its remedy.
#[derive(Debug, thiserror::Error)]
pub struct Faults(Vec<String>);

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
        }
        .with_files()
    }

    /// Reads the variables that are given as files.
    fn with_files(mut self) -> Self {
        for name in FROM_FILES {
            let Some(path) = self.optional(&format!("{name}_FILE")) else {
                continue;
            };
            if self.optional(name).is_some() {
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

    /// The value of a required variable. If it is missing, that is a fault and the result is empty. An address with the
    /// wrong scheme for its variable is a fault too.
    pub fn required(&mut self, name: &str) -> String {
        let Some(value) = self.optional(name) else {
            self.fault(format!(
                "{name} is missing: set it in the environment or in .env (.env.example shows every variable)"
            ));
            return String::new();
        };
        for (_, scheme, form) in ADDRESSES.iter().filter(|(known, ..)| *known == name) {
            // The value itself is not shown: it may hold a password.
            if !value
                .split_once("://")
                .is_some_and(|(given, _)| given.starts_with(scheme))
            {
                self.fault(format!("{name} is no address of the form {form}"));
            }
        }
        value
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

    /// The value of an optional variable.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// A variable parsed as `T`, or `default` if it is unset; a value that cannot be parsed is a fault.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T) -> T {
        match self.optional(name) {
            None => default,
            Some(value) => value.trim().parse().unwrap_or_else(|_| {
                self.fault(format!(
                    "{name} is {value:?}, which is not a valid {}",
                    type_name::<T>()
                ));
                default
            }),
        }
    }

    /// Stripe's key (`STRIPE_API_KEY`) and address (`STRIPE_API_BASE`, Stripe's own by default).
    pub fn stripe(&mut self) -> (SecretString, String) {
        (self.secret("STRIPE_API_KEY"), self.stripe_base())
    }

    /// Records a fault found by a service's configuration; [`Env::finish`] reports it with all others.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Ends the reading; the values read may be used only if this is `Ok`.
    ///
    /// A live key with an address other than Stripe's is a fault in every service, whether the service reads them or not:
    /// the key would be sent elsewhere, and a simulator would report payments that did not happen.
    ///
    /// # Errors
    /// All faults found since [`Env::load`].
    pub fn finish(mut self) -> Result<(), Faults> {
        let base = self.stripe_base();
        if self.is_live() && base != STRIPE_API_BASE {
            self.fault(format!(
                "STRIPE_API_BASE is {base:?} while STRIPE_API_KEY is a live key: remove it (a live key goes to {STRIPE_API_BASE} only) or use a test key"
            ));
        } else if !base.starts_with("http://") && !base.starts_with("https://") {
            self.fault(format!(
                "STRIPE_API_BASE is {base:?}, which is not an http(s) address"
            ));
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(self.faults))
        }
    }

    fn stripe_base(&self) -> String {
        let base = self.optional("STRIPE_API_BASE");
        base.map_or_else(
            || STRIPE_API_BASE.to_owned(),
            |base| base.trim_end_matches('/').to_owned(),
        )
    }

    /// Whether real money moves: the key in the environment is one of Stripe's live keys.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.optional("STRIPE_API_KEY")
            .is_some_and(|key| key.starts_with("sk_live_") || key.starts_with("rk_live_"))
    }
}

/// Whether a secret is a demonstration value of `.env.example`, which everybody can read.
#[must_use]
pub fn is_demo(secret: &str) -> bool {
    DEMO_MARKS.iter().any(|mark| secret.contains(mark))
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

/// The last part of a type's name, such as `SocketAddr` or `u32`.
fn type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
