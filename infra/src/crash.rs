//! Crash points: names between two durable effects, at which a test makes the process abort.

use std::sync::OnceLock;

/// The kinds of work that pass the points `KIND.claimed`, `KIND.called` and `KIND.finished`.
const KINDS: [&str; 9] = [
    "create_intent",
    "confirm_intent",
    "capture_intent",
    "cancel_intent",
    "create_refund",
    "update_dispute",
    "close_dispute",
    "resync",
    "deliver_webhook",
];

/// The points of each kind.
const OF_A_KIND: [&str; 3] = ["claimed", "called", "finished"];

/// The points that no kind has.
const OTHERS: [&str; 5] = [
    "inbox.kept",
    "inbox.applying",
    "inbox.applied",
    "relay.published",
    "commands.applied",
];

/// The names of all points, which are the values that `PAWL_CRASH_AT` may have.
pub fn names() -> impl Iterator<Item = String> {
    let of_kinds = KINDS
        .iter()
        .flat_map(|kind| OF_A_KIND.map(|point| format!("{kind}.{point}")));
    of_kinds.chain(OTHERS.map(str::to_owned))
}

/// Aborts the process, as a power cut would, if `PAWL_CRASH_AT` names this point. Without that variable it costs one
/// comparison. It is in every build, so that the tested program is the one that runs.
pub fn point(name: &str) {
    if configured() == Some(name) {
        tracing::warn!(
            point = name,
            "aborting at the crash point that PAWL_CRASH_AT names"
        );
        std::process::abort();
    }
}

/// [`point`] for a point that each kind of job passes, such as `confirm_intent.called`.
pub fn job_point(kind: &str, point: &str) {
    if let Some(configured) = configured()
        && configured.split_once('.') == Some((kind, point))
    {
        self::point(configured);
    }
}

/// The value of `PAWL_CRASH_AT`, read once.
fn configured() -> Option<&'static str> {
    static CONFIGURED: OnceLock<Option<String>> = OnceLock::new();
    CONFIGURED
        .get_or_init(|| std::env::var("PAWL_CRASH_AT").ok())
        .as_deref()
}
