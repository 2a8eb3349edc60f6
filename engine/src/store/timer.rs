//! Table `timer`: looks at a payment that must come even if nobody says anything.

use sqlx::PgConnection;
use uuid::Uuid;

/// A timer that rang.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung {
    pub(crate) payment: Uuid,
    pub(crate) expires: bool,
}

/// What the check timer of a payment is set to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    pub(crate) payment: Uuid,
    /// Seconds from now; none removes the timer.
    pub(crate) after_seconds: Option<f64>,
}

/// Sets or removes the checks of payments whose status changed.
pub(crate) async fn set_checks(
    connection: &mut PgConnection,
    checks: &[Check],
) -> sqlx::Result<()> {
    let set: Vec<&Check> = checks
        .iter()
        .filter(|check| check.after_seconds.is_some())
        .collect();
    let removed: Vec<Uuid> = checks
        .iter()
        .filter(|check| check.after_seconds.is_none())
        .map(|check| check.payment)
        .collect();
    if !set.is_empty() {
        let payments: Vec<Uuid> = set.iter().map(|check| check.payment).collect();
        let seconds: Vec<f64> = set.iter().filter_map(|check| check.after_seconds).collect();
        sqlx::query!(
            "insert into timer (payment_id, kind, due_at)
             select payment_id, 'check', now() + make_interval(secs => seconds)
             from unnest($1::uuid[], $2::float8[]) as t (payment_id, seconds)
             on conflict (payment_id, kind) do update set due_at = excluded.due_at, rings = 0",
            &payments,
            &seconds,
        )
        .execute(&mut *connection)
        .await?;
    }
    if !removed.is_empty() {
        sqlx::query!(
            "delete from timer where payment_id = any($1) and kind = 'check'",
            &removed
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Sets the moments at which unfinished payments are to be canceled.
pub(crate) async fn set_expiries(
    connection: &mut PgConnection,
    payments: &[Uuid],
    seconds: &[f64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into timer (payment_id, kind, due_at)
         select payment_id, 'expire', now() + make_interval(secs => seconds)
         from unnest($1::uuid[], $2::float8[]) as t (payment_id, seconds)",
        payments,
        seconds,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The timers that are due. Each is put off (a check longer every time it rings, up to a day), so that one whose
/// work was lost rings again; an expiry is removed by the move that it causes.
pub(crate) async fn ring(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Rung>> {
    let rows = sqlx::query!(
        "update timer set rings = rings + 1,
                due_at = now() + least(interval '5 minutes' * power(2, least(rings, 10)), interval '1 day')
         where (payment_id, kind) in
            (select payment_id, kind from timer where due_at <= now() order by due_at limit $1 for update skip locked)
         returning payment_id, kind",
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Rung {
            payment: row.payment_id,
            expires: row.kind == "expire",
        })
        .collect())
}

/// Removes the expiry of a payment that is finished or about to be.
pub(crate) async fn remove_expiries(
    connection: &mut PgConnection,
    payments: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from timer where payment_id = any($1) and kind = 'expire'",
        payments
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets checks that rang for more than a month: nobody finished those payments, and a client that comes back after all
/// sets a new one by its first move.
pub(crate) async fn forget_old(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from timer where (payment_id, kind) in
            (select payment_id, kind from timer where kind = 'check' and rings > 40 limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
