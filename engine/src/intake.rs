//! Whether new payments are taken: a switch in Postgres that a person turns, and that all gateways obey within a second.
//! Payments that exist go on.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Error;
use crate::store::switch;

pub use crate::store::switch::Switch;

/// How long a process believes what it saw.
pub const OBEYED_WITHIN: Duration = Duration::from_secs(1);

/// How the switch stands.
///
/// # Errors
/// When Postgres fails.
pub async fn read(pool: &PgPool) -> Result<Switch, Error> {
    Ok(switch::intake(pool).await?)
}

/// Turns the switch; [`OBEYED_WITHIN`] later no process does otherwise. False if it stood so already.
///
/// # Errors
/// When Postgres fails.
pub async fn set(
    pool: &PgPool,
    paused: bool,
    reason: Option<&str>,
    changed_by: &str,
) -> Result<bool, Error> {
    Ok(switch::set_intake(pool, paused, reason, changed_by).await?)
}

/// The switch as this process saw it last.
#[derive(Debug, Default)]
pub(crate) struct Intake(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    at: Option<Instant>,
    paused: bool,
}

impl Intake {
    /// Whether no new payments are taken. Whoever comes when that was last seen too long ago looks, and the others wait
    /// for that one look. A database that cannot be asked takes no payments either.
    pub(crate) async fn is_paused(&self, pool: &PgPool) -> Result<bool, Error> {
        let mut seen = self.0.lock().await;
        if seen.at.is_none_or(|at| at.elapsed() >= OBEYED_WITHIN) {
            let asked = Instant::now();
            let paused = switch::intake(pool).await?.paused;
            if paused != seen.paused {
                tracing::warn!(paused, "the taking of new payments was switched");
            }
            *seen = Seen {
                at: Some(asked),
                paused,
            };
        }
        Ok(seen.paused)
    }
}
