//! Table `timer`: the moments at which a payment is checked against Stripe, expires, has evidence
//! of a dispute due, or loses its authorization, even if no event arrives.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

/// A timer that fired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fired {
    pub(crate) payment: Uuid,
    pub(crate) kind: Kind,
    /// The time now by the clock of the database, in Unix seconds.
    pub(crate) now: i64,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The payment is compared with Stripe's object.
    Check,
    /// The payment was not finished in time.
    Expire,
    /// Evidence of one of its disputes is due.
    Evidence,
    /// Its authorization ends.
    Authorization,
}

impl Kind {
    /// Its name in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Expire => "expire",
            Self::Evidence => "evidence",
            Self::Authorization => "authorization",
        }
    }

    /// The kind of this name; any other is a check, which changes nothing that is right.
    fn of(name: &str) -> Self {
        match name {
            "expire" => Self::Expire,
            "evidence" => Self::Evidence,
            "authorization" => Self::Authorization,
            _ => Self::Check,
        }
    }
}

/// When the check of a payment is due.
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
             on conflict (payment_id, kind) do update set due_at = excluded.due_at, times_fired = 0",
            &payments,
            &seconds,
        )
        .execute(&mut *connection)
        .await?;
    }
    if !removed.is_empty() {
        remove(connection, Kind::Check, &removed).await?;
    }
    Ok(())
}

/// Sets when unfinished payments are to be canceled, in seconds from now.
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

/// A timer of a payment that has not fired for the last time.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    pub(crate) due_at: OffsetDateTime,
}

/// The timers of a payment.
pub(crate) async fn of(connection: &mut PgConnection, payment: Uuid) -> sqlx::Result<Vec<Pending>> {
    let rows = sqlx::query!(
        "select kind, due_at from timer where payment_id = $1",
        payment
    )
    .fetch_all(connection)
    .await?;
    let timers = rows.into_iter().map(|row| Pending {
        kind: Kind::of(&row.kind),
        due_at: row.due_at,
    });
    Ok(timers.collect())
}

/// Sets when timers of this kind fire, each in Unix seconds.
pub(crate) async fn set(
    connection: &mut PgConnection,
    kind: Kind,
    payments: &[Uuid],
    at: &[i64],
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into timer (payment_id, kind, due_at)
         select payment_id, $3, to_timestamp(at)
         from unnest($1::uuid[], $2::int8[]) as t (payment_id, at)
         on conflict (payment_id, kind) do update set due_at = excluded.due_at, times_fired = 0",
        payments,
        at,
        kind.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the timers of this kind.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    kind: Kind,
    payments: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from timer where payment_id = any($1) and kind = $2",
        payments,
        kind.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the timers that are due. Each is set to fire again later (after 5 minutes, then twice as long each time, up to a
/// day), so that it fires again if its work is lost. The transition that an expiry causes removes the expiry.
pub(crate) async fn fire(connection: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<Fired>> {
    let rows = sqlx::query!(
        r#"update timer set times_fired = times_fired + 1,
                due_at = now() + least(interval '5 minutes' * power(2, least(times_fired, 10)), interval '1 day')
         where (payment_id, kind) in
            (select payment_id, kind from timer where due_at <= now() order by due_at limit $1 for update skip locked)
         returning payment_id, kind, floor(extract(epoch from now()))::int8 as "now!""#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Fired {
            payment: row.payment_id,
            kind: Kind::of(&row.kind),
            now: row.now,
        })
        .collect())
}

/// Brings all checks forward: they are due now.
pub(crate) async fn bring_checks_forward(pool: &PgPool) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("update timer set due_at = now() where kind = 'check' and due_at > now()")
            .execute(pool)
            .await?;
    Ok(done.rows_affected())
}

/// Brings the checks forward that are due next: at most `limit` are due now.
pub(crate) async fn bring_next_checks_forward(pool: &PgPool, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "update timer set due_at = now() where (payment_id, kind) in
            (select payment_id, kind from timer where kind = 'check' and due_at > now()
             order by due_at limit $1 for update skip locked)",
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes checks that have fired for more than a month: those payments were abandoned. A payment that moves after all
/// gets a new check.
pub(crate) async fn delete_expired(connection: &mut PgConnection, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from timer where (payment_id, kind) in
            (select payment_id, kind from timer where kind = 'check' and times_fired > 40 limit $1)",
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
