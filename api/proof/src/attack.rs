//! `pawl attack`: checks the security contract of a running deployment over HTTP.
//!
//! It uses nothing of Pawl's inside: any service with the same contract could be checked with it.

mod answer;
mod api_keys;
mod case;
mod client_ip;
mod enumeration;
mod forge;
mod headers;
mod idempotency;
mod input;
mod keys;
mod limits;
mod objects;
mod operators;
mod outbound;
mod own_stack;
mod passwords;
mod refresh;
mod report;
mod seen;
mod target;
mod tokens;
mod transport;
mod visitor;
mod webhooks;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use case::{Case, Outcome, Verdict};
use clap::Args;
use futures::{StreamExt as _, stream};
use infra::env::SecretString;
use own_stack::OwnStack;
use report::Report;
use reqwest::Url;
use target::{Addresses, Admin, Target};
use visitor::Visitor;

use crate::output;

/// Cases that run at the same time against services of this machine, where each has an address of its own.
const AT_ONCE: usize = 4;

type Cases = fn() -> Vec<Case>;

/// Every area, in the order of the contract.
const AREAS: [(&str, Cases); 16] = [
    ("tokens", tokens::cases),
    ("keys", keys::cases),
    ("refresh", refresh::cases),
    ("passwords", passwords::cases),
    ("enumeration", enumeration::cases),
    ("api_keys", api_keys::cases),
    ("limits", limits::cases),
    ("client_ip", client_ip::cases),
    ("objects", objects::cases),
    ("input", input::cases),
    ("idempotency", idempotency::cases),
    ("webhooks", webhooks::cases),
    ("operators", operators::cases),
    ("transport", transport::cases),
    ("outbound", outbound::cases),
    ("headers", headers::cases),
];

/// Attacks a deployment over HTTP and compares its answers with the security contract.
///
/// Without addresses it starts a stack of its own, with every limit on, and attacks that. It registers throw-away users
/// with random addresses, sends requests only to the given addresses, and ends by itself. Exits with 1 when a case failed.
#[derive(Debug, Args)]
pub struct AttackOptions {
    /// The public API.
    #[arg(long, value_name = "URL", requires = "auth")]
    gateway: Option<Url>,
    /// The auth service.
    #[arg(long, value_name = "URL", requires = "gateway")]
    auth: Option<Url>,
    /// The operations API.
    #[arg(long, value_name = "URL", requires = "gateway")]
    core: Option<Url>,
    /// An API key that opens the auth service; better given by the environment or a file, where no process list shows it.
    #[arg(
        long,
        value_name = "KEY",
        env = "PAWL_ATTACK_API_KEY",
        hide_env_values = true,
        requires = "gateway"
    )]
    api_key: Option<String>,
    /// The same, in a file.
    #[arg(long, value_name = "FILE", conflicts_with = "api_key")]
    api_key_file: Option<PathBuf>,
    /// The deployment's `JWT_PRIVATE_KEY`, for tokens with a good signature and wrong claims.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    signing_key: Option<PathBuf>,
    /// The secret that signs Stripe's webhooks, in a file.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    webhook_secret_file: Option<PathBuf>,
    /// An admin of an account: members, keys and the audit are attacked there.
    #[arg(long, value_name = "EMAIL", requires = "admin_password_file")]
    admin_email: Option<String>,
    /// The admin's password.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    admin_password_file: Option<PathBuf>,
    /// An address out of 127.0.0.0/8 that `TRUSTED_PROXIES` names.
    #[arg(long, value_name = "ADDRESS", requires = "gateway")]
    proxy_from: Option<Ipv4Addr>,
    /// `WEBHOOK_ALLOW_PRIVATE` is on there: webhook endpoints may have private addresses.
    #[arg(long)]
    allow_private: bool,
    /// Only these areas, separated by commas.
    #[arg(long, value_name = "AREAS", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(AREAS.map(|(name, _)| name)))]
    only: Vec<String>,
    /// Writes the cases to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Attacks, prints the table and writes the JSON file.
///
/// # Errors
/// The command line is wrong, or the deployment cannot be reached.
pub async fn run(options: &AttackOptions) -> Result<ExitCode> {
    let shutdown = infra::shutdown::signal();
    let report = shutdown
        .run_until_cancelled(Box::pin(attack(options)))
        .await;
    let report = report.context("interrupted")??;
    output::line(report.table());
    output::line(report.summary());
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(if report.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn attack(options: &AttackOptions) -> Result<Report> {
    if options.gateway.is_some() {
        return Ok(Report::new(
            all(&given_target(options)?, &options.only).await?,
        ));
    }
    let stack = OwnStack::start().await?;
    let outcomes = all(&stack.target()?, &options.only).await;
    stack.stop().await?;
    // This stack has all that a case can need.
    Ok(Report::new(outcomes?).without_skips())
}

/// The target of the command line.
fn given_target(options: &AttackOptions) -> Result<Target> {
    let (Some(gateway), Some(auth)) = (options.gateway.clone(), options.auth.clone()) else {
        bail!("give --gateway and --auth, or neither");
    };
    let api_key = match (&options.api_key, &options.api_key_file) {
        (Some(key), _) => key.clone().into(),
        (None, Some(file)) => secret(file)?,
        (None, None) => {
            bail!("give an API key of the auth service: PAWL_ATTACK_API_KEY or --api-key-file")
        }
    };
    let core = options.core.clone();
    let mut target = Target::new(Addresses {
        gateway,
        auth,
        core,
        api_key,
    });
    if let Some(file) = &options.signing_key {
        let text =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        target.signing_key = Some(forge::signing_key(&text)?);
    }
    target.webhook_secret = options
        .webhook_secret_file
        .as_deref()
        .map(secret)
        .transpose()?;
    if let (Some(email), Some(file)) = (&options.admin_email, &options.admin_password_file) {
        target.admin = Some(Admin {
            email: email.clone(),
            password: secret(file)?,
        });
    }
    target.proxy = options.proxy_from;
    target.allows_private = options.allow_private;
    Ok(target)
}

/// The one line of a file.
fn secret(file: &Path) -> Result<SecretString> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        bail!("{} is empty", file.display());
    }
    Ok(text.to_owned().into())
}

/// Runs the cases of these areas, or of all; the outcomes are in the order of the contract.
async fn all(target: &Target, only: &[String]) -> Result<Vec<Outcome>> {
    let cases: Vec<Case> = AREAS
        .into_iter()
        .filter(|(area, _)| only.is_empty() || only.iter().any(|only| only == area))
        .flat_map(|(area, cases)| cases().into_iter().map(|case| case.in_area(area)))
        .collect();
    let progress = output::Count::new("cases", cases.len());
    let cases = cases.into_iter().enumerate();
    let (alone, beside): (Vec<_>, Vec<_>) = cases.partition(|(_, case)| case.alone);
    let at_once = if target.is_local() { AT_ONCE } else { 1 };
    let mut outcomes = some(target, beside, at_once, &progress).await?;
    outcomes.extend(some(target, alone, 1, &progress).await?);
    outcomes.sort_by_key(|(number, _)| *number);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

async fn some(
    target: &Target,
    cases: Vec<(usize, Case)>,
    at_once: usize,
    progress: &output::Count,
) -> Result<Vec<(usize, Outcome)>> {
    let run = cases.into_iter().map(async |(number, case)| {
        let visitor = Visitor::new(target)?;
        let outcome = case.run(&visitor).await;
        if outcome.verdict == Verdict::Failed {
            progress.print(&format!(
                "{}: {}: expected {}, seen {}",
                outcome.area, outcome.case, outcome.expected, outcome.seen
            ));
        }
        progress.step(outcome.area);
        anyhow::Ok((number, outcome))
    });
    let ran: Vec<_> = stream::iter(run).buffer_unordered(at_once).collect().await;
    ran.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_cases_of_an_area_have_one_name() {
        for (area, cases) in AREAS {
            let cases = cases();
            let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
            assert_eq!(names.len(), cases.len(), "{area}");
        }
    }
}
