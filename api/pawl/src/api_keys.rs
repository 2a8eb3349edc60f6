//! `pawl api-keys`: the API keys of merchants' back ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use auth_service::{Error, admin, demo};
use authz::api_key;
use authz::id::KeyId;
use clap::{Args, Subcommand};
use infra::env::ExposeSecret;
use infra::http::page::Page;
use sqlx::PgPool;

use crate::{account, database, output, table};

/// The fewest characters of a key that a file gives.
const SHORTEST: usize = 22;

/// Creates, lists and revokes the API keys of merchants' back ends.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Creates an API key of an account and shows it once; or stores the key of a file, as often as it is asked to.
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
    /// A file that holds the key and nothing else: a deployment generated it. It is stored unless it was stored before, is
    /// not shown, and an account of a new name is created.
    #[arg(long, value_name = "FILE", conflicts_with = "rate_limit_per_minute")]
    key_file: Option<PathBuf>,
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
    if let Some(file) = &options.key_file {
        return store(&pool, &options, file).await;
    }
    let home = account::find(&pool, &options.account).await?;
    let limit = options.rate_limit_per_minute;
    let (key, id) = admin::create_key(&pool, home, &options.name, limit).await?;
    output::line(format!("id   {id}"));
    output::line(format!("key  {}", key.expose_secret()));
    output::notice("Keep the key: it is shown this once.");
    Ok(())
}

/// Stores the key of a file for the account of this name.
async fn store(pool: &PgPool, options: &Create, file: &Path) -> Result<()> {
    let read = std::fs::read_to_string(file);
    let key = read.with_context(|| format!("the key file {} cannot be read", file.display()))?;
    let key = key.trim();
    // As of bootstrap keys: 128 random bits in the densest usual encoding.
    if key.len() < SHORTEST {
        bail!(
            "the key in {} is shorter than {SHORTEST} characters: `openssl rand -hex 24` makes one",
            file.display()
        );
    }
    let home = demo::account(pool, &options.account).await?;
    demo::known_api_key(pool, Some(home), &options.name, &key.to_owned().into()).await?;
    output::line(format!("the key of {} is stored", file.display()));
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
                output::time(key.created_at),
                key.revoked_at.map(output::time).unwrap_or_default(),
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
