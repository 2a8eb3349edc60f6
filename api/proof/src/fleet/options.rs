//! The choices for a fleet.

/// The processes to start, and their environment.
#[derive(Debug, Clone)]
pub(crate) struct FleetOptions {
    /// The name of the directory under `.pawl/runs/`.
    pub(crate) name: String,
    /// Worker processes.
    pub(crate) workers: usize,
    /// Whether the fleet may share a Redis with others.
    pub(crate) sharing: Sharing,
    /// `RUST_LOG` of all processes.
    pub(crate) log: &'static str,
    /// Whether the core service is started too.
    pub(crate) operations: bool,
    /// More environment variables of all processes.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// Whether the Redis of the environment may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// The fleet leaves the keys of others alone: the Redis of the environment is used.
    Polite,
    /// The fleet flushes Redis: a private one is started, even if the environment names another.
    Flushes,
}
