//! `pawl seed --payments N --jobs N`: many payments and jobs for measurements, written by SQL in portions.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rand::distr::{Alphanumeric, SampleString};
use sqlx::PgPool;
use uuid::Uuid;

/// Payments of a portion: a transaction of a second or less.
const PORTION: i64 = 10_000;

/// Prepares a connection: no portion is ended for the time that it takes, and `id_at` makes an id of version 7 for a time in the
/// past.
const PREPARE: &str = "
    set statement_timeout = 0;
    create function pg_temp.id_at(at timestamptz) returns uuid language sql volatile as $$
        select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
            placing substring(int8send(floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid
    $$";

/// How much is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    pub(super) payments: i64,
    pub(super) jobs: i64,
}

/// Refuses a database on another machine, and one that has payments: nobody wants invented payments beside real ones.
///
/// # Errors
/// It is one of these, or does not answer.
pub(super) async fn check(pool: &PgPool) -> Result<()> {
    let server = pool.connect_options();
    if server.get_socket().is_none() && !is_this_machine(server.get_host()) {
        bail!(
            "the database is on {}, not on this machine: invented payments are written there only with --force",
            server.get_host()
        );
    }
    let has_payments: bool = sqlx::query_scalar("select exists (select from payment)")
        .fetch_one(pool)
        .await
        .context("`pawl migrate` brings the database to this version's schema")?;
    if has_payments {
        bail!("the database has payments: invented ones are written beside them only with --force");
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost"
        || host.starts_with('/')
        || address.is_ok_and(|address| address.is_loopback())
}

/// Writes the payments with their history, and the jobs, as payments of the account. Each portion is a transaction: what was
/// written before an error stays.
///
/// # Errors
/// The database refuses a row or does not answer.
pub(super) async fn write(pool: &PgPool, account: Uuid, amount: Amount) -> Result<()> {
    // It never returns to the pool with these settings.
    let mut connection = pool.acquire().await?.detach();
    sqlx::raw_sql(PREPARE).execute(&mut connection).await?;
    let run = Alphanumeric.sample_string(&mut rand::rng(), 8);
    let bar = bar(amount.payments.unsigned_abs());
    let mut first = 1;
    while first <= amount.payments {
        let last = (first + PORTION - 1).min(amount.payments);
        sqlx::query(include_str!("many.sql"))
            .bind(first)
            .bind(last)
            .bind(amount.payments)
            .bind(account)
            .bind(amount.jobs)
            .bind(&run)
            .execute(&mut connection)
            .await
            .with_context(|| {
                format!(
                    "payments {first} to {last} of {} were not written",
                    amount.payments
                )
            })?;
        bar.set_position(last.unsigned_abs());
        first = last + 1;
    }
    // Plans and estimated counts are those of these rows at once, and not only after the next automatic vacuum.
    bar.set_message("vacuum and statistics");
    sqlx::raw_sql("vacuum (analyze) payment, history, refund, job")
        .execute(&mut connection)
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// A bar on standard error, on a terminal only.
fn bar(all: u64) -> ProgressBar {
    let bar = ProgressBar::new(all);
    let template = "  {human_pos}/{human_len} payments {bar:30} {msg} … {elapsed}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
