//! `pawl`: the whole stack in one command, and the operator's command line.

mod attack;
mod bench;
mod chaos;
mod demo;
mod dev;
mod load;
mod manage;
mod migrate;
mod output;
mod pause;
mod reset;
mod seed;
mod services;
mod stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Drives payments that cannot be lost.
#[derive(Debug, Parser)]
#[command(name = "pawl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Options),
    /// Removes the payments, users and keys that `pawl dev` keeps in .pawl.
    Reset,
    /// Brings the database of `DATABASE_URL` to this version's schema.
    Migrate,
    /// Makes the demonstration's account, users and API key in the database of `DATABASE_URL`.
    Seed,
    /// Stops the taking of new payments (`pawl pause intake`).
    Pause(pause::Options),
    /// Takes new payments again (`pawl resume intake`).
    Resume(pause::Options),
    #[command(subcommand)]
    Users(manage::users::Command),
    #[command(subcommand)]
    ApiKeys(manage::api_keys::Command),
    #[command(subcommand)]
    Keys(manage::keys::Command),
    Services(services::Options),
    Chaos(chaos::Options),
    Bench(bench::Options),
    Attack(Box<attack::Options>),
    /// What `pawl bench --doors` measures the gateway against.
    #[command(hide = true)]
    Hello,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev(options) => dev::run(options).await,
        Command::Reset => reset::run(),
        Command::Migrate => migrate::run().await,
        Command::Seed => seed::run().await,
        Command::Pause(options) => pause::run(options, true).await,
        Command::Resume(options) => pause::run(options, false).await,
        Command::Users(command) => manage::users::run(command).await,
        Command::ApiKeys(command) => manage::api_keys::run(command).await,
        Command::Keys(command) => manage::keys::run(command).await,
        Command::Services(options) => services::run(options).await,
        Command::Chaos(options) => chaos::run(options).await,
        Command::Bench(options) => bench::run(options).await,
        Command::Attack(options) => attack::run(&options).await,
        Command::Hello => bench::hello::run().await,
    };
    result.unwrap_or_else(|error| {
        output::failure(&error);
        ExitCode::FAILURE
    })
}
