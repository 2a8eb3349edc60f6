//! The intake switch: an operator pauses new payments for all of Pawl. It is a row in Postgres that every gateway reads once
//! a second. Existing payments go on.

use std::time::Duration;

use infra::postgres;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Error;
use crate::store::switch;

pub use crate::store::switch::Switch;

/// How long a process caches the switch, and so the longest delay until a change takes effect everywhere.
pub const OBEYED_WITHIN: Duration = Duration::from_secs(1);

/// Reads the switch.
///
/// # Errors
/// When Postgres fails.
pub async fn read(pool: &PgPool) -> Result<Switch, Error> {
    Ok(postgres::within(switch::intake(pool)).await?)
}

/// Sets the switch; every process obeys it after [`OBEYED_WITHIN`]. False if it was in that state already.
///
/// # Errors
/// When Postgres fails.
pub async fn set(
    pool: &PgPool,
    paused: bool,
    reason: Option<&str>,
    changed_by: &str,
) -> Result<bool, Error> {
    let set = switch::set_intake(pool, paused, reason, changed_by);
    Ok(postgres::within(set).await?)
}

/// This process's cached copy of the switch.
#[derive(Debug, Default)]
pub(crate) struct IntakeSwitch(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    read_at: Option<Instant>,
    paused: bool,
}

impl IntakeSwitch {
    /// Whether new payments are paused. The answer is cached for [`OBEYED_WITHIN`]; concurrent callers share one refresh.
    ///
    /// # Errors
    /// When Postgres fails; it could not store a payment either.
    pub(crate) async fn is_paused(&self, pool: &PgPool) -> Result<bool, Error> {
        let mut cached = self.0.lock().await;
        if cached
            .read_at
            .is_none_or(|read_at| read_at.elapsed() >= OBEYED_WITHIN)
        {
            let read_at = Some(Instant::now());
            let paused = postgres::within(switch::intake(pool)).await?.paused;
            if paused && !cached.paused {
                tracing::warn!(
                    "new payments are paused by an operator; they are refused until the intake switch is turned back"
                );
            } else if !paused && cached.paused {
                tracing::warn!(
                    "new payments are accepted again; the intake switch was turned back"
                );
            }
            *cached = Cached { read_at, paused };
        }
        Ok(cached.paused)
    }
}
