//! `pawl users`: the users of accounts, and their roles.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use auth_service::{Error, admin, demo};
use authz::id::UserId;
use authz::{Role, StaffRole};
use clap::{Args, Subcommand};
use infra::env::SecretString;
use infra::id::AccountId;
use rand::distr::{Alphanumeric, SampleString};

use crate::{account, database, output, table};

/// Bytes that are read of a password, more than a valid one has.
const LONGEST: u64 = 4096;

/// Creates users, lists them and changes their roles.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(Create),
    Role(Assign),
    List(List),
    Staff(Staff),
}

/// Creates a user, for example the first admin of a new deployment.
///
/// The password is read from --password-file or from standard input; where neither gives one, a random one is generated and shown once.
#[derive(Debug, Args)]
pub(crate) struct Create {
    #[arg(long)]
    email: String,
    /// user, viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// The id or the name of an account; an account of a new name is created. Without it the user gets an account of their own.
    #[arg(long, value_name = "NAME|acct_…")]
    account: Option<String>,
    /// A file that holds the password and nothing else.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Gives a user a role in an account, or changes the role that they have there.
#[derive(Debug, Args)]
pub(crate) struct Assign {
    #[arg(long)]
    email: String,
    /// user, viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// The id or the name of the account.
    #[arg(long, value_name = "NAME|acct_…")]
    account: String,
}

/// Lists the users of all accounts, with their roles.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this account, by its id or name.
    #[arg(long, value_name = "NAME|acct_…")]
    account: Option<String>,
}

/// Gives a user a role of the house, which reaches all accounts, or takes it away; without an address it lists who has one.
///
/// This command is the only way to such a role: no service can give it.
#[derive(Debug, Args)]
pub(crate) struct Staff {
    #[arg(long, requires = "change")]
    email: Option<String>,
    /// viewer, operator or admin
    #[arg(long, group = "change", requires = "email")]
    role: Option<StaffRole>,
    /// Takes the role away.
    #[arg(long, group = "change", requires = "email")]
    remove: bool,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Create(options) => create(options).await?,
        Command::Role(options) => assign(options).await?,
        Command::List(options) => list(options).await?,
        Command::Staff(options) => staff(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(options: Create) -> Result<()> {
    let pool = database::pool()?;
    let (password, is_generated) = match read_password(options.password_file.as_deref())? {
        Some(password) => (password, false),
        None => (Alphanumeric.sample_string(&mut rand::rng(), 22), true),
    };
    let home = match options.account.as_deref() {
        Some(named) if named.parse::<AccountId>().is_ok() => {
            Some(account::find(&pool, named).await?)
        }
        Some(name) => Some(demo::account(&pool, name).await?),
        None => None,
    };
    let secret = SecretString::from(password.clone());
    let made = admin::create_user(&pool, home, &options.email, &secret, options.role).await;
    let (user, home) = match made {
        Err(Error::EmailTaken) => bail!(
            "{} is a user already: `pawl users role` changes what it may do",
            options.email
        ),
        made => made?,
    };
    output::line(format!(
        "user      {}  {}",
        UserId::from(user),
        options.email
    ));
    output::line(format!("account   {}", AccountId::from(home)));
    output::line(format!("role      {}", options.role));
    if is_generated {
        output::line(format!("password  {password}"));
        output::notice("Keep the password: it is shown this once.");
    }
    Ok(())
}

/// The password in the file, or on a standard input that is not a terminal, without its last line break.
fn read_password(file: Option<&Path>) -> Result<Option<String>> {
    let mut text = String::new();
    match file {
        Some(file) => {
            let opened = std::fs::File::open(file);
            let read = opened.and_then(|file| file.take(LONGEST).read_to_string(&mut text));
            read.with_context(|| format!("the password cannot be read from {}", file.display()))?;
        }
        None if std::io::stdin().is_terminal() => {}
        None => {
            let read = std::io::stdin().take(LONGEST).read_to_string(&mut text);
            read.context("the password cannot be read from standard input")?;
        }
    }
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() && file.is_some() {
        bail!("the password file is empty");
    }
    Ok(Some(password.to_owned()).filter(|password| !password.is_empty()))
}

async fn assign(options: Assign) -> Result<()> {
    let pool = database::pool()?;
    let home = account::find(&pool, &options.account).await?;
    match admin::assign(&pool, home, &options.email, options.role).await {
        Err(Error::NotFound) => bail!(
            "there is no user {}: `pawl users create` makes one",
            options.email
        ),
        Err(Error::LastAdmin) => bail!("an account keeps at least one admin"),
        done => done?,
    }
    output::line(format!(
        "{} is {} of {}; tokens with another role end within 5 s",
        options.email,
        options.role,
        AccountId::from(home)
    ));
    Ok(())
}

async fn staff(options: Staff) -> Result<()> {
    let pool = database::pool()?;
    let Some(email) = options.email else {
        let mut rows = table::new(&["EMAIL", "ROLE OF THE HOUSE"]);
        for (email, role) in admin::staff(&pool).await? {
            rows.add_row([email, role.to_string()]);
        }
        table::print(&rows);
        return Ok(());
    };
    let before = match admin::set_staff(&pool, &email, options.role).await {
        Err(Error::NotFound) => {
            bail!("there is no user {email}: `pawl users create` makes one")
        }
        done => done?,
    };
    let now = options
        .role
        .map_or("no role".to_owned(), |role| role.to_string());
    let before = before.map_or("none".to_owned(), |role| role.to_string());
    output::line(format!(
        "{email} has {now} of the house (before: {before}); all tokens of {email} end within 5 s, and a refresh brings new ones"
    ));
    Ok(())
}

async fn list(options: List) -> Result<()> {
    let pool = database::pool()?;
    let mut rows = table::new(&["EMAIL", "ROLE", "USER", "ACCOUNT", "NAME"]);
    if let Some(named) = options.account.as_deref() {
        let home = account::find(&pool, named).await?;
        add(&pool, &mut rows, home, named).await?;
    } else {
        let mut after = None;
        loop {
            let portion = admin::accounts(&pool, after).await?;
            let Some((last, _)) = portion.last() else {
                break;
            };
            after = Some(*last);
            for (home, name) in &portion {
                add(&pool, &mut rows, *home, name).await?;
            }
        }
    }
    table::print(&rows);
    Ok(())
}

async fn add(
    pool: &sqlx::PgPool,
    rows: &mut comfy_table::Table,
    home: uuid::Uuid,
    name: &str,
) -> Result<()> {
    let mut after = None;
    loop {
        let members = admin::members(pool, home, after).await?;
        let Some(last) = members.last() else {
            return Ok(());
        };
        after = Some(last.user);
        for member in members {
            rows.add_row([
                member.email,
                member.role.to_string(),
                UserId::from(member.user).to_string(),
                AccountId::from(home).to_string(),
                name.to_owned(),
            ]);
        }
    }
}
