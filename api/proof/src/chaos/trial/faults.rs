//! The faults of the trials: each is made, lasts for its time, and is undone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::postgres::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::load::{Group, Load};
use super::stage::{Happened, Stage};
use super::{Check, Trial, merchants};
use crate::fleet::Fleet;

/// How many payments are locked at once.
const LOCKED: usize = 5;
/// How often something is waited for.
const POLL: Duration = Duration::from_millis(50);
/// How often a load balancer asks the gateways whether they are ready.
const HEALTH_EVERY: Duration = Duration::from_millis(250);
/// Past this, what is waited for counts as never.
const NEVER: Duration = Duration::from_mins(1);
/// The shard whose row cannot be read, and its relay in readiness.
const BAD_SHARD: i16 = 1;
const BAD_RELAY: &str = "relay of shard 1";
/// The clocks of the gateway in the two trials.
const AHEAD: &str = "+3600s";
const BEHIND: &str = "-3600s";

/// Makes the fault and undoes it.
pub(super) async fn commit(trial: Trial, stage: &mut Stage, load: &mut Load) -> Result<Happened> {
    match trial {
        Trial::LockPayments => lock_payments(stage, load).await,
        Trial::LockTable => lock_table(stage, load).await,
        Trial::SwallowGateway | Trial::SwallowWorker => swallow(trial, stage, load).await,
        Trial::ClockAhead => shift_clock(stage, AHEAD).await,
        Trial::ClockBehind => shift_clock(stage, BEHIND).await,
        Trial::RollingRestart => restart_gateways(stage, load).await,
        Trial::PoisonRow => poison(stage, load).await,
        Trial::Flood => merchants::flood(stage, load).await,
        Trial::DeadReceiver => merchants::dead_receiver(stage, load).await,
    }
}

async fn lock_payments(stage: &Stage, load: &mut Load) -> Result<Happened> {
    // The others have refunded these already, and need them no more.
    let mut payments = load.payments();
    payments.truncate(LOCKED);
    let mut stranger = stage.fleet.pool.begin().await?;
    sqlx::query("select from payment where id = any($1) for update")
        .bind(&payments)
        .execute(&mut *stranger)
        .await?;
    let window = stage.window().await?;
    load.refund(&payments, &stage.user)?;
    let happened = stage.last(window, Vec::new()).await?;
    stranger.rollback().await?;
    Ok(happened)
}

async fn lock_table(stage: &Stage, load: &Load) -> Result<Happened> {
    let window = stage.window().await?;
    let mut stranger = stage.fleet.pool.begin().await?;
    sqlx::query("lock table payment in access exclusive mode")
        .execute(&mut *stranger)
        .await?;
    sleep(stage.times.fault / 2).await;
    let check = readiness_says(&stage.fleet, &[stage.fleet.gateway], "tables", "locked").await?;
    sleep(stage.times.fault / 2).await;
    stranger.rollback().await?;
    let from = Instant::now();
    let mut happened = Happened::new(window.close(&stage.fleet.pool).await?, vec![check]);
    wait_for_recovery(&mut happened, from, &stage.fleet.pool, load).await?;
    Ok(happened)
}

async fn swallow(trial: Trial, stage: &Stage, load: &Load) -> Result<Happened> {
    let window = stage.window().await?;
    let from = Instant::now();
    let proxies = stage.fleet.proxies()?;
    match trial {
        Trial::SwallowGateway => proxies.gateways.swallow(),
        _ => proxies.workers.swallow(),
    }
    let mut happened = stage.last(window, Vec::new()).await?;
    wait_for_recovery(&mut happened, from, &stage.fleet.pool, load).await?;
    Ok(happened)
}

/// The gateway runs with another clock, and at the end with the right one again. The workers cannot be tried so: the client
/// library of Kafka waits by functions that libfaketime does not know, and hangs.
async fn shift_clock(stage: &mut Stage, shift: &str) -> Result<Happened> {
    let library = faketime()?;
    let environment = [
        ("LD_PRELOAD", library.to_string_lossy().into_owned()),
        ("FAKETIME", shift.to_owned()),
        // Only the time of day: a monotonic clock is no matter of settings.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let gateway = stage.fleet.gateway;
    stage.fleet.restart_gateway(gateway, &environment).await?;
    let check = readiness_says(&stage.fleet, &[gateway], "clock", "synchronise it").await?;
    let window = stage.window().await?;
    let happened = stage.last(window, vec![check]).await?;
    stage.fleet.restart_gateway(gateway, &[]).await?;
    Ok(happened)
}

/// Where Debian's package `libfaketime` keeps the library that gives a program another time.
fn faketime() -> Result<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let found = directories
        .map(|directory| directory.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file());
    found.context("libfaketime is not installed: run infra/scripts/setup.sh test")
}

/// Restarts both gateways, one after the other, each as its load balancer sees it.
async fn restart_gateways(stage: &mut Stage, load: &Load) -> Result<Happened> {
    let window = stage.window().await?;
    let both = [stage.fleet.gateway, stage.second];
    for gateway in both {
        let http = stage.fleet.http.clone();
        let restarted = stage.fleet.restart_gateway(gateway, &[]);
        tokio::select! {
            restarted = restarted => restarted?,
            () = balance(&http, both, load) => {}
        }
        load.rotate(gateway, true);
        sleep(stage.times.fault / 4).await;
    }
    Ok(Happened::new(
        window.close(&stage.fleet.pool).await?,
        Vec::new(),
    ))
}

/// Keeps those gateways in rotation that are ready, as a load balancer does; never ends.
async fn balance(http: &reqwest::Client, gateways: [SocketAddr; 2], load: &Load) {
    loop {
        for gateway in gateways {
            let ready = http.get(format!("http://{gateway}/readyz"));
            let ready = ready.timeout(Duration::from_secs(1)).send().await;
            let is_ready = ready.is_ok_and(|answer| answer.status().is_success());
            load.rotate(gateway, is_ready);
        }
        sleep(HEALTH_EVERY).await;
    }
}

/// A job and a row of the outbox that no program can read.
async fn poison(stage: &Stage, load: &Load) -> Result<Happened> {
    let pool = &stage.fleet.pool;
    let payment = load.payments().first().copied();
    let payment = payment.context("no payment was accepted")?;
    let job = Uuid::now_v7();
    sqlx::query(
        r#"insert into job (id, payment_id, subject, effect, state, due_at, call_key, created_at)
           values ($1, $2, $2, '{"kind": "teleport"}', 'queued', now(), $1::text, now())"#,
    )
    .bind(job)
    .bind(payment)
    .execute(pool)
    .await?;
    let row = "insert into outbox (shard, count, messages, created_at) values ($1, 1, 'no JSON', now()) returning seq";
    let row: i64 = sqlx::query_scalar(row)
        .bind(BAD_SHARD)
        .fetch_one(pool)
        .await?;
    let window = stage.window().await?;
    let mut happened = stage.last(window, Vec::new()).await?;
    let found: String = sqlx::query_scalar("select state from job where id = $1")
        .bind(job)
        .fetch_one(pool)
        .await?;
    let says = format!("the job that cannot be read is dead: it is {found}");
    happened.checks.push(Check::new(found == "dead", says));
    let workers = stage.fleet.worker_addresses();
    let check = readiness_says(&stage.fleet, workers, "loops", BAD_RELAY).await?;
    happened.checks.push(check);
    // As an operator would who knows that nothing is lost with them.
    sqlx::query("delete from job where id = $1")
        .bind(job)
        .execute(pool)
        .await?;
    sqlx::query("delete from outbox where shard = $1 and seq = $2")
        .bind(BAD_SHARD)
        .bind(row)
        .execute(pool)
        .await?;
    Ok(happened)
}

/// Checks that one of these processes is not ready and gives this reason.
async fn readiness_says(
    fleet: &Fleet,
    processes: &[SocketAddr],
    name: &str,
    reason: &str,
) -> Result<Check> {
    let mut said = Vec::new();
    for process in processes {
        let (is_ready, checks) = fleet.readiness(*process).await?;
        let text = checks[name].as_str().unwrap_or_default().to_owned();
        if !is_ready && text.contains(reason) {
            return Ok(Check::new(true, format!("readiness says: {text}")));
        }
        said.push(text);
    }
    let says = format!("readiness says what is wrong; it says {said:?}");
    Ok(Check::new(false, says))
}

/// Waits until a request that was sent after `from` was answered 2xx, and a payment that was created after it has succeeded.
async fn wait_for_recovery(
    happened: &mut Happened,
    from: Instant,
    pool: &PgPool,
    load: &Load,
) -> Result<()> {
    while happened.succeeded_after.is_none() && from.elapsed() < NEVER {
        let seen = load.seen();
        let accepted = seen.iter().filter(|seen| {
            seen.group == Group::Others
                && seen.sent >= from
                && seen.status.is_some_and(|status| status < 300)
        });
        happened.accepted_after = accepted.map(|seen| seen.sent + seen.took - from).min();
        happened.succeeded_after = first_success(pool, from).await?;
        sleep(POLL).await;
    }
    Ok(())
}

/// How long after `from` the first payment succeeded that was created after it, by the times of the database's rows.
async fn first_success(pool: &PgPool, from: Instant) -> Result<Option<Duration>> {
    let query = "select min(extract(epoch from updated_at - (now() - make_interval(secs => $1))))::float8 from payment
        where status = 'succeeded' and created_at >= now() - make_interval(secs => $1)";
    let seconds: Option<f64> = sqlx::query_scalar(query)
        .bind(from.elapsed().as_secs_f64())
        .fetch_one(pool)
        .await?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()))
}
