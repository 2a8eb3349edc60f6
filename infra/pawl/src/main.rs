//! `pawl`: the whole stack in one command, and the operator's command line.

mod bench;
mod chaos;
mod load;
mod output;
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
    Bench(bench::Options),
    Chaos(chaos::Options),
    Services(services::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(options) => bench::run(options).await,
        Command::Chaos(options) => chaos::run(options).await,
        Command::Services(options) => services::run(options).await,
    };
    result.unwrap_or_else(|error| {
        output::failure(&error);
        ExitCode::FAILURE
    })
}
