//! `pawl adopt`: writes what Stripe did after the moment to which the database was restored.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use authz::audit::Act;
use clap::Args;
use engine::adoption::{Adopter, Adoption};
use engine::stripe::{Client, ClientConfig, EventRange};
use infra::Env;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep};

use crate::{database, output};

/// The pause between two looks at what the workers have read.
const PAUSE: Duration = Duration::from_secs(1);

/// How far Stripe's clock and ours may differ.
const CLOCKS_APART: time::Duration = time::Duration::hours(1);

/// Writes the payments again that Stripe knows and a restored database does not, has the others compared with Stripe, and keeps
/// the answers under their clients' idempotency keys again, so that no retry pays or refunds twice.
///
/// Run it after a restore, before the gateways start; the workers may run and are needed to end it. It can be repeated. It
/// reads `DATABASE_URL`, `STRIPE_API_KEY` and `STRIPE_API_BASE`, as a worker does, and changes nothing at Stripe.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The moment from which on Stripe's objects are looked at, such as `2026-11-26T08:00:00Z`; an hour before the newest payment
    /// of the database if absent.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// Shows what would be adopted, and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// How many seconds the workers get to read the refunds and payments from Stripe.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "it is no time as RFC 3339 writes it, such as 2026-11-26T08:00:00Z".to_owned())
}

/// Adopts, and ends with 1 if the workers did not read everything in time.
///
/// # Errors
/// Stripe or Postgres failed; what was written before stays, and the command can be repeated.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let mut env = Env::load();
    let (key, base) = env.stripe();
    env.finish()?;
    let adopter = Adopter {
        pool: database::pool()?,
        stripe: Client::new(&ClientConfig::new(base, key))?,
        is_dry: options.dry_run,
    };
    let from = match options.since {
        Some(since) => since,
        None => adopter.newest_payment().await?.map_or_else(
            || bail!("the database has no payment: say with --since from when on Stripe's objects are to be adopted"),
            |newest| Ok(newest - CLOCKS_APART),
        )?,
    };
    let range = EventRange {
        from: from.unix_timestamp(),
        to: (OffsetDateTime::now_utc() + CLOCKS_APART).unix_timestamp(),
    };
    output::notice(&format!(
        "looking at what Stripe made since {}",
        output::time(from)
    ));
    let mut act = Act::new("payments_adopted");
    act.reason = Some("the database was restored");
    if !options.dry_run {
        act.requested(json!({ "since": output::time(from) }))
            .record(&adopter.pool)
            .await?;
    }
    let mut done = Adoption::default();
    let payments = adopter.adopt_payments(range, &mut done, |done| {
        output::notice(&format!(
            "{} intents of ours seen, {} payments adopted",
            done.seen,
            done.adopted.len()
        ));
    });
    payments.await?;
    adopter.adopt_refunds(range, &mut done).await?;
    adopter.keep_answers_of_refunds(range, &mut done).await?;
    if options.dry_run {
        print(&done, "would be ");
        return Ok(ExitCode::SUCCESS);
    }
    let is_whole = wait_for_workers(&adopter, range, &mut done, options.wait).await?;
    print(&done, "");
    let facts = json!({ "adopted": done.adopted.len(), "compared": done.compared, "answers": done.answers });
    act.ended(Ok(facts)).record(&adopter.pool).await?;
    if is_whole {
        output::line(
            "Every payment and refund that Stripe made since then is known: start the gateways.",
        );
        return Ok(ExitCode::SUCCESS);
    }
    output::line(
        "The workers have not read everything from Stripe: see that they run (`pawl jobs list --state dead` shows what failed), \
         then run this command again before the gateways start.",
    );
    Ok(ExitCode::FAILURE)
}

/// Waits until the workers have read what was adopted or differs; false if they have not after `seconds`.
async fn wait_for_workers(
    adopter: &Adopter,
    range: EventRange,
    done: &mut Adoption,
    seconds: u64,
) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut told = None;
    loop {
        let waiting = adopter.open_comparisons().await? + done.awaited;
        if waiting == 0 {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        if told != Some(waiting) {
            output::notice(&format!(
                "{waiting} payments and refunds are to be read from Stripe by the workers: start them now if they do not run"
            ));
            told = Some(waiting);
        }
        sleep(PAUSE).await;
        if done.awaited > 0 {
            adopter.keep_answers_of_refunds(range, done).await?;
        }
    }
}

fn print(done: &Adoption, would: &str) {
    for id in &done.adopted {
        output::line(format!("{id}  {would}adopted"));
    }
    for (id, reference) in &done.doubled {
        output::line(format!(
            "{id}  was accepted for the order {reference}, whose reference another payment holds: one of the two is to be \
             canceled or refunded"
        ));
    }
    for (intent, reason) in &done.skipped {
        output::line(format!("{intent}  is left out: {reason}"));
    }
    output::line(format!(
        "payments {would}adopted: {}, {would}compared with Stripe: {}, answers to clients {would}kept again: {}",
        done.adopted.len(),
        done.compared,
        done.answers
    ));
}
