//! The bound of this process on Postgres' answers, for connections that take what is sent and never answer.
//!
//! The server bounds each statement by itself (`statement_timeout`), so a statement that is later than that will never be
//! answered on its connection: after a failover, a proxy or a NAT may drop what is sent without closing the connection. Then
//! all connections that were opened before are distrusted, because they go the same way: the pool closes each of them
//! instead of using it, and opens new ones.

use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::timeout;

/// How long a unit of work may wait for Postgres: a little longer than its own limit for a statement.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the answer to COMMIT may take: no lock is waited for there.
pub const COMMIT_WITHIN: Duration = Duration::from_secs(5);

/// How long an idle connection may take to answer a ping.
const PING_WITHIN: Duration = Duration::from_secs(1);

/// Connections that were opened before this moment are not used any more.
static DISTRUSTED_BEFORE: Mutex<Option<Instant>> = Mutex::new(None);

/// Runs the statements of one unit of work, for at most [`ANSWER_WITHIN`]. Past that, its connection and all older ones
/// are closed, and the work can be run again on a new one. Whether the statements were executed is not known then.
///
/// # Errors
/// Those of `work`, and an `Io` error of kind `TimedOut` past the bound, which is
/// [transient](super::is_transient).
pub async fn within<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    bounded(ANSWER_WITHIN, work).await
}

/// [`within`] for work that has errors of its own.
///
/// # Errors
/// Those of `work`, and past the bound the error of [`within`].
pub fn unit<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    // Boxed, because such units are large and few.
    bounded(ANSWER_WITHIN, Box::pin(work))
}

/// Commits, waiting for at most [`COMMIT_WITHIN`].
///
/// # Errors
/// Those of the commit, and past the bound those of [`within`]. The transaction may be committed then.
pub async fn commit(transaction: sqlx::Transaction<'_, sqlx::Postgres>) -> sqlx::Result<()> {
    bounded(COMMIT_WITHIN, transaction.commit()).await
}

/// Pings an idle connection.
///
/// # Errors
/// If it does not answer in a second; then older connections are distrusted too.
pub(super) async fn ping(connection: &mut sqlx::PgConnection) -> sqlx::Result<()> {
    bounded(PING_WITHIN, sqlx::Connection::ping(connection)).await
}

/// Whether a connection of this age may still be used.
pub(super) fn is_trusted(age: Duration) -> bool {
    let before = *DISTRUSTED_BEFORE.lock();
    before.is_none_or(|before| age < before.elapsed())
}

/// Has all connections that are open now closed instead of used.
pub(super) fn distrust() {
    *DISTRUSTED_BEFORE.lock() = Some(Instant::now());
}

async fn bounded<T, E: From<sqlx::Error>>(
    bound: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    // Dropped at the end of this function: the connection must be distrusted before it goes back to its pool, which would
    // wait for an answer to a ping without a bound.
    let mut work = pin!(work);
    if let Ok(done) = timeout(bound, work.as_mut()).await {
        return done;
    }
    distrust();
    let seconds = bound.as_secs();
    tracing::warn!(
        seconds,
        "Postgres did not answer in time; all open connections to it are closed, and new ones are opened"
    );
    let error = format!("Postgres did not answer within {seconds} s");
    Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, error)).into())
}
