//! The environment, read once and judged as a whole: every fault is collected and named together.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::OnceLock;

pub use secrecy::{ExposeSecret, SecretString};

/// Stripe's own API; with a live key no other base is accepted.
pub const STRIPE_API_BASE: &str = "https://api.stripe.com";

/// The values of `.env.example` carry one of these, so that they are recognised wherever they turn up.
const DEMO_MARKS: [&str; 3] = ["pawl_demo", "PawlDemo", "changeme"];

/// Variables that are addresses, with the beginning of their scheme and the form to show.
const ADDRESSES: [(&str, &str, &str); 2] = [
    (
        "DATABASE_URL",
        "postgres",
        "postgres://user:password@host:port/database",
    ),
    ("REDIS_URL", "redis", "redis://host:port"),
];

/// Variables that may be given as `NAME_FILE`, the path of a file that holds the value: orchestrators hand out secrets
/// as files.
const FROM_FILES: [&str; 7] = [
    "DATABASE_URL",
    "REDIS_URL",
    "STRIPE_API_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "AUTH_API_KEYS",
    "JWT_PRIVATE_KEY",
    "SHOP_API_KEY",
];

/// The variables of this process: those of the environment, and below them those of `.env` where it exists.
///
/// An empty value counts as unset, so that a line of `.env` can be emptied instead of removed.
#[derive(Debug)]
pub struct Env {
    variables: HashMap<String, String>,
    faults: Vec<String>,
}

/// Everything that is wrong with the environment, one fault a line, each with what to do about it.
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
    /// Takes the environment as it is now, with `.env` (in this directory or one above it) filling the gaps.
    #[must_use]
    pub fn load() -> Self {
        let (ambient, fault) = ambient();
        let mut variables = ambient.clone();
        // Not `vars()`: it panics at a variable that is not Unicode, even one that is none of ours.
        variables.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Self {
            variables,
            faults: fault.iter().cloned().collect(),
        }
        .with_files()
    }

    /// An environment of exactly these variables; neither the process's own nor `.env` is looked at.
    pub fn of<N: Into<String>, V: Into<String>>(
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
                // Editors and `echo` end a file with a line break that is no part of the secret.
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

    /// Gives a variable a value unless it has one.
    pub fn fill(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let held = self.variables.entry(name.into()).or_default();
        if held.is_empty() {
            *held = value.into();
        }
    }

    /// The value of a variable that must be there; a missing one is a fault, and the empty string stands in for it. An
    /// address of something else than the name says is a fault too.
    pub fn required(&mut self, name: &str) -> String {
        let Some(value) = self.optional(name) else {
            self.fault(format!(
                "{name} is missing: set it in the environment or in .env (.env.example shows every variable)"
            ));
            return String::new();
        };
        for (_, scheme, form) in ADDRESSES.iter().filter(|(known, ..)| *known == name) {
            // The value itself is not repeated: it may hold a password.
            if !value
                .split_once("://")
                .is_some_and(|(given, _)| given.starts_with(scheme))
            {
                self.fault(format!("{name} is no address of the form {form}"));
            }
        }
        value
    }

    /// Like [`Env::required`], for a value that must never be printed. Beside a live Stripe key a secret copied
    /// from `.env.example` is a fault.
    pub fn secret(&mut self, name: &str) -> SecretString {
        let value = self.required(name);
        if self.is_live() && is_demo(&value) {
            self.fault(format!(
                "{name} holds the demonstration value of .env.example while STRIPE_API_KEY is a live key: make a secret of your own"
            ));
        }
        value.into()
    }

    /// The value of a variable that may be absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    /// A variable read as `T`, or `default` if it is absent; a value that cannot be read is a fault.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T) -> T {
        match self.optional(name) {
            None => default,
            Some(value) => value.trim().parse().unwrap_or_else(|_| {
                self.fault(format!(
                    "{name} is {value:?}, which is not a valid {}",
                    kind::<T>()
                ));
                default
            }),
        }
    }

    /// The processor's key (`STRIPE_API_KEY`) and address (`STRIPE_API_BASE`, Stripe's own by default).
    pub fn stripe(&mut self) -> (SecretString, String) {
        (self.secret("STRIPE_API_KEY"), self.stripe_base())
    }

    /// Records a fault that a configuration found by itself; it is named with all others by [`Env::finish`].
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Ends the reading; what was read may be used only if this is `Ok`.
    ///
    /// A live key beside the address of anything but Stripe is a fault of every service, whether it reads them or not:
    /// it would give the key away, and a simulator would say that money had moved which had not.
    ///
    /// # Errors
    /// All faults met since [`Env::load`].
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

    /// Whether real money moves here: the key in the environment is one of Stripe's live keys.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.optional("STRIPE_API_KEY")
            .is_some_and(|key| key.starts_with("sk_live_") || key.starts_with("rk_live_"))
    }
}

/// Whether a secret is one that everybody can read in `.env.example`.
#[must_use]
pub fn is_demo(secret: &str) -> bool {
    DEMO_MARKS.iter().any(|mark| secret.contains(mark))
}

/// One variable before anything else is up (the log filter); an empty one counts as unset.
pub(crate) fn early(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .or_else(|| ambient().0.get(name).cloned())
        .filter(|value| !value.is_empty())
}

/// What `.env` holds, read once; `std::env` itself is never changed.
fn ambient() -> &'static (HashMap<String, String>, Option<String>) {
    static AMBIENT: OnceLock<(HashMap<String, String>, Option<String>)> = OnceLock::new();
    AMBIENT.get_or_init(|| {
        let Ok(lines) = dotenvy::dotenv_iter() else {
            return (HashMap::new(), None);
        };
        match lines.collect::<Result<_, _>>() {
            Ok(variables) => (variables, None),
            // The error itself would quote the line, which may hold a secret.
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

/// The last part of a type's name: `SocketAddr`, `u32`.
fn kind<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
