//! `pawl api-keys`: the API keys of merchants' back ends.

use std::process::ExitCode;

use anyhow::{Result, bail};
use auth_service::{Error, admin};
use authz::api_key;
use authz::id::KeyId;
use clap::{Args, Subcommand};
use infra::env::ExposeSecret;
use infra::http::page::Page;

use crate::{account, database, output, table};

/// Creates, lists and revokes the API keys of merchants' back ends.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Creates an API key of an account and shows it once.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The id or the name of the account that the key acts for.
    #[arg(long, value_name = "NAME|acct_…")]
    account: String,
    /// A name by which people know the key.
    #[arg(long)]
    name: String,
    /// Requests per minute, 0 for no limit; without it the limit of the gateway holds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    rate_limit_per_minute: Option<i32>,
}

/// Lists the API keys of an account, newest first, revoked ones included.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The id or the name of the account.
    #[arg(long, value_name = "NAME|acct_…")]
    account: String,
}

/// Revokes an API key: within 5 s no service accepts it any more.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The key's id: `key_…`.
    id: KeyId,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Create(options) => create(options).await?,
        Command::List(options) => list(options).await?,
        Command::Revoke(options) => revoke(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(options: Create) -> Result<()> {
    let pool = database::pool()?;
    let home = account::find(&pool, &options.account).await?;
    let limit = options.rate_limit_per_minute;
    let (key, id) = admin::create_key(&pool, home, &options.name, limit).await?;
    output::line(format!("id   {id}"));
    output::line(format!("key  {}", key.expose_secret()));
    output::notice("Keep the key: it is shown this once.");
    Ok(())
}

async fn list(options: List) -> Result<()> {
    let pool = database::pool()?;
    let home = account::find(&pool, &options.account).await?;
    let mut rows = table::new(&["ID", "NAME", "PREFIX", "PER MINUTE", "CREATED", "REVOKED"]);
    let mut page = Page {
        starting_after: None,
        ending_before: None,
        limit: 100,
    };
    loop {
        let (keys, _) = api_key::page(&pool, home, &page).await?;
        let Some(last) = keys.last() else { break };
        page.starting_after = Some(last.id);
        for key in keys {
            rows.add_row([
                KeyId::from(key.id).to_string(),
                key.name,
                key.prefix,
                key.rate_limit_per_minute
                    .map_or_else(|| "default".to_owned(), |limit| limit.to_string()),
                key.created_at.to_string(),
                key.revoked_at.map(|at| at.to_string()).unwrap_or_default(),
            ]);
        }
    }
    table::print(&rows);
    Ok(())
}

async fn revoke(options: Revoke) -> Result<()> {
    match admin::revoke_key(&database::pool()?, options.id).await {
        Err(Error::NotFound) => bail!("there is no key {} that is not revoked", options.id),
        done => done?,
    }
    output::line(format!("{} is revoked", options.id));
    Ok(())
}
