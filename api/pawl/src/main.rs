//! `pawl`: the command line of operators and developers.

mod account;
mod adopt;
mod api_keys;
mod audit;
mod config;
mod database;
#[cfg(feature = "dev")]
mod demo;
#[cfg(feature = "dev")]
mod dev;
mod id;
mod keys;
mod machines;
mod migrate;
mod operate;
mod output;
mod pause;
#[cfg(feature = "dev")]
mod reset;
#[cfg(feature = "dev")]
mod running;
#[cfg(feature = "dev")]
mod seed;
#[cfg(feature = "dev")]
mod services;
mod table;
#[cfg(feature = "dev")]
mod trigger;
mod users;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

/// Drives payments that cannot be lost.
#[derive(Debug, Parser)]
#[command(name = "pawl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "dev")]
    Dev(dev::Options),
    /// Removes the payments, users and keys that `pawl dev` keeps in .pawl.
    #[cfg(feature = "dev")]
    Reset,
    /// Brings the database of `DATABASE_URL` to this version's schema.
    Migrate,
    #[cfg(feature = "dev")]
    Seed(seed::Options),
    /// Makes every gateway refuse new payments (`pawl pause intake`).
    Pause(pause::Options),
    /// Makes every gateway accept new payments again (`pawl resume intake`).
    Resume(pause::Options),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Jobs(operate::jobs::Command),
    #[command(subcommand)]
    Queues(operate::queues::Command),
    #[command(subcommand)]
    Payments(operate::payments::Command),
    #[command(subcommand)]
    Webhooks(operate::webhooks::Command),
    /// Prints the completions of a shell: `pawl completions bash > /etc/bash_completion.d/pawl`.
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    #[command(subcommand)]
    Users(users::Command),
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    #[command(subcommand)]
    Keys(keys::Command),
    Adopt(adopt::Options),
    Audit(audit::Options),
    Id(id::Options),
    Machines(machines::Options),
    #[cfg(feature = "dev")]
    Services(services::Options),
    #[cfg(feature = "dev")]
    Trigger(trigger::Options),
    #[cfg(feature = "proof")]
    Chaos(proof::chaos::ChaosOptions),
    #[cfg(feature = "proof")]
    Bench(proof::bench::BenchOptions),
    #[cfg(feature = "proof")]
    Attack(Box<proof::attack::AttackOptions>),
    /// The bare axum service with which `pawl bench --http` compares the gateway.
    #[cfg(feature = "proof")]
    #[command(hide = true)]
    Hello,
}

#[tokio::main]
async fn main() -> ExitCode {
    // On the heap: the future holds the state of every command.
    let ended = Box::pin(run(Cli::parse().command)).await;
    ended.unwrap_or_else(|error| {
        output::failure(&error);
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        #[cfg(feature = "dev")]
        Command::Dev(options) => dev::run(options).await,
        #[cfg(feature = "dev")]
        Command::Reset => reset::run(),
        Command::Migrate => migrate::run().await,
        #[cfg(feature = "dev")]
        Command::Seed(options) => seed::run(options).await,
        Command::Pause(options) => pause::run(options, true).await,
        Command::Resume(options) => pause::run(options, false).await,
        Command::Config(command) => config::run(command).await,
        Command::Jobs(command) => operate::jobs::run(command).await,
        Command::Queues(command) => operate::queues::run(command).await,
        Command::Payments(command) => operate::payments::run(command).await,
        Command::Webhooks(command) => operate::webhooks::run(command).await,
        Command::Completions { shell } => {
            let mut completions = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pawl", &mut completions);
            output::line(String::from_utf8(completions)?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Users(command) => users::run(command).await,
        Command::ApiKeys(command) => api_keys::run(command).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Adopt(options) => adopt::run(options).await,
        Command::Audit(options) => audit::run(options).await,
        Command::Id(options) => id::run(&options),
        Command::Machines(options) => machines::run(&options),
        #[cfg(feature = "dev")]
        Command::Services(options) => services::run(options).await,
        #[cfg(feature = "dev")]
        Command::Trigger(options) => trigger::run(options).await,
        #[cfg(feature = "proof")]
        Command::Chaos(options) => proof::chaos::run(options).await,
        #[cfg(feature = "proof")]
        Command::Bench(options) => proof::bench::run(options).await,
        #[cfg(feature = "proof")]
        Command::Attack(options) => proof::attack::run(&options).await,
        #[cfg(feature = "proof")]
        Command::Hello => proof::bench::hello::run().await,
    }
}
