//! Named points between two durable effects, at which a test makes the process die.

use std::sync::OnceLock;

static WANTED: OnceLock<Option<String>> = OnceLock::new();

/// Ends the process at once, as a power cut would, if `PAWL_CRASH_AT` names this point. Without that variable it costs
/// one comparison; it exists in every build, so that what is tested is what runs.
pub fn point(name: &str) {
    if wanted().is_some_and(|wanted| wanted == name) {
        tracing::warn!(point = name, "dying here, as PAWL_CRASH_AT asks");
        std::process::abort();
    }
}

/// The same for a point that each kind of job passes: `confirm_intent.called`.
pub fn point_of(kind: &str, point: &str) {
    if let Some(wanted) = wanted()
        && wanted.split_once('.') == Some((kind, point))
    {
        self::point(wanted);
    }
}

fn wanted() -> Option<&'static str> {
    WANTED
        .get_or_init(|| std::env::var("PAWL_CRASH_AT").ok())
        .as_deref()
}
