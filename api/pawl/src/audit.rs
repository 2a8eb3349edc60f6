//! `pawl audit`: compares Stripe's payments with the database, or shows the last comparison.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use contracts::audit::AuditView;
use engine::audit::{AuditKey, Auditor};
use engine::stripe::{Client, ClientConfig};
use infra::Env;
use time::OffsetDateTime;

use crate::{database, output, table};

/// How long both sides get to settle before a difference counts.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// Compares all payments of the last hours with Stripe's: counts and sums of each account and currency, and each difference.
/// The report is signed and kept. Ends with 1 if anything differs.
///
/// It reads `DATABASE_URL`, `STRIPE_API_KEY` and `STRIPE_API_BASE`, as a worker does.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How far back payments are compared.
    #[arg(long, default_value_t = 48)]
    hours: u32,
    /// Shows the last report and checks its signature, and compares nothing.
    #[arg(long)]
    last: bool,
}

pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let mut env = Env::load();
    let (key, base) = env.stripe();
    env.finish()?;
    let auditor = Auditor {
        pool: database::pool()?,
        key: AuditKey::derive(&key),
        stripe: Client::new(&ClientConfig::new(base, key))?,
    };
    if options.last {
        let Some((report, valid)) = auditor.newest().await? else {
            bail!("no report was kept yet: `pawl audit` makes one");
        };
        if !valid {
            bail!(
                "the signature of the last report is not that of this STRIPE_API_KEY: the key was changed since, or the report was"
            );
        }
        return Ok(print(&report));
    }
    let to = OffsetDateTime::now_utc();
    let from = to - time::Duration::hours(i64::from(options.hours));
    Ok(print(&auditor.audit(from, to, SETTLES_WITHIN).await?))
}

fn print(report: &AuditView) -> ExitCode {
    output::line(&report.summary);
    let mut sums = table::new(&[
        "account",
        "currency",
        "payments",
        "captured",
        "refunded",
        "withdrawn by disputes",
        "at Stripe",
    ]);
    for row in &report.sums {
        sums.add_row([
            row.account_id.to_string(),
            row.currency.clone(),
            row.payments.pawl.to_string(),
            row.captured.pawl.to_string(),
            row.refunded.pawl.to_string(),
            row.withdrawn.pawl.to_string(),
            format!(
                "{} / {} / {} / {}",
                row.payments.stripe, row.captured.stripe, row.refunded.stripe, row.withdrawn.stripe
            ),
        ]);
    }
    table::print(&sums);
    for drift in &report.drifts {
        output::line(format!(
            "{} ({}): {} is {} at Stripe and {} here. {}",
            drift.payment_id, drift.intent_id, drift.what, drift.stripe, drift.pawl, drift.action
        ));
    }
    if report.drifts.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
